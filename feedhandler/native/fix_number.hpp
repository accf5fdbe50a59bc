// Numbers of a message: up to sixteen characters at once. What is longer, and what is none, goes to decimal.hpp,
// whose answer this always is.
//
// A text must have 16 readable bytes before its end: any value of a message has, since "8=FIX..|9=..|35=" is before it.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "feedhandler/native/decimal.hpp"
#include "feedhandler/native/fix_fields.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace fh {

namespace detail {

inline constexpr std::size_t NUMBER_CHARS = 16;

// Up to sixteen digits that may have a point among them. `point` is its place from 0 to 15, 16 where there is none.
struct Sixteen {
    std::uint64_t digits;  // NOT_DIGITS: there is something else
    unsigned point;
};
inline constexpr std::uint64_t NOT_DIGITS = UINT64_MAX;

// What to divide by, by the place of the point.
inline constexpr std::array<double, NUMBER_CHARS + 1> SCALES = {1e15, 1e14, 1e13, 1e12, 1e11, 1e10, 1e9, 1e8, 1e7,
                                                                1e6,  1e5,  1e4,  1e3,  1e2,  1e1,  1e0, 1e0};

// Row n keeps the last n of sixteen bytes.
struct KeepLast {
    alignas(16) std::array<unsigned char, 2 * NUMBER_CHARS> bytes{};
    constexpr KeepLast() {
        for (std::size_t i = NUMBER_CHARS; i < bytes.size(); ++i) bytes[i] = 0xff;
    }
    [[nodiscard]] const unsigned char* row(std::size_t n) const noexcept { return bytes.data() + n; }
};
inline constexpr KeepLast KEEP_LAST;

#if defined(__SSE2__)

// Row k: the bytes before a point at k, which move up into its place, and those behind it, which stay.
struct PointRows {
    alignas(16) std::array<std::array<unsigned char, 16>, NUMBER_CHARS + 1> before{};
    alignas(16) std::array<std::array<unsigned char, 16>, NUMBER_CHARS + 1> behind{};
    constexpr PointRows() {
        for (std::size_t k = 0; k <= NUMBER_CHARS; ++k)
            for (std::size_t i = 0; i < NUMBER_CHARS; ++i) {
                before[k][i] = k < NUMBER_CHARS && i < k ? 0xff : 0;
                behind[k][i] = k == NUMBER_CHARS || i > k ? 0xff : 0;
            }
    }
};
inline constexpr PointRows POINT_ROWS;

// Sixteen digits, the first in the lowest byte: pairs, fours, eights.
[[gnu::always_inline]] inline std::uint64_t sixteen_digits(__m128i x) noexcept {
    const __m128i tens = _mm_mullo_epi16(_mm_and_si128(x, _mm_set1_epi16(0xff)), _mm_set1_epi16(10));
    const __m128i pairs = _mm_add_epi16(tens, _mm_srli_epi16(x, 8));
    const __m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00010064));
    const __m128i eights = _mm_madd_epi16(_mm_packs_epi32(fours, fours), _mm_set1_epi32(0x00012710));
    const auto both = static_cast<std::uint64_t>(_mm_cvtsi128_si64(eights));
    return (both & 0xffffffff) * 100'000'000 + (both >> 32);
}

// `n` is 1 to 16.
[[gnu::always_inline]] inline Sixteen sixteen_before(const char* end, std::size_t n) noexcept {
    const auto load = [](const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); };
    __m128i x = _mm_xor_si128(load(end - NUMBER_CHARS), _mm_set1_epi8('0'));
    x = _mm_and_si128(x, load(KEEP_LAST.row(n)));
    const __m128i is_point = _mm_cmpeq_epi8(x, _mm_set1_epi8('.' ^ '0'));
    const auto points = static_cast<std::uint32_t>(_mm_movemask_epi8(is_point));
    const auto point = static_cast<unsigned>(std::countr_zero(points | (1U << NUMBER_CHARS)));
    const __m128i before = _mm_and_si128(x, load(POINT_ROWS.before[point].data()));
    const __m128i behind = _mm_and_si128(x, load(POINT_ROWS.behind[point].data()));
    x = _mm_or_si128(_mm_slli_si128(before, 1), behind);
    const __m128i above_nine = _mm_subs_epu8(x, _mm_set1_epi8(9));
    const int good = _mm_movemask_epi8(_mm_cmpeq_epi8(above_nine, _mm_setzero_si128()));
    return {good == 0xffff ? sixteen_digits(x) : NOT_DIGITS, point};
}

