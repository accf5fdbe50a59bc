// One FIX field after another out of a body whose length and checksum are known good.
//
// A body ends with SOH, and FIELD_SLACK readable bytes lie behind it: fields are scanned eight bytes at a time.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace fh {

inline constexpr char SOH = '\x01';
inline constexpr std::size_t FIELD_SLACK = 16;
static_assert(std::endian::native == std::endian::little, "find_soh counts trailing zeros of little-endian words");

// Borrowed from the message. Not initialized: arrays of them are written field by field.
struct Text {
    const char* begin;
    const char* end;
    [[nodiscard]] std::size_t size() const noexcept { return static_cast<std::size_t>(end - begin); }
    [[nodiscard]] bool is(const char* text, std::size_t length) const noexcept {
        return size() == length && std::memcmp(begin, text, length) == 0;
    }
    [[nodiscard]] bool is(char c) const noexcept { return size() == 1 && *begin == c; }
};

struct Field {
    std::uint32_t tag = 0;  // 0: not a field
    Text value{};
};

inline constexpr std::uint32_t TAG_MAX = 9'999'999;

// The first SOH from p on. One exists.
[[gnu::always_inline]] inline const char* find_soh(const char* p) noexcept {
    constexpr std::uint64_t ONES = 0x0101010101010101;
    for (;; p += 8) {
        std::uint64_t word;
        std::memcpy(&word, p, 8);
        word ^= ONES;  // SOH bytes become zero
        const std::uint64_t zeros = (word - ONES) & ~word & (ONES << 7);
        if (zeros != 0) return p + (std::countr_zero(zeros) >> 3);
    }
}

namespace detail {
inline unsigned digit_at(const char* p) noexcept { return static_cast<unsigned char>(*p) - unsigned{'0'}; }

// Any tag of up to seven digits; 0 where it is none. q is moved to behind '=', or to what is no digit.
[[gnu::noinline]] inline std::uint32_t any_tag(const char*& q) noexcept {
    std::uint32_t tag = 0;
    for (; digit_at(q) <= 9 && tag <= TAG_MAX / 10; ++q) tag = tag * 10 + digit_at(q);
    if (*q != '=') return 0;
    ++q;
    return tag;
}
}  // namespace detail

// Reads the field at p (p < end, end[-1] is SOH) and moves p behind its SOH. A field without a tag
// number of at most seven digits and '=' has tag 0. Branches are few: a field that fits into sixteen
// bytes, with a tag of up to four digits, takes one load.
[[gnu::always_inline]] inline Field next_field(const char*& p) noexcept {
    Field field;
    const char* q = p;
#if defined(__SSE2__)
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(q));
    const auto ends = static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8(SOH))));
    const auto word = static_cast<std::uint32_t>(_mm_cvtsi128_si32(block));
    const auto equal = static_cast<unsigned>(
        std::countr_zero(static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8('='))))));
    if (equal - 1 < 4) [[likely]] {
        // The tag's digits to the high bytes, zeros before them, then pairs and fours at once.
        const std::uint32_t digits = (word ^ 0x30303030U) << (8 * (4 - equal));
        if (((digits + 0x76767676U) & 0x80808080U) == 0 && (digits & 0xf0f0f0f0U) == 0) [[likely]] {
            const std::uint32_t pairs = (digits * 10 + (digits >> 8)) & 0x00ff00ffU;
            field.tag = (pairs * 100 + (pairs >> 16)) & 0xffffU;
            q += equal + 1;
        } else {
            field.tag = detail::any_tag(q);
        }
    } else {
        field.tag = detail::any_tag(q);
    }
    field.value.begin = q;
    field.value.end = ends != 0 ? p + std::countr_zero(ends) : find_soh(p + 16);
    if (field.value.end < q) field.value.begin = field.value.end;  // "=" of a later field: this one has none
#else
    field.tag = detail::any_tag(q);
    field.value.begin = q;
    field.value.end = find_soh(q);
#endif
    p = field.value.end + 1;
    return field;
}

// The data field whose length the field before gave: exactly `length` bytes, SOH among them or not.
// False where it does not fit or is not followed by SOH: then p stands where it stood.
inline bool next_data(const char*& p, const char* end, std::uint64_t length, std::uint32_t expected_tag,
                      Field& field) noexcept {
    const char* q = p;
    std::uint32_t tag = 0;
    while (q < end && static_cast<unsigned char>(*q - '0') <= 9 && tag <= TAG_MAX / 10)
        tag = tag * 10 + static_cast<std::uint32_t>(*q++ - '0');
    if (q >= end || *q != '=' || tag != expected_tag) return false;
    ++q;
    if (length >= static_cast<std::uint64_t>(end - q) || q[length] != SOH) return false;
    field.tag = tag;
    field.value = {q, q + length};
    p = q + length + 1;
    return true;
}

// The data field that belongs to a length field, 0 for any other tag (FIX 4.2 to 5.0 SP2).
constexpr std::uint32_t data_tag_of(std::uint32_t length_tag) noexcept {
    switch (length_tag) {
        case 90:
            return 91;
        case 93:
            return 89;
        case 95:
            return 96;
        case 212:
            return 213;
        case 348:
            return 349;
        case 350:
            return 351;
        case 352:
            return 353;
        case 354:
            return 355;
        case 356:
            return 357;
        case 358:
            return 359;
        case 360:
            return 361;
        case 362:
            return 363;
        case 364:
            return 365;
        case 445:
            return 446;
        case 618:
            return 619;
        case 621:
            return 622;
        case 1184:
            return 1185;
        case 1277:
            return 1278;
        case 1280:
            return 1281;
        case 1282:
            return 1283;
        case 1397:
            return 1398;
        case 1468:
            return 1469;
        case 1578:
            return 1579;
        default:
            return 0;
    }
}

}  // namespace fh
