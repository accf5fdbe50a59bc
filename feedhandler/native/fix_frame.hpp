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

// The sum of all bytes modulo 256, sixteen lanes at a time (vectors of the compiler: SSE2, NEON).
inline std::uint8_t fix_checksum(const char* p, std::size_t n) noexcept {
    using Lanes [[gnu::vector_size(16)]] = std::uint8_t;
    Lanes even{};
    Lanes odd{};
    std::size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        Lanes a;
        Lanes b;
        std::memcpy(&a, p + i, 16);
        std::memcpy(&b, p + i + 16, 16);
        even += a;
        odd += b;
    }
    even += odd;
    std::uint8_t sum = 0;
    for (int lane = 0; lane < 16; ++lane) sum = static_cast<std::uint8_t>(sum + even[lane]);
    for (; i < n; ++i) sum = static_cast<std::uint8_t>(sum + static_cast<std::uint8_t>(p[i]));
    return sum;
}

namespace detail {

// Compares as far as bytes are there. Returns -1 on a difference, 0 when more bytes are needed, 1 on a match.
inline int prefix(const char* p, std::size_t n, const char* expected, std::size_t length) noexcept {
    if (n > 0 && std::memcmp(p, expected, std::min(n, length)) != 0) return -1;
    return n < length ? 0 : 1;
}

inline FrameResult garbled(Frame why) noexcept { return {why, 0, 0, 0}; }

inline FrameResult check_trailer(const char* p, std::size_t body, std::size_t trailer) noexcept {
    const char* q = p + trailer;
    if (q[-1] != SOH || std::memcmp(q, "10=", 3) != 0 || q[6] != SOH) return garbled(Frame::bad_length);
    unsigned claimed = 0;
    for (int i = 3; i < 6; ++i) {
        const unsigned digit = static_cast<unsigned char>(q[i]) - unsigned{'0'};
        if (digit > 9) return garbled(Frame::bad_checksum);
        claimed = claimed * 10 + digit;
    }
    if (claimed != fix_checksum(p, trailer)) return garbled(Frame::bad_checksum);
    return {Frame::ok, trailer + TRAILER_BYTES, body, trailer};
}

}  // namespace detail

// Scans the message that begins at p. `message_max` bounds its whole length.
inline FrameResult scan_frame(const char* p, std::size_t n, std::size_t message_max) noexcept {
    using detail::garbled;
    if (const int match = detail::prefix(p, n, "8=FIX", 5); match <= 0)
        return match < 0 ? garbled(Frame::bad_begin) : FrameResult{};
    std::size_t i = 5;
    for (;; ++i) {
        if (i >= 2 + BEGIN_STRING_MAX + 1) return garbled(Frame::bad_begin);
        if (i == n) return {};
        if (p[i] == SOH) break;
        if (p[i] < ' ') return garbled(Frame::bad_begin);
    }
    ++i;
    if (const int match = detail::prefix(p + i, n - i, "9=", 2); match <= 0)
        return match < 0 ? garbled(Frame::bad_length) : FrameResult{};
    i += 2;
    std::size_t length = 0;
    const std::size_t first_digit = i;
    for (;; ++i) {
        if (i == n) return {};
        if (p[i] == SOH) break;
        const unsigned digit = static_cast<unsigned char>(p[i]) - unsigned{'0'};
        if (digit > 9 || i - first_digit >= LENGTH_DIGITS_MAX) return garbled(Frame::bad_length);
        length = length * 10 + digit;  // at most twelve digits: cannot overflow
    }
    if (i == first_digit) return garbled(Frame::bad_length);
    const std::size_t body = i + 1;
    if (length > message_max || body + length + TRAILER_BYTES > message_max) return garbled(Frame::oversize);
    if (const int match = detail::prefix(p + body, n - body, "35=", 3); match <= 0)
        return match < 0 ? garbled(Frame::bad_type) : FrameResult{};
    if (length < 5) return garbled(Frame::bad_length);  // "35=x|" at the least
    const std::size_t trailer = body + length;
    if (n < trailer + TRAILER_BYTES) return {Frame::partial, trailer + TRAILER_BYTES, body, trailer};
    return detail::check_trailer(p, body, trailer);
}

// Offset of the next "8=FIX" from `from` on, or of a tail that may yet become one.
inline std::size_t find_begin(const char* p, std::size_t from, std::size_t n) noexcept {
    while (from < n) {
        const void* hit = std::memchr(p + from, '8', n - from);
        if (hit == nullptr) return n;
        from = static_cast<std::size_t>(static_cast<const char*>(hit) - p);
        if (detail::prefix(p + from, n - from, "8=FIX", 5) >= 0) return from;
        ++from;
    }
    return n;
}

}  // namespace fh
