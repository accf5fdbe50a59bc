// Correct rounding against strtod, the grammar, the ROUNDED answer, integer overflow.
#include <cstdlib>
#include <random>
#include <string>

#include "feedhandler/native/decimal.hpp"
#include "tests/native/check.hpp"

namespace {

fh::Decimal parse(const std::string& text) { return fh::parse_decimal(text.data(), text.data() + text.size()); }

void the_grammar_is_fix_floats() {
    for (const char* bad : {"", "+", "-", ".", "-.", "+1", "1e5", "1E5", "nan", "inf", "-inf", "1.2.3", "1,5", " 1",
                            "1 ", "0x1p3", "--1", "1-", "١"})
        CHECK(parse(bad).status == fh::Parse::bad);
    CHECK_EQ(parse("5.").value, 5.0);
    CHECK_EQ(parse(".5").value, 0.5);
    CHECK_EQ(parse("-1").value, -1.0);
    CHECK_EQ(parse("0000001.10").value, 1.1);
    CHECK(!std::signbit(parse("-0").value) && parse("-0.000").status == fh::Parse::ok);
}

void rounded_means_shortest_printing_differs() {
    CHECK(parse("0.1").status == fh::Parse::ok);
    CHECK(parse("999999999999999").status == fh::Parse::ok);
    CHECK(parse("9007199254740993").status == fh::Parse::rounded);
    CHECK_EQ(parse("9007199254740993").value, 9007199254740992.0);
    CHECK(parse("0.1000000000000000055511151231257827").status == fh::Parse::rounded);
    CHECK(parse("0.10000000000000000000000000000000").status == fh::Parse::ok);
    CHECK(parse("100000000000000000000000").status == fh::Parse::ok);
    CHECK(parse("0.30000000000000004").status == fh::Parse::ok);  // 17 digits, and shortest printing has them
    CHECK(parse("0." + std::string(400, '0') + "1").status == fh::Parse::rounded);
    CHECK_EQ(parse("0." + std::string(400, '0') + "1").value, 0.0);
    CHECK(parse(std::string(400, '0') + "." + std::string(400, '0')).status == fh::Parse::ok);
}

void too_large_is_out_of_range() {
    CHECK(parse("1" + std::string(309, '0')).status == fh::Parse::range);
    CHECK(parse("1" + std::string(308, '0')).status == fh::Parse::ok);
    CHECK(parse("-" + std::string(5000, '9')).status == fh::Parse::range);
}

void every_value_is_strtods() {
    std::mt19937_64 random(1);
    for (int i = 0; i < 300'000; ++i) {
        std::string text = random() % 4 == 0 ? "-" : "";
        const auto whole = random() % 20;
        const auto fraction = random() % 24;
        for (std::uint64_t k = 0; k < whole; ++k) text += static_cast<char>('0' + random() % 10);
        if (fraction > 0) text += '.';
        for (std::uint64_t k = 0; k < fraction; ++k) text += static_cast<char>('0' + random() % 10);
        if (whole + fraction == 0) continue;
        const double expected = std::strtod(text.c_str(), nullptr);
        const auto got = parse(text);
        CHECK(got.usable());
        CHECK_EQ(got.value, expected);
    }
}

void integers_have_an_overflow_answer() {
    const auto number = [](const std::string& text, std::uint64_t max = UINT64_MAX) {
        return fh::parse_unsigned(text.data(), text.data() + text.size(), max);
    };
    CHECK_EQ(number("18446744073709551615").value, UINT64_MAX);
    CHECK(number("18446744073709551616").status == fh::Parse::range);
    CHECK(number(std::string(100, '9')).status == fh::Parse::range);
    CHECK_EQ(number(std::string(100, '0') + "7").value, 7U);
    CHECK(number("256", 255).status == fh::Parse::range);
    for (const char* bad : {"", "-1", "+1", "1.0", "a", "1a"}) CHECK(number(bad).status == fh::Parse::bad);
}

}  // namespace

int main() {
    the_grammar_is_fix_floats();
    rounded_means_shortest_printing_differs();
    too_large_is_out_of_range();
    every_value_is_strtods();
    integers_have_an_overflow_answer();
    return check_failures;
}
