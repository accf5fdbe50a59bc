// Integers of several 64-bit words, and their ratios as correctly rounded doubles: sums that lose nothing.
// Words are little-endian; negative sums are two's complement.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace fh {

__extension__ using Int128 = __int128;
__extension__ using Uint128 = unsigned __int128;

// A sum of signed terms. Trivially copyable: a checkpoint keeps its bytes.
template <std::size_t N>
struct Wide {
    std::uint64_t words[N] = {};

    [[nodiscard]] bool negative() const noexcept { return (words[N - 1] >> 63) != 0; }
    [[nodiscard]] bool zero() const noexcept {
        for (const auto word : words)
            if (word != 0) return false;
        return true;
    }

    void add(Int128 term) noexcept {
        const std::uint64_t sign = term < 0 ? ~std::uint64_t{0} : 0;
        const auto bits = static_cast<Uint128>(term);
        const std::uint64_t low[2] = {static_cast<std::uint64_t>(bits), static_cast<std::uint64_t>(bits >> 64)};
        add_words(low, 2, sign);
    }

    // Adds a x b exactly.
    void add_product(Int128 a, Int128 b) noexcept {
        const bool minus = (a < 0) != (b < 0);
        const Uint128 x = a < 0 ? -static_cast<Uint128>(a) : static_cast<Uint128>(a);
        const Uint128 y = b < 0 ? -static_cast<Uint128>(b) : static_cast<Uint128>(b);
        const std::uint64_t xs[2] = {static_cast<std::uint64_t>(x), static_cast<std::uint64_t>(x >> 64)};
        const std::uint64_t ys[2] = {static_cast<std::uint64_t>(y), static_cast<std::uint64_t>(y >> 64)};
        std::uint64_t product[4] = {};
        for (std::size_t i = 0; i < 2; ++i) {
            Uint128 carry = 0;
            for (std::size_t j = 0; j < 2; ++j) {
                carry += static_cast<Uint128>(xs[i]) * ys[j] + product[i + j];
                product[i + j] = static_cast<std::uint64_t>(carry);
                carry >>= 64;
            }
            product[i + 2] = static_cast<std::uint64_t>(carry);
        }
        if (minus) negate(product, 4);
        add_words(product, 4,
                  minus && (product[0] | product[1] | product[2] | product[3]) != 0 ? ~std::uint64_t{0} : 0);
    }

    // The sum in units that are `factor` times smaller.
    void multiply(std::uint64_t factor) noexcept {
        const bool minus = negative();
        if (minus) negate(words, N);
        Uint128 carry = 0;
        for (auto& word : words) {
            carry += static_cast<Uint128>(word) * factor;
            word = static_cast<std::uint64_t>(carry);
            carry >>= 64;
        }
        if (minus) negate(words, N);
    }

    // The absolute value.
    [[nodiscard]] Wide magnitude() const noexcept {
        Wide result = *this;
        if (negative()) negate(result.words, N);
        return result;
    }

private:
    static void negate(std::uint64_t* words, std::size_t count) noexcept {
        std::uint64_t carry = 1;
        for (std::size_t i = 0; i < count; ++i) {
            words[i] = ~words[i] + carry;
            carry = carry != 0 && words[i] == 0 ? 1 : 0;
        }
    }
    // `extension` stands for the words above `count`: all ones where the term is negative.
    void add_words(const std::uint64_t* term, std::size_t count, std::uint64_t extension) noexcept {
        std::uint64_t carry = 0;
        for (std::size_t i = 0; i < N; ++i) {
            const Uint128 sum = static_cast<Uint128>(words[i]) + (i < count ? term[i] : extension) + carry;
            words[i] = static_cast<std::uint64_t>(sum);
            carry = static_cast<std::uint64_t>(sum >> 64);
        }
    }
};

namespace detail {

inline constexpr std::size_t RATIO_WORDS = 8;

struct Words {
    std::uint64_t words[RATIO_WORDS] = {};
    std::size_t count = 0;  // without zero words on top

