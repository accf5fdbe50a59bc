// Statistics of an instrument's trades since its session began.
//
// Invariants: sums are exact, in units of 10^-18 for sizes and 10^-36 for price x size, over the decimal numbers
// that the venue wrote; what is shown of them is rounded once. A trade is counted once, whatever is read again.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "feedhandler/native/decimal.hpp"
#include "feedhandler/native/wide.hpp"
#include "shm/layout.hpp"

namespace fh {

// Where a record stands for ever.
struct Position {
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    [[nodiscard]] bool covers(std::uint64_t other_epoch, std::uint64_t other_seq) const noexcept {
        return other_epoch < epoch || (other_epoch == epoch && other_seq <= seq);
    }
};

namespace detail {

inline constexpr std::uint64_t TEN_TO_18 = 1'000'000'000'000'000'000;
inline constexpr std::ptrdiff_t FIXED_DECIMALS = 18;

// Exponents 0 to 36.
inline Int128 power_of_ten(std::ptrdiff_t exponent) noexcept {
    static constexpr std::uint64_t POWERS[] = {1,
                                               10,
                                               100,
                                               1'000,
                                               10'000,
                                               100'000,
                                               1'000'000,
                                               10'000'000,
                                               100'000'000,
                                               1'000'000'000,
                                               10'000'000'000,
                                               100'000'000'000,
                                               1'000'000'000'000,
                                               10'000'000'000'000,
                                               100'000'000'000'000,
                                               1'000'000'000'000'000,
                                               10'000'000'000'000'000,
                                               100'000'000'000'000'000,
                                               TEN_TO_18};
    Int128 power = 1;
    for (; exponent > FIXED_DECIMALS; exponent -= FIXED_DECIMALS) power *= TEN_TO_18;
    return power * POWERS[exponent];
}

// The shortest decimal that reads back as `value`, digit by digit.
[[gnu::noinline]] inline bool to_fixed_slowly(double value, std::uint8_t& decimals, Int128& fixed) noexcept {
    const Digits digits = shortest_digits(std::fabs(value));
    const auto fraction = static_cast<std::ptrdiff_t>(digits.count) - digits.point;
    if (digits.too_many || digits.point > FIXED_DECIMALS || fraction > FIXED_DECIMALS) return false;
    Int128 whole = 0;
    for (std::size_t i = 0; i < digits.count; ++i) whole = whole * 10 + (digits.text[i] - '0');
    fixed = whole * power_of_ten(FIXED_DECIMALS - fraction);
    if (value < 0) fixed = -fixed;
    if (fraction > decimals) decimals = static_cast<std::uint8_t>(fraction);
    return true;
}

// `value` in units of 10^-18: exactly the decimal number that the venue wrote, where it had at most 15 digits.
// False where that has more than 18 decimals or 18 digits before the point, or is no number. `decimals` is how
// many such values had so far: the guess that makes this cheap.
inline bool to_fixed(double value, std::uint8_t& decimals, Int128& fixed) noexcept {
    const double power = POWERS_OF_TEN[decimals];
    const double scaled = value * power;
    if (std::fabs(scaled) < static_cast<double>(EXACT_DIGITS_LIMIT)) [[likely]] {
        const auto whole = static_cast<std::int64_t>(scaled + (scaled < 0 ? -0.5 : 0.5));
        // Fewer than 16 digits, and they read back: no other decimal of so few digits does.
        if (static_cast<double>(whole) / power == value) [[likely]] {
            fixed = whole * power_of_ten(FIXED_DECIMALS - decimals);
            return true;
        }
    }
    return std::isfinite(value) && to_fixed_slowly(value, decimals, fixed);
}

}  // namespace detail

// What a trade was to the statistics.
enum class Traded : std::uint8_t {
    counted,     // in all of them
    last_only,   // in a snapshot: the venue's last trade once more
    correction,  // the venue changed a trade or took it back
    unusable,    // no price, or numbers beyond what the sums hold
    repeated     // counted before a restart
};

struct Session {
    double open = NO_VALUE;
    double high = NO_VALUE;
    double low = NO_VALUE;
    double last_price = NO_VALUE;
    double last_size = NO_VALUE;
    std::int64_t last_ts = 0;
    std::uint64_t last_ref = 0;
    std::uint64_t trades = 0;
    std::int64_t begin_ns = 0;  // 0 = no record came yet
    Position counted;           // of the last trade looked at
    Wide<3> volume_units;
    Wide<5> turnover_units;
    std::uint32_t gaps = 0;         // times that trades may have been missed
    std::uint32_t corrections = 0;  // trades changed or taken back by the venue: not applied
    std::uint8_t price_decimals = 0;
    std::uint8_t size_decimals = 0;
    std::uint8_t last_side = 0;
    std::uint8_t pad[5] = {};

