// Statistics of an instrument's trades since its session began.
//
// Invariants: sums are exact, over the decimal numbers that the venue wrote, in units of the finest seen so far; what
// is shown of them is rounded once. A trade is counted once, whatever is read again.
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

inline constexpr int DECIMALS_MAX = 18;
inline constexpr std::uint64_t INT_POWERS_OF_TEN[DECIMALS_MAX + 1] = {1,
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
                                                                      1'000'000'000'000'000'000};

// A number as whole units of 10^-decimals.
struct Fixed {
    Int128 units = 0;
    int decimals = 0;
    bool usable = false;
};

// The shortest decimal that reads back as `value`, digit by digit; with at least `decimals` decimals.
[[gnu::noinline]] inline Fixed to_fixed_slowly(double value, int decimals) noexcept {
    const Digits digits = shortest_digits(std::fabs(value));
    const auto fraction = static_cast<std::ptrdiff_t>(digits.count) - digits.point;
    if (digits.too_many || digits.point > DECIMALS_MAX || fraction > DECIMALS_MAX) return {};
    Fixed fixed{0, std::max(decimals, static_cast<int>(fraction)), true};
    for (std::size_t i = 0; i < digits.count; ++i) fixed.units = fixed.units * 10 + (digits.text[i] - '0');
    // At most 36 digits in all: 18 before the point and 18 behind it.
    for (auto missing = fixed.decimals - fraction; missing > 0; missing -= DECIMALS_MAX)
        fixed.units *= static_cast<Int128>(INT_POWERS_OF_TEN[std::min<std::ptrdiff_t>(missing, DECIMALS_MAX)]);
    if (value < 0) fixed.units = -fixed.units;
    return fixed;
}

// `value` with at least `decimals` decimals: exactly the number that the venue wrote, where that had at most 15 digits.
// Not usable where it has more than 18 decimals or 18 digits before the point, or is no number.
inline Fixed to_fixed(double value, int decimals) noexcept {
    const double power = POWERS_OF_TEN[decimals];
    const double scaled = value * power;
    if (std::fabs(scaled) < static_cast<double>(EXACT_DIGITS_LIMIT)) [[likely]] {
        const auto whole = static_cast<std::int64_t>(scaled + (scaled < 0 ? -0.5 : 0.5));
        // Fewer than 16 digits, and they read back: no other decimal of so few digits does.
        if (static_cast<double>(whole) / power == value) [[likely]]
            return {whole, decimals, true};
    }
    return std::isfinite(value) ? to_fixed_slowly(value, decimals) : Fixed{};
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
        const detail::Fixed price = detail::to_fixed(trade.price, price_decimals);
        const detail::Fixed size = std::isnan(trade.size) ? detail::Fixed{0, size_decimals, true}
                                                          : detail::to_fixed(trade.size, size_decimals);
        if (!price.usable || !size.usable || size.units < 0) return Traded::unusable;
        take_last(trade);
        if ((trade.flags & flag::snapshot) != 0) return Traded::last_only;
        if (trades++ == 0) open = high = low = trade.price;
        high = std::max(high, trade.price);
        low = std::min(low, trade.price);
        if (price.decimals != price_decimals || size.decimals != size_decimals) refine(price.decimals, size.decimals);
        volume_units.add(size.units);
        turnover_units.add_product(price.units, size.units);
        return Traded::counted;
    }

    [[nodiscard]] double volume() const noexcept { return detail::ratio(volume_units, power(size_decimals)); }
    [[nodiscard]] double turnover() const noexcept {
        return detail::ratio(turnover_units, power(price_decimals, size_decimals));
    }
    // NaN where nothing was traded.
    [[nodiscard]] double vwap() const noexcept {
        if (volume_units.zero()) return NO_VALUE;
        Wide<4> divisor;
        std::copy(volume_units.words, volume_units.words + 3, divisor.words);
        divisor.multiply(detail::INT_POWERS_OF_TEN[price_decimals]);
        return detail::ratio(turnover_units, detail::words_of(divisor));
    }

private:
    void take_last(const Record& trade) noexcept {
        last_price = trade.price;
        last_size = trade.size;
        last_ts = trade.ts_event;
        last_ref = trade.ref;
        last_side = static_cast<std::uint8_t>(trade.side);
    }
    // A finer number came than any before: the sums are told in its units.
    [[gnu::noinline]] void refine(int price, int size) noexcept {
        const auto finer_price = detail::INT_POWERS_OF_TEN[price - price_decimals];
        const auto finer_size = detail::INT_POWERS_OF_TEN[size - size_decimals];
        volume_units.multiply(finer_size);
        turnover_units.multiply(finer_price);
        turnover_units.multiply(finer_size);
        price_decimals = static_cast<std::uint8_t>(price);
        size_decimals = static_cast<std::uint8_t>(size);
    }
    // 10^(a + b).
    static detail::Words power(int a, int b = 0) noexcept {
        const auto value = static_cast<Uint128>(detail::INT_POWERS_OF_TEN[a]) * detail::INT_POWERS_OF_TEN[b];
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