#else

[[gnu::always_inline]] inline Sixteen sixteen_before(const char* end, std::size_t n) noexcept {
    constexpr std::uint64_t ONES = 0x0101010101010101;
    const char* keep = reinterpret_cast<const char*>(KEEP_LAST.row(n));
    std::uint64_t first = (load_word(end - 16) ^ (ONES * '0')) & load_word(keep);
    std::uint64_t last = (load_word(end - 8) ^ (ONES * '0')) & load_word(keep + 8);
    const auto lowest_point = [](std::uint64_t x) {
        x ^= ONES * ('.' ^ '0');
        return static_cast<unsigned>(std::countr_zero((x - ONES) & ~x & (ONES << 7))) / 8;  // 8: none
    };
    unsigned point = NUMBER_CHARS;
    if (const unsigned in_first = lowest_point(first); in_first < 8) {
        const std::uint64_t below = (std::uint64_t{1} << (8 * in_first)) - 1;
        first = (first & ~(below << 8 | 0xff)) | ((first & below) << 8);
        point = in_first;
    } else if (const unsigned in_last = lowest_point(last); in_last < 8) {
        const std::uint64_t below = (std::uint64_t{1} << (8 * in_last)) - 1;
        last = (last & ~(below << 8 | 0xff)) | ((last & below) << 8) | (first >> 56);
        first <<= 8;
        point = in_last + 8;
    }
    const auto bad = [](std::uint64_t x) { return ((x + ONES * 0x76) | x) & (ONES << 7); };
    const bool good = (bad(first) | bad(last)) == 0;
    return {good ? eight_digits(first) * 100'000'000 + eight_digits(last) : NOT_DIGITS, point};
}

#endif

}  // namespace detail

[[gnu::always_inline]] inline Decimal message_decimal(Text text) noexcept {
    const bool negative = *text.begin == '-';  // an empty text has its SOH there
    const char* p = text.begin + (negative ? 1 : 0);
    const auto length = static_cast<std::size_t>(text.end - p);
    if (length - 1 >= detail::NUMBER_CHARS) [[unlikely]]
        return parse_decimal(text.begin, text.end);
    const detail::Sixteen number = detail::sixteen_before(text.end, length);
    // Nothing (is it "0" or "."?), too many digits, or none.
    if (number.digits - 1 >= detail::EXACT_DIGITS_LIMIT - 1) [[unlikely]]
        return parse_decimal(text.begin, text.end);
    // Both operands exact, one division: correctly rounded (Clinger).
    const double value = static_cast<double>(static_cast<std::int64_t>(number.digits)) / detail::SCALES[number.point];
    return {negative ? -value : value, Parse::ok};
}

// Digits only, leading zeros allowed; above `max` the answer is `range`.
inline Unsigned message_unsigned(Text text, std::uint64_t max = UINT64_MAX) noexcept {
    const auto length = text.size();
    if (length - 1 >= detail::NUMBER_CHARS) [[unlikely]]
        return parse_unsigned(text.begin, text.end, max);
    const detail::Sixteen number = detail::sixteen_before(text.end, length);
    if (number.digits == detail::NOT_DIGITS || number.point < detail::NUMBER_CHARS) return {};
    if (number.digits > max) return {max, Parse::range};
    return {number.digits, Parse::ok};
}

}  // namespace fh
