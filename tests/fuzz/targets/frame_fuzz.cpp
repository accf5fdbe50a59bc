// Framing: the scanner that remembers how messages begin answers as the one that does not, whatever it has seen; a
// good message's length and CheckSum are right; nothing is read behind the bytes that are there.
#include <algorithm>

#include "feedhandler/native/fix_frame.hpp"
#include "tests/fuzz/targets/fuzz.hpp"

namespace {

constexpr std::size_t MESSAGE_MAX = 4096;

void check_good(std::string_view bytes, const fh::FrameResult& frame) {
    FUZZ_CHECK(frame.length <= bytes.size() && frame.length <= MESSAGE_MAX);
    FUZZ_CHECK(frame.trailer + fh::TRAILER_BYTES == frame.length);
    FUZZ_CHECK(bytes.substr(frame.body, 3) == "35=");
    FUZZ_CHECK(bytes[frame.trailer - 1] == fh::SOH && bytes[frame.length - 1] == fh::SOH);
    FUZZ_CHECK(std::to_string(1000 + fuzz::plain_sum(bytes.substr(0, frame.trailer))).substr(1) ==
               bytes.substr(frame.trailer + 3, 3));
}

// As the receiver goes through a stream.
void scan_stream(std::string_view stream) {
    fh::FrameScanner scanner;
    const std::vector<char> exact(stream.begin(), stream.end());  // ends where its memory ends
    std::size_t at = 0;
    while (at < stream.size()) {
        const char* p = exact.data() + at;
        const std::size_t n = exact.size() - at;
        const auto plain = fh::scan_frame(p, n, MESSAGE_MAX);
        const auto fast = scanner.scan(p, n, MESSAGE_MAX);
        FUZZ_CHECK(plain.status == fast.status && plain.length == fast.length);
        FUZZ_CHECK(plain.body == fast.body && plain.trailer == fast.trailer);
        if (plain.status == fh::Frame::partial) return;
        if (plain.status == fh::Frame::ok) {
            check_good(stream.substr(at), plain);
            at += plain.length;
        } else {
            const auto next = fh::find_begin(p, 1, n);
            FUZZ_CHECK(next >= 1 && next <= n);
            at += next;
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view input(reinterpret_cast<const char*>(data), size);
    if (input.empty()) return 0;
    const bool lines = input.front() == 'L';  // bodies that are framed here, or the stream itself
    input.remove_prefix(1);
    std::string stream;
    if (!lines) stream = input;
    while (lines && !input.empty()) stream += fuzz::framed(fuzz::wire(fuzz::next_line(input)));
    if (stream.size() > 2 * MESSAGE_MAX) stream.resize(2 * MESSAGE_MAX);
    scan_stream(stream);
    FUZZ_CHECK(fh::fix_checksum(stream.data(), stream.size()) == fuzz::plain_sum(stream));
    return 0;
}
