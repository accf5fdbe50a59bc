// Exact sums and their rounding: against fractions that are known, and against long division by hand.
#include "feedhandler/native/session.hpp"
#include "tests/native/check.hpp"

namespace {

using fh::Int128;
using fh::Uint128;

fh::Record trade(double price, double size, std::uint64_t seq) {
    fh::Record record;
    record.kind = fh::Kind::trade;
    record.price = price;
    record.size = size;
    record.seq = seq;
    return record;
}

void decimals_come_back_as_they_were_written() {
    struct Case {
        double value;
        std::int64_t units;
        int decimals;
    };
    const Case cases[] = {{0.1, 1, 1},    {-1.25, -125, 2},
                          {0.0, 0, 0},    {123456789.123, 123456789123, 3},
                          {1e-18, 1, 18}, {999999999999999.0, 999999999999999, 0},
                          {1e-15, 1, 15}, {1234567890123456.0, 1234567890123456, 0},
                          {-5e-9, -5, 9}, {100000000000000000.0, 100000000000000000, 0},
                          {0.3, 3, 1},    {99999.999999, 99999999999, 6}};
    for (const int least : {0, 2, 8, 18}) {
        for (const Case& each : cases) {
            const auto fixed = fh::detail::to_fixed(each.value, least);
            CHECK(fixed.usable);
            CHECK_EQ(fixed.decimals, std::max(least, each.decimals));
            Int128 units = each.units;
            for (int i = each.decimals; i < fixed.decimals; ++i) units *= 10;
            CHECK(fixed.units == units);
        }
        // 1/3e5 has 22 decimals.
        for (const double odd : {1e-19, 1e18, 1e300, 5e-324, 1.0 / 3e5, fh::NO_VALUE, HUGE_VAL, -HUGE_VAL})
            CHECK(!fh::detail::to_fixed(odd, least).usable);
    }
}

void sums_of_signed_terms_go_up_and_down_to_zero() {
    fh::Wide<3> sum;
    const Int128 big = static_cast<Int128>(Uint128{1} << 126);
    for (int i = 0; i < 100; ++i) sum.add(big);
    for (int i = 0; i < 101; ++i) sum.add(-big);
    CHECK(sum.negative());
    sum.add(big);
    CHECK(sum.zero() && !sum.negative());
    fh::Wide<5> products;
    for (int i = 0; i < 50; ++i) products.add_product(big, -big);
    CHECK(products.negative());
    for (int i = 0; i < 50; ++i) products.add_product(-big, -big);
    products.add_product(0, -big);
    CHECK(products.zero() && !products.negative());
}

fh::detail::Words words(std::initializer_list<std::uint64_t> values) {
    fh::detail::Words made;
    for (const auto value : values) made.words[made.count++] = value;
    made.trim();
    return made;
}

void ratios_are_rounded_to_nearest_ties_to_even() {
    const auto ratio = [](std::initializer_list<std::uint64_t> n, std::initializer_list<std::uint64_t> d) {
        return fh::detail::ratio(words(n), words(d));
    };
    CHECK_EQ(ratio({0}, {3}), 0.0);
    CHECK_EQ(ratio({1}, {3}), 1.0 / 3.0);
    CHECK_EQ(ratio({1}, {10}), 0.1);
    CHECK_EQ(ratio({(1ULL << 53) + 1}, {1}), 9007199254740992.0);     // a tie, to even
    CHECK_EQ(ratio({(1ULL << 53) + 3}, {1}), 9007199254740996.0);     // a tie, to even
    CHECK_EQ(ratio({3 + (1ULL << 54), 0}, {2}), 9007199254740994.0);  // above a tie
    CHECK_EQ(ratio({~0ULL}, {1}), 18446744073709551616.0);            // carries into a bit more
    CHECK_EQ(ratio({0, 0, 0, 0, 1}, {0, 0, 0, 1}), 18446744073709551616.0);
    CHECK_EQ(ratio({1, 0, 0, 0, 1}, {1, 0, 0, 0, 1}), 1.0);
    CHECK_EQ(ratio({0, 0, 1}, {~0ULL, ~0ULL}), 1.0);  // 1 + 2^-128, down
    CHECK_EQ(ratio({~0ULL, ~0ULL}, {0, 0, 1}), 1.0);  // 1 - 2^-128, up
    CHECK_EQ(ratio({1ULL << 63, ~0ULL, 1}, {0, ~0ULL, 1}), 1.0);
}

void short_ratios_are_the_long_ones() {
    std::uint64_t seed = 99;
    const auto next = [&seed] {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        return seed;
    };
    int shorts = 0;
    for (int i = 0; i < 200000; ++i) {
        const std::uint64_t high = i % 2 == 0 ? 0 : next() >> (i % 64);
        const std::uint64_t low = next() >> (i % 61);
        const std::uint64_t divisor = (next() >> (i % 59)) | 1;
        double brief = 0;
        if (!fh::detail::short_ratio((static_cast<Uint128>(high) << 64) | low, divisor, brief)) continue;
        ++shorts;
        if (brief != fh::detail::ratio(words({low, high}), words({divisor}))) {
            CHECK_EQ(i, -1);
            return;
        }
    }
    CHECK(shorts > 100000);
}

// The digit that long division guesses may be one or two too great: all quotients around such places.
void quotients_are_right_where_the_first_guess_is_not() {
    std::uint64_t seed = 12345;
    const auto next = [&seed] {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        return seed;
    };
    for (int i = 0; i < 200000; ++i) {
        const std::uint64_t top = (1ULL << 63) | (i % 3 == 0 ? 0 : next() >> 1);
        const std::uint64_t low = i % 5 == 0 ? ~0ULL : next();
        const std::uint64_t quotient = i % 7 == 0 ? ~0ULL : next() | 1;
        const std::uint64_t rest = i % 2 == 0 ? 0 : next() % top;  // below the denominator
        // numerator = (top:low) x quotient + rest
        fh::detail::Words numerator;
        Uint128 carry = static_cast<Uint128>(low) * quotient + rest;
        numerator.words[0] = static_cast<std::uint64_t>(carry);
        carry = (carry >> 64) + static_cast<Uint128>(top) * quotient;
        numerator.words[1] = static_cast<std::uint64_t>(carry);
        numerator.words[2] = static_cast<std::uint64_t>(carry >> 64);
        numerator.count = 3;
        const auto denominator = words({low, top});
        if (fh::detail::divide_digit(numerator, denominator) != quotient || numerator.words[0] != rest ||
            numerator.words[1] != 0 || numerator.words[2] != 0) {
            CHECK_EQ(i, -1);
            return;
        }
    }
}

void a_session_counts_each_trade_once_and_exactly() {
    fh::Session session;
    for (std::uint64_t seq = 1; seq <= 1'000'000; ++seq) {
        const auto made = trade(seq % 2 == 0 ? 0.1 : 0.3, 0.7, seq);
        CHECK(session.add(made, 5) == fh::Traded::counted);
        if (seq % 1000 == 0) CHECK(session.add(made, 5) == fh::Traded::repeated);
    }
    CHECK(session.add(trade(9, 9, 1'000'000), 4) == fh::Traded::repeated);  // an older epoch
    CHECK_EQ(session.volume(), 700000.0);
    CHECK_EQ(session.turnover(), 140000.0);
    CHECK_EQ(session.vwap(), 0.2);
    CHECK_EQ(session.trades, 1'000'000U);
    CHECK(session.open == 0.3 && session.high == 0.3 && session.low == 0.1);
}

void finer_numbers_than_before_change_no_sum() {
    fh::Session session;
    std::uint64_t seq = 0;
    const double prices[] = {100, -100, 100.5, 0.000000000000000001, 100.25, 99.123456789, -0.1, 7};
    const double sizes[] = {3, 0.1, 1e-18, 2, 5e15, 1e-9, 7, 0.5};
    for (int i = 0; i < 8; ++i) CHECK(session.add(trade(prices[i], sizes[i], ++seq), 1) == fh::Traded::counted);
    for (int i = 0; i < 8; ++i) CHECK(session.add(trade(-prices[i], sizes[i], ++seq), 1) == fh::Traded::counted);
    CHECK(session.turnover() == 0.0 && session.vwap() == 0.0);
    CHECK_EQ(session.volume(), 10000000000000025.2);
    CHECK(session.price_decimals == 18 && session.size_decimals == 18);
}

void prices_below_zero_are_prices() {
    fh::Session session;
    CHECK(session.add(trade(-37.63, 3, 1), 1) == fh::Traded::counted);
    CHECK(session.add(trade(0.0, 1, 2), 1) == fh::Traded::counted);
    CHECK_EQ(session.turnover(), -112.89);
    CHECK_EQ(session.vwap(), -28.2225);
    CHECK(session.high == 0.0 && session.low == -37.63);
    CHECK(session.add(trade(28.2225, 4, 3), 1) == fh::Traded::counted);
    CHECK(session.turnover() == 0.0 && session.vwap() == 0.0 && session.volume() == 8.0);
}

void the_greatest_numbers_that_are_taken_do_not_overflow() {
    fh::Session session;
    for (std::uint64_t seq = 1; seq <= 100'000; ++seq)
        CHECK(session.add(trade(9e17, 9e17, seq), 1) == fh::Traded::counted);
    CHECK_EQ(session.volume(), 9e22);
    CHECK_EQ(session.turnover(), 8.1e40);
    CHECK_EQ(session.vwap(), 9e17);
    CHECK(session.add(trade(1e-18, 1e-18, 100'001), 1) == fh::Traded::counted);
    CHECK_EQ(session.vwap(), 9e17);
}

void an_empty_session_has_no_prices() {
    fh::Session session;
    CHECK(session.volume() == 0 && session.turnover() == 0 && std::isnan(session.vwap()));
    CHECK(session.add(trade(5.0, fh::NO_VALUE, 1), 1) == fh::Traded::counted);
    CHECK(std::isnan(session.vwap()) && session.trades == 1 && session.open == 5.0);
}

}  // namespace

int main() {
    decimals_come_back_as_they_were_written();
    sums_of_signed_terms_go_up_and_down_to_zero();
    ratios_are_rounded_to_nearest_ties_to_even();
    short_ratios_are_the_long_ones();
    quotients_are_right_where_the_first_guess_is_not();
    a_session_counts_each_trade_once_and_exactly();
    finer_numbers_than_before_change_no_sum();
    prices_below_zero_are_prices();
    the_greatest_numbers_that_are_taken_do_not_overflow();
    an_empty_session_has_no_prices();
    return check_failures == 0 ? 0 : 1;
}
