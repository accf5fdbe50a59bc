// Where a FIX message begins and ends in a stream of bytes, and whether it is whole.
//
// A message is good when it reads 8=FIX...|9=n|35=...|10=ccc| with the right length and checksum. What is not
// good is Garbled with a reason; the stream goes on at the next "8=FIX". Scanning decides from the bytes
// alone, never from where a read happened to cut them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "feedhandler/native/fix_checksum.hpp"
#include "feedhandler/native/fix_fields.hpp"

namespace fh {

enum class Frame : std::uint8_t {
    ok = 0,
    partial = 1,
    bad_begin = 2,     // not "8=FIX" followed by a version
    bad_length = 3,    // no 9= in second place, not a number, or 10= is not where it says
    oversize = 4,      // 9= says more than the configured limit
    bad_type = 5,      // no 35= in third place
    bad_checksum = 6,  // 10= is there and differs
};

struct FrameResult {
    Frame status = Frame::partial;
    std::size_t length = 0;   // ok: of the whole message; partial: bytes needed in all, as far as known
    std::size_t body = 0;     // ok: offset of "35="
    std::size_t trailer = 0;  // ok: offset of "10="
};

inline constexpr std::size_t BEGIN_STRING_MAX = 16;   // "FIXT.1.1" and room for dialects
inline constexpr std::size_t LENGTH_DIGITS_MAX = 12;  // leading zeros are allowed, nonsense is not
inline constexpr std::size_t TRAILER_BYTES = 7;       // "10=ccc|"

namespace detail {

// Compares as far as bytes are there. Returns -1 on a difference, 0 when more bytes are needed, 1 on a match.
template <std::size_t N>
int prefix(const char* p, std::size_t n, const char (&expected)[N]) noexcept {
    constexpr std::size_t LENGTH = N - 1;
    if (n >= LENGTH) [[likely]]
        return std::memcmp(p, expected, LENGTH) == 0 ? 1 : -1;
    return n == 0 || std::memcmp(p, expected, n) == 0 ? 0 : -1;  // nothing there: p may be null
}

inline FrameResult garbled(Frame why) noexcept { return {why, 0, 0, 0}; }

inline FrameResult check_trailer(const char* p, std::size_t body, std::size_t trailer) noexcept {
    const char* q = p + trailer;
    if (q[-1] != SOH || std::memcmp(q, "10=", 3) != 0 || q[6] != SOH) return garbled(Frame::bad_length);
    const unsigned hundreds = digit_at(q + 3);
    const unsigned tens = digit_at(q + 4);
    const unsigned ones = digit_at(q + 5);
    if ((hundreds > 9) | (tens > 9) | (ones > 9)) return garbled(Frame::bad_checksum);
    if (hundreds * 100 + tens * 10 + ones != fix_checksum(p, trailer)) return garbled(Frame::bad_checksum);
    return {Frame::ok, trailer + TRAILER_BYTES, body, trailer};
}

// Behind "8=FIX....|9=n|": `body` is where the length says the body begins.
inline FrameResult check_body(const char* p, std::size_t n, std::size_t body, std::size_t length,
                              std::size_t message_max) noexcept {
    if (length > message_max || body + length + TRAILER_BYTES > message_max) return garbled(Frame::oversize);
    if (const int match = prefix(p + body, n - body, "35="); match <= 0)
        return match < 0 ? garbled(Frame::bad_type) : FrameResult{};
    if (length < 5) return garbled(Frame::bad_length);  // "35=x|" at the least
    const std::size_t trailer = body + length;
    if (n < trailer + TRAILER_BYTES) return {Frame::partial, trailer + TRAILER_BYTES, body, trailer};
    return check_trailer(p, body, trailer);
}

}  // namespace detail

// Scans the message that begins at p. `message_max` bounds its whole length.
inline FrameResult scan_frame(const char* p, std::size_t n, std::size_t message_max) noexcept {
    using detail::garbled;
    if (const int match = detail::prefix(p, n, "8=FIX"); match <= 0)
        return match < 0 ? garbled(Frame::bad_begin) : FrameResult{};
    std::size_t i = 5;
    for (;; ++i) {
        if (i >= 2 + BEGIN_STRING_MAX + 1) return garbled(Frame::bad_begin);
        if (i == n) return {};
        if (p[i] == SOH) break;
        if (p[i] < ' ') return garbled(Frame::bad_begin);
    }
    ++i;
    if (const int match = detail::prefix(p + i, n - i, "9="); match <= 0)
        return match < 0 ? garbled(Frame::bad_length) : FrameResult{};
    i += 2;
    std::size_t length = 0;
    const std::size_t first_digit = i;
    for (;; ++i) {
        if (i == n) return {};
        if (p[i] == SOH) break;
        const unsigned digit = detail::digit_at(p + i);
        if (digit > 9 || i - first_digit >= LENGTH_DIGITS_MAX) return garbled(Frame::bad_length);
        length = length * 10 + digit;  // at most twelve digits: cannot overflow
    }
    if (i == first_digit) return garbled(Frame::bad_length);
    return detail::check_body(p, n, i + 1, length, message_max);
}

// Scans frames of one stream: the beginning of a message is mostly that of the message before.
class FrameScanner {
public:
    // As scan_frame(), whose answer it always gives.
    FrameResult scan(const char* p, std::size_t n, std::size_t message_max) noexcept {
        // "8=FIX.4.4|9=" as it was last time, one to seven digits, SOH.
        if (n < begin_bytes_ + 8 || !same_begin(p)) [[unlikely]]
            return learn(p, n, message_max);
        const char* digits = p + begin_bytes_;
        const unsigned count = soh_offset_8(digits);
        if (count - 1 >= 7) return scan_frame(p, n, message_max);
        const std::uint64_t word = (load_word(digits) ^ DIGITS) << (8 * (8 - count));
        if (((word + 0x7676767676767676) | word) & 0x8080808080808080) return scan_frame(p, n, message_max);
        return detail::check_body(p, n, begin_bytes_ + count + 1, detail::eight_digits(word), message_max);
    }

private:
    static constexpr std::uint64_t DIGITS = 0x3030303030303030;
    static constexpr std::size_t BEGIN_BYTES_MAX = 16;

