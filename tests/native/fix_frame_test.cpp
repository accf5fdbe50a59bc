// Every cut, every lie about length and checksum, resynchronization, memory bounds (run under ASan too).
#include "tests/native/check.hpp"
#include "tests/native/fix_wire.hpp"

namespace {

using fh::Frame;

// The bytes end where the allocation ends, so a sanitizer sees a read too far.
fh::FrameResult scan(const std::string& bytes, std::size_t max = 4096) {
    const std::vector<char> exact(bytes.begin(), bytes.end());
    return fh::scan_frame(exact.data(), exact.size(), max);
}

std::string with(const std::string& text) {
    std::string bytes = text;
    for (char& c : bytes)
        if (c == '|') c = fh::SOH;
    return bytes;
}

void every_prefix_is_partial() {
    const std::string message = fix_message("35=0|34=1|49=A|56=B|");
    for (std::size_t n = 0; n < message.size(); ++n) CHECK(scan(message.substr(0, n)).status == Frame::partial);
    const auto whole = scan(message);
    CHECK(whole.status == Frame::ok);
    CHECK_EQ(whole.length, message.size());
}

void every_changed_byte_is_noticed() {
    const std::string message = fix_message("35=0|34=1|49=A|56=B|");
    for (std::size_t i = 0; i < message.size(); ++i)
        for (const int delta : {1, 7, 128}) {
            std::string changed = message;
            changed[i] = static_cast<char>(changed[i] + delta);
            const auto status = scan(changed + message).status;
            CHECK(status != Frame::ok);
        }
}

void lies_have_names() {
    CHECK(scan("x").status == Frame::bad_begin);
    CHECK(scan(with("8=FIX.4.4.and.much.too.long|9=5|")).status == Frame::bad_begin);
    CHECK(scan(with("8=FIX.4.4|35=0|")).status == Frame::bad_length);
    CHECK(scan(with("8=FIX.4.4|9=|35=0|")).status == Frame::bad_length);
    CHECK(scan(with("8=FIX.4.4|9=-5|35=0|")).status == Frame::bad_length);
    CHECK(scan(with("8=FIX.4.4|9=99999999999999999999|")).status == Frame::bad_length);
    CHECK(scan(with("8=FIX.4.4|9=5000|")).status == Frame::oversize);
    CHECK(scan(with("8=FIX.4.4|9=5|34=1|10=000|")).status == Frame::bad_type);
    CHECK(scan(with("8=FIX.4.4|9=5|35=0|10=000|")).status == Frame::bad_checksum);
    CHECK(scan(with("8=FIX.4.4|9=5|35=0|10=0x0|")).status == Frame::bad_checksum);
    CHECK(scan(with("8=FIX.4.4|9=6|35=0|10=163|")).status != Frame::ok);
    CHECK(scan(fix_message("35=0|", "FIXT.1.1")).status == Frame::ok);
}

void the_stream_goes_on_behind_garbage() {
    const std::string good = fix_message("35=0|34=1|49=A|56=B|");
    std::string bad = good;
    bad[bad.size() - 2] = bad[bad.size() - 2] == '0' ? '1' : '0';
    for (const std::string& junk : {bad, std::string("noise"), good.substr(0, 20), std::string("8=FIX8=FIX"),
                                    with("8=FIX.4.4|9=9999999|35=0|")}) {
        for (std::size_t cut = 0; cut <= junk.size() + good.size(); ++cut) {
            Wire wire(false);
            const std::string all = junk + good + good;
            int messages = wire.feed(all.substr(0, cut)) ? 1 : 0;
            if (wire.feed(all.substr(cut))) ++messages;
            while (wire.feed("")) ++messages;
            CHECK_EQ(messages, 2);
            CHECK(wire.count(fh::FixCount::garbled) >= 1);
            CHECK_EQ(wire.count(fh::FixCount::skipped_bytes), junk.size());
        }
    }
}

}  // namespace

int main() {
    every_prefix_is_partial();
    every_changed_byte_is_noticed();
    lies_have_names();
    the_stream_goes_on_behind_garbage();
    return check_failures;
}