    // A trade that no check found suspect. A trade without a size counts for prices alone.
    Traded add(const Record& trade, std::uint64_t epoch) noexcept {
        if (counted.covers(epoch, trade.seq)) return Traded::repeated;
        counted = {epoch, trade.seq};
        if (trade.action != Action::none && trade.action != Action::add) {
            ++corrections;
            return Traded::correction;
        }
        Int128 price = 0;
        Int128 size = 0;
        if (!detail::to_fixed(trade.price, price_decimals, price)) return Traded::unusable;
        if (!std::isnan(trade.size) && (trade.size < 0 || !detail::to_fixed(trade.size, size_decimals, size)))
            return Traded::unusable;
        take_last(trade);
        if ((trade.flags & flag::snapshot) != 0) return Traded::last_only;
        if (trades++ == 0) open = high = low = trade.price;
        high = std::max(high, trade.price);
        low = std::min(low, trade.price);
        volume_units.add(size);
        turnover_units.add_product(price, size);
        return Traded::counted;
    }

    [[nodiscard]] double volume() const noexcept { return detail::ratio(detail::words_of(volume_units), one(1)); }
    [[nodiscard]] double turnover() const noexcept { return signed_ratio(one(2)); }
    // NaN where nothing was traded.
    [[nodiscard]] double vwap() const noexcept {
        if (volume_units.zero()) return NO_VALUE;
        Wide<4> divisor;  // volume has 18 decimals, turnover 36
        std::uint64_t carry = 0;
        for (std::size_t i = 0; i < 3; ++i) {
            const Uint128 product = static_cast<Uint128>(volume_units.words[i]) * detail::TEN_TO_18 + carry;
            divisor.words[i] = static_cast<std::uint64_t>(product);
            carry = static_cast<std::uint64_t>(product >> 64);
        }
        divisor.words[3] = carry;
        return signed_ratio(detail::words_of(divisor));
    }

private:
    void take_last(const Record& trade) noexcept {
        last_price = trade.price;
        last_size = trade.size;
        last_ts = trade.ts_event;
        last_ref = trade.ref;
        last_side = static_cast<std::uint8_t>(trade.side);
    }
    [[nodiscard]] double signed_ratio(const detail::Words& divisor) const noexcept {
        const double value = detail::ratio(detail::words_of(turnover_units.magnitude()), divisor);
        return turnover_units.negative() ? -value : value;
    }
    // 10^18 or 10^36.
    static detail::Words one(int power) noexcept {
        const auto value = power == 1 ? Uint128{detail::TEN_TO_18} : Uint128{detail::TEN_TO_18} * detail::TEN_TO_18;
        detail::Words words;
        words.words[0] = static_cast<std::uint64_t>(value);
        words.words[1] = static_cast<std::uint64_t>(value >> 64);
        words.count = 2;
        words.trim();
        return words;
    }
};
static_assert(std::is_trivially_copyable_v<Session> && sizeof(Session) % 8 == 0);

}  // namespace fh
