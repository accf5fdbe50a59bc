// Values: sixteen characters at once say what one character after the other says.
#include <cmath>
#include <map>
#include <optional>

#include "feedhandler/native/fix_symbols.hpp"
#include "feedhandler/native/fix_time.hpp"
#include "tests/fuzz/targets/fuzz.hpp"

namespace {

bool digits_only(std::string_view text) {
    for (const char c : text)
        if (c < '0' || c > '9') return false;
    return !text.empty();
}

// The grammar, and strtod of the C library for the value.
void decimals(std::string_view text) {
    const fuzz::Value value(text);
    const fh::Decimal fast = fh::message_decimal(value.text());
    const fh::Decimal plain = fh::parse_decimal(value.text().begin, value.text().end);
    FUZZ_CHECK(fast.status == plain.status);
    FUZZ_CHECK(std::signbit(fast.value) == std::signbit(plain.value) && fast.value == plain.value);
    std::string_view digits = text;
    if (!digits.empty() && digits.front() == '-') digits.remove_prefix(1);
    const auto point = digits.find('.');
    std::string both(digits.substr(0, point));
    if (point != std::string_view::npos) both += digits.substr(point + 1);
    FUZZ_CHECK((fast.status == fh::Parse::bad) == !digits_only(both));
    if (!fast.usable()) return;
    const double expected = std::strtod(std::string(text).c_str(), nullptr);
    FUZZ_CHECK(fast.value == expected);
}

void integers(std::string_view text) {
    const fuzz::Value value(text);
    for (const std::uint64_t max : {UINT64_MAX, std::uint64_t{INT64_MAX}, std::uint64_t{100}}) {
        const fh::Unsigned fast = fh::message_unsigned(value.text(), max);
        const fh::Unsigned plain = fh::parse_unsigned(value.text().begin, value.text().end, max);
        FUZZ_CHECK(fast.status == plain.status && fast.value == plain.value);
        FUZZ_CHECK((fast.status == fh::Parse::bad) == !digits_only(text));
    }
}

std::optional<std::int64_t> plain_time(std::string_view text) {
    if (text.size() < 8 || text[2] != ':' || text[5] != ':') return std::nullopt;
    const std::string whole =
        std::string(text.substr(0, 2)) + std::string(text.substr(3, 2)) + std::string(text.substr(6, 2));
    if (!digits_only(whole)) return std::nullopt;
    const int number = std::atoi(whole.c_str());
    const int hour = number / 10000, minute = number / 100 % 100, second = number % 100;
    if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
    std::int64_t ns = (hour * 3600 + minute * 60 + second) * std::int64_t{1'000'000'000};
    if (text.size() == 8) return ns;
    const auto decimals = text.substr(9);
    if (text[8] != '.' || !digits_only(decimals) || decimals.size() > 12) return std::nullopt;
    return ns + std::atoll((std::string(decimals) + "000000000").substr(0, 9).c_str());
}

void times(fh::TimeParser& parser, std::string_view text) {
    const fuzz::Value value(text);
    FUZZ_CHECK(parser.time(value.text()) == plain_time(text));
    const auto stamp = parser.timestamp(value.text());
    if (stamp) {
        const auto day = parser.date({value.text().begin, value.text().begin + 8});
        FUZZ_CHECK(day.has_value() && *stamp == *day + *plain_time(text.substr(9)));
        FUZZ_CHECK(*day % fh::DAY_NS == 0);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view input(reinterpret_cast<const char*>(data), size);
    fh::TimeParser parser;
    fh::SymbolMap symbols;
    std::map<std::string, std::uint32_t, std::less<>> expected;
    for (std::uint32_t number = 1; !input.empty() && number < 64; ++number) {
        const auto text = fuzz::next_line(input);
        decimals(text);
        integers(text);
        times(parser, text);
        const fuzz::Value value(text);
        const auto known = expected.find(text);
        FUZZ_CHECK(symbols.find(value.text()) == (known == expected.end() ? 0 : known->second));
        if (number % 3 == 0) continue;
        symbols.add(text, number);
        expected[std::string(text)] = number;
        FUZZ_CHECK(symbols.find(value.text()) == number && symbols.size() == expected.size());
    }
    return 0;
}