    [[nodiscard]] bool same_begin(const char* p) const noexcept {
        return (load_word(p) ^ begin_[0]) == 0 && (load_word(p + begin_bytes_ - 8) ^ begin_[1]) == 0;
    }

    [[gnu::noinline]] FrameResult learn(const char* p, std::size_t n, std::size_t message_max) noexcept {
        const FrameResult frame = scan_frame(p, n, message_max);
        if (frame.status != Frame::ok) return frame;
        const char* behind = find_soh(p) + 3;  // "8=FIX.4.4|9="
        const auto bytes = static_cast<std::size_t>(behind - p);
        if (bytes < 8 || bytes > BEGIN_BYTES_MAX) return frame;
        begin_bytes_ = bytes;
        begin_[0] = load_word(p);
        begin_[1] = load_word(behind - 8);
        return frame;
    }

    std::uint64_t begin_[2] = {};  // its first eight bytes and its last
    std::size_t begin_bytes_ = 8;
};

// Offset of the next "8=FIX" from `from` on, or of a tail that may yet become one.
inline std::size_t find_begin(const char* p, std::size_t from, std::size_t n) noexcept {
    while (from < n) {
        const void* hit = std::memchr(p + from, '8', n - from);
        if (hit == nullptr) return n;
        from = static_cast<std::size_t>(static_cast<const char*>(hit) - p);
        if (detail::prefix(p + from, n - from, "8=FIX") >= 0) return from;
        ++from;
    }
    return n;
}

}  // namespace fh