    void trim() noexcept {
        while (count > 0 && words[count - 1] == 0) --count;
    }
    [[nodiscard]] int bits() const noexcept {
        return count == 0 ? 0 : static_cast<int>(64 * count) - std::countl_zero(words[count - 1]);
    }
    void shift_left(int by) noexcept {
        const auto whole = static_cast<std::size_t>(by / 64);
        const int part = by % 64;
        for (std::size_t i = count + 1; i-- > 0;) {
            const std::uint64_t high = i < count ? words[i] : 0;
            const std::uint64_t low = i > 0 ? words[i - 1] : 0;
            if (i + whole < RATIO_WORDS) words[i + whole] = part == 0 ? high : (high << part) | (low >> (64 - part));
        }
        for (std::size_t i = 0; i < whole; ++i) words[i] = 0;
        count += whole + 1;
        if (count > RATIO_WORDS) count = RATIO_WORDS;
        trim();
    }
};

// One digit of long division (Knuth, D): numerator < denominator x 2^64, the denominator's top bit is set.
// Returns the quotient and leaves the remainder in `numerator`.
inline std::uint64_t divide_digit(Words& numerator, const Words& denominator) noexcept {
    const std::size_t n = denominator.count;
    const Uint128 top = (static_cast<Uint128>(numerator.words[n]) << 64) | numerator.words[n - 1];
    const std::uint64_t leading = denominator.words[n - 1];
    auto digit = numerator.words[n] >= leading ? ~std::uint64_t{0} : static_cast<std::uint64_t>(top / leading);
    std::uint64_t borrow = 0;
    Uint128 carry = 0;
    for (std::size_t i = 0; i <= n; ++i) {
        carry += static_cast<Uint128>(digit) * (i < n ? denominator.words[i] : 0);
        const auto part = static_cast<std::uint64_t>(carry);
        carry >>= 64;
        const std::uint64_t before = numerator.words[i];
        const std::uint64_t after = before - part - borrow;
        borrow = before < part || (before == part && borrow != 0) ? 1 : 0;
        numerator.words[i] = after;
    }
    while (borrow != 0) {  // at most twice
        --digit;
        std::uint64_t over = 0;
        for (std::size_t i = 0; i <= n; ++i) {
            const Uint128 sum = static_cast<Uint128>(numerator.words[i]) + (i < n ? denominator.words[i] : 0) + over;
            numerator.words[i] = static_cast<std::uint64_t>(sum);
            over = static_cast<std::uint64_t>(sum >> 64);
        }
        if (over != 0) borrow = 0;
    }
    return digit;
}

// quotient x 2^-scale, and a remainder or none, rounded to the nearest double, ties to even. The quotient has 63 or
// 64 bits: 53 for the double, the others and the remainder to round by.
inline double rounded(std::uint64_t quotient, bool remainder, int scale) noexcept {
    const int drop = 11 - std::countl_zero(quotient);
    const std::uint64_t rest = quotient & ((std::uint64_t{1} << drop) - 1);
    const std::uint64_t half = std::uint64_t{1} << (drop - 1);
    std::uint64_t kept = quotient >> drop;
    if (rest > half || (rest == half && (remainder || (kept & 1U) != 0))) ++kept;
    return std::ldexp(static_cast<double>(kept), drop - scale);
}

// numerator / denominator as rounded() has it. The denominator is not 0; the result is in the range of normal doubles.
inline double ratio(Words numerator, Words denominator) noexcept {
    if (numerator.count == 0) return 0.0;
    const int scale = 63 - (numerator.bits() - denominator.bits());
    if (scale >= 0)
        numerator.shift_left(scale);
    else
        denominator.shift_left(-scale);
    const int normal = std::countl_zero(denominator.words[denominator.count - 1]);
    numerator.shift_left(normal);
    denominator.shift_left(normal);
    const std::uint64_t quotient = divide_digit(numerator, denominator);
    numerator.count = RATIO_WORDS;
    numerator.trim();
    return rounded(quotient, numerator.count != 0, scale);
}

// The same of numbers that nearly all sums are: one division. False where they are too far apart for it.
inline bool short_ratio(Uint128 numerator, std::uint64_t denominator, double& result) noexcept {
    const auto high = static_cast<std::uint64_t>(numerator >> 64);
    const int bits =
        high != 0 ? 128 - std::countl_zero(high) : 64 - std::countl_zero(static_cast<std::uint64_t>(numerator));
    const int scale = 63 - (bits - (64 - std::countl_zero(denominator)));
    if (scale < 0) return false;
    const Uint128 scaled = numerator << scale;
    const auto quotient = static_cast<std::uint64_t>(scaled / denominator);
    const bool remainder = static_cast<Uint128>(quotient) * denominator != scaled;
    result = numerator == 0 ? 0.0 : rounded(quotient, remainder, scale);
    return true;
}

template <std::size_t N>
Words words_of(const Wide<N>& value) noexcept {
    static_assert(N < RATIO_WORDS);
    Words result;
    for (std::size_t i = 0; i < N; ++i) result.words[i] = value.words[i];
    result.count = N;
    result.trim();
    return result;
}

// sum / denominator.
template <std::size_t N>
double ratio(const Wide<N>& sum, const Words& denominator) noexcept {
    constexpr std::uint64_t EXACT = std::uint64_t{1} << 53;  // whole doubles up to here: one division rounds once
    const Wide<N> size = sum.magnitude();
    std::uint64_t above = 0;
    for (std::size_t i = 2; i < N; ++i) above |= size.words[i];
    double result = 0;
    if (above == 0 && denominator.count == 1) {
        const std::uint64_t divisor = denominator.words[0];
        if (size.words[1] == 0 && size.words[0] <= EXACT && divisor <= EXACT)
            result = static_cast<double>(size.words[0]) / static_cast<double>(divisor);
        else if (!short_ratio((static_cast<Uint128>(size.words[1]) << 64) | size.words[0], divisor, result))
            result = ratio(words_of(size), denominator);
    } else {
        result = ratio(words_of(size), denominator);
    }
    return sum.negative() ? -result : result;
}

}  // namespace detail
}  // namespace fh
