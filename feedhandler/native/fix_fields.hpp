// One FIX field after another out of a body whose length and checksum are known good.
//
// A body ends with SOH, and FIELD_SLACK readable bytes lie behind it: fields are looked at many bytes at a time.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "feedhandler/native/decimal.hpp"

namespace fh {

inline constexpr char SOH = '\x01';
inline constexpr std::size_t FIELD_SLACK = 1024;
static_assert(std::endian::native == std::endian::little, "words are taken as they lie in memory");

// Borrowed from the message. Not initialized: arrays of them are written field by field.
struct Text {
    const char* begin;
    const char* end;
    [[nodiscard]] std::size_t size() const noexcept { return static_cast<std::size_t>(end - begin); }
    [[nodiscard]] bool is(const char* text, std::size_t length) const noexcept {
        return size() == length && std::memcmp(begin, text, length) == 0;
    }
    // 0 where it has more or none.
    [[nodiscard]] char one_character() const noexcept { return size() == 1 ? *begin : '\0'; }
    [[nodiscard]] bool is(char c) const noexcept { return size() == 1 && *begin == c; }
};

[[gnu::always_inline]] inline std::uint64_t load_word(const char* p) noexcept {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    return word;
}

// A text that values are compared with, again and again.
class KnownText {
public:
    KnownText() = default;
    explicit KnownText(std::string text) : size_(text.size()), text_(std::move(text)) {
        text_.resize(size_ + 8);
        first_ = load_word(text_.data());
        mask_ = size_ >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * size_)) - 1;
    }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    // The value is a message's: eight bytes from its beginning on are readable.
    [[nodiscard]] bool is(Text value) const noexcept {
        return value.size() == size_ && ((load_word(value.begin) ^ first_) & mask_) == 0 &&
               (size_ <= 8 || std::memcmp(value.begin, text_.data(), size_) == 0);
    }

private:
    std::size_t size_ = 0;
    std::string text_;
    std::uint64_t first_ = 0;
    std::uint64_t mask_ = 0;
};

struct Field {
    std::uint32_t tag = 0;  // 0: not a field
    Text value{};
};

inline constexpr std::uint32_t TAG_MAX = 9'999'999;

// The first SOH among the eight bytes at p, as its offset; 8 where there is none.
[[gnu::always_inline]] inline unsigned soh_offset_8(const char* p) noexcept {
    constexpr std::uint64_t ONES = 0x0101010101010101;
    const std::uint64_t word = load_word(p) ^ ONES;  // SOH becomes zero
    return static_cast<unsigned>(std::countr_zero((word - ONES) & ~word & (ONES << 7))) / 8;
}

// The first SOH among the sixteen bytes at p, as its offset; 16 where there is none.
[[gnu::always_inline]] inline unsigned soh_offset(const char* p) noexcept {
#if defined(__SSE2__)
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    const auto found = static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8(SOH))));
    return found == 0 ? 16 : static_cast<unsigned>(std::countr_zero(found));
#else
    const unsigned first = soh_offset_8(p);
    return first < 8 ? first : 8 + soh_offset_8(p + 8);
#endif
}

// The first SOH from p on. One exists.
[[gnu::always_inline]] inline const char* find_soh(const char* p) noexcept {
    for (;; p += 16)
        if (const unsigned offset = soh_offset(p); offset < 16) return p + offset;
}

namespace detail {
inline unsigned digit_at(const char* p) noexcept { return static_cast<unsigned char>(*p) - unsigned{'0'}; }

// Eight digits (0 to 9, not characters), the first in the lowest byte.
inline std::uint64_t eight_digits(std::uint64_t x) noexcept {
    x = x * 10 + (x >> 8);
    return ((x & 0x000000ff000000ff) * 0x000f424000000064 + ((x >> 16) & 0x000000ff000000ff) * 0x0000271000000001) >>
           32;
}
}  // namespace detail

// Reads the field at p (p < end, end[-1] is SOH) and moves p behind its SOH. A field without a tag number of at most
// seven digits and '=' has tag 0.
inline Field next_field(const char*& p) noexcept {
    const char* end = find_soh(p);
    const char* q = p;
    std::uint32_t tag = 0;
    for (; detail::digit_at(q) <= 9 && tag <= TAG_MAX / 10; ++q) tag = tag * 10 + detail::digit_at(q);
    const bool tagged = *q == '=';  // SOH is no digit: q is not behind it
    p = end + 1;
    return {tagged ? tag : 0, {tagged ? q + 1 : q, end}};
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

// Where the next field of a body begins, and where the body ends.
struct Cursor {
    const char* at;
    const char* end;
    [[nodiscard]] bool more() const noexcept { return at < end; }
    Field next() noexcept { return next_field(at); }
};

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

// The cursor stands behind a length field: moves it behind the data that belong to it. False where they are not
// there or have another length; then it stays.
inline bool skip_data(Cursor& cursor, const Field& length) noexcept {
    const auto n =
        parse_unsigned(length.value.begin, length.value.end, static_cast<std::uint64_t>(cursor.end - cursor.at));
    Field data;
    return n.ok() && next_data(cursor.at, cursor.end, n.value, data_tag_of(length.tag), data);
}

}  // namespace fh
