// Decimal text to the nearest binary64, and integers with an overflow answer.
//
// Grammar of a FIX float: [-] digits with at most one point, at least one digit; no exponent, no plus.
// -0 becomes 0. `rounded` says that shortest printing does not give the text's normalized decimal back.
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fh {

enum class Parse : std::uint8_t { ok = 0, rounded = 1, bad = 2, range = 3 };

struct Decimal {
    double value = 0;
    Parse status = Parse::bad;
    [[nodiscard]] bool usable() const noexcept { return status <= Parse::rounded; }
};

namespace detail {

inline constexpr double POWERS_OF_TEN[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                           1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
inline constexpr std::uint64_t EXACT_DIGITS_LIMIT = 1'000'000'000'000'000;  // below: at most 15 significant digits

// A number as 0.d1d2d3... times ten to `point`, without leading and trailing zeros.
struct Digits {
    char text[17];
    std::size_t count = 0;
    std::ptrdiff_t point = 0;
    bool too_many = false;  // more than 17 significant digits: no shortest printing has them

    void add(char c) noexcept {
        if (count < sizeof text)
            text[count++] = c;
        else
            too_many = true;
    }
    [[nodiscard]] bool same(const Digits& other) const noexcept {
        return !too_many && !other.too_many && count == other.count && point == other.point &&
               std::memcmp(text, other.text, count) == 0;
    }
};

inline Digits wire_digits(const char* p, const char* end) noexcept {
    Digits digits;
    std::ptrdiff_t zeros = 0;  // zeros that count only if a digit follows
    bool fraction = false;
    for (; p != end; ++p) {
        if (*p == '.') {
            fraction = true;
        } else if (*p == '0') {
            if (digits.count > 0) {
                ++zeros;
                if (!fraction) ++digits.point;
            } else if (fraction) {
                --digits.point;
            }
        } else {
            for (; zeros > 0 && !digits.too_many; --zeros) digits.add('0');
            zeros = 0;
            digits.add(*p);
            if (!fraction) ++digits.point;
        }
    }
    return digits;
}

inline Digits shortest_digits(double value) noexcept {
    Digits digits;
    char text[32];
    const auto result = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific);
    const char* p = text;
    for (; p != result.ptr && *p != 'e'; ++p)
        if (*p != '.') digits.add(*p);
    int exponent = 0;
    if (p != result.ptr) std::from_chars(p + (p[1] == '+' ? 2 : 1), result.ptr, exponent);
    while (digits.count > 0 && digits.text[digits.count - 1] == '0') --digits.count;
    digits.point = exponent + 1;
    return digits;
}

// `p` is behind the sign; the text is known to follow the grammar.
[[gnu::noinline]] inline Decimal parse_long_decimal(const char* p, const char* end, bool negative) noexcept {
    const Digits wire = wire_digits(p, end);
    if (wire.count == 0) return {0.0, Parse::ok};
    if (wire.point > 309) return {0.0, Parse::range};
    if (wire.point < -324) return {0.0, Parse::rounded};
    double value = 0;
    const auto result = std::from_chars(p, end, value, std::chars_format::fixed);
    if (result.ec == std::errc::result_out_of_range) {
        if (wire.point > 0) return {0.0, Parse::range};
        value = 0;
    }
    if (std::isinf(value)) return {0.0, Parse::range};
    const bool exact = value != 0 && wire.same(shortest_digits(value));
    if (negative && value != 0) value = -value;
    return {value, exact ? Parse::ok : Parse::rounded};
}

}  // namespace detail

inline Decimal parse_decimal(const char* p, const char* end) noexcept {
    const bool negative = p != end && *p == '-';
    if (negative) ++p;
    const char* const first = p;
    const char* point = nullptr;
    std::uint64_t mantissa = 0;
    for (; p != end; ++p) {
        const unsigned digit = static_cast<unsigned char>(*p) - unsigned{'0'};
        if (digit < 10)
            mantissa = mantissa * 10 + digit;
        else if (*p == '.' && point == nullptr)
            point = p;
        else
            return {};
    }
    const auto digits = (end - first) - (point != nullptr ? 1 : 0);
    if (digits == 0) return {};
    // Both operands exact, one division: correctly rounded (Clinger).
    if (digits <= 19 && mantissa < detail::EXACT_DIGITS_LIMIT) [[likely]] {
        double value = static_cast<double>(mantissa);
        if (point != nullptr) value /= detail::POWERS_OF_TEN[end - point - 1];
        if (negative && mantissa != 0) value = -value;
        return {value, Parse::ok};
    }
    return detail::parse_long_decimal(first, end, negative);
}

struct Unsigned {
    std::uint64_t value = 0;
    Parse status = Parse::bad;
    [[nodiscard]] bool ok() const noexcept { return status == Parse::ok; }
};

// Digits only, leading zeros allowed; above `max` the answer is `range`.
inline Unsigned parse_unsigned(const char* p, const char* end, std::uint64_t max = UINT64_MAX) noexcept {
    if (p == end) return {};
    std::uint64_t value = 0;
    bool over = false;
    for (; p != end; ++p) {
        const unsigned digit = static_cast<unsigned char>(*p) - unsigned{'0'};
        if (digit > 9) return {};
        if (value > (UINT64_MAX - digit) / 10) over = true;
        value = value * 10 + digit;
    }
    if (over || value > max) return {max, Parse::range};
    return {value, Parse::ok};
}

}  // namespace fh
