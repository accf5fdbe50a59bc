// FIX times to nanoseconds since the Unix epoch. Seconds to picoseconds are taken (below a nanosecond
// is cut off); a second of 60 is the next minute's first. Texts are a message's (fix_number.hpp says why).
#pragma once

#include <cstdint>
#include <optional>

#include "feedhandler/native/fix_number.hpp"

namespace fh {

inline constexpr std::int64_t DAY_NS = 86'400'000'000'000;

namespace detail {

inline unsigned two_digits(const char* p) noexcept {
    const unsigned tens = static_cast<unsigned char>(p[0]) - unsigned{'0'};
    const unsigned ones = static_cast<unsigned char>(p[1]) - unsigned{'0'};
    return tens > 9 || ones > 9 ? 100 : tens * 10 + ones;
}

// Days since 1970-01-01 in the Gregorian calendar (Howard Hinnant's days_from_civil).
inline std::int64_t days_from_civil(std::int64_t year, unsigned month, unsigned day) noexcept {
    year -= month <= 2 ? 1 : 0;
    const std::int64_t era = year / 400;
    const auto of_era = static_cast<unsigned>(year - era * 400);
    const unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

inline unsigned days_in_month(unsigned year, unsigned month) noexcept {
    constexpr unsigned char DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return DAYS[month - 1] + (month == 2 && leap ? 1U : 0U);
}

}  // namespace detail

class TimeParser {
public:
    // YYYYMMDD, 1970 to 2261, as nanoseconds at its midnight.
    std::optional<std::int64_t> date(Text text) noexcept {
        if (text.size() != 8) return std::nullopt;
        const std::uint64_t word = load_word(text.begin);
        if (word != date_ && !read_date(text.begin)) return std::nullopt;
        date_ = word;
        return midnight_;
    }

    // HH:MM:SS with up to twelve decimals, as nanoseconds since midnight.
    std::optional<std::int64_t> time(Text text) noexcept {
        const std::size_t length = text.size();
        if (length < 8) return std::nullopt;
        const std::uint64_t word = load_word(text.begin);
        if (word != second_ && !read_second(text.begin)) return std::nullopt;
        second_ = word;
        if (length == 8) return second_ns_;
        const std::size_t decimals = length - 9;
        if (text.begin[8] != '.' || decimals - 1 >= DECIMALS_MAX) return std::nullopt;
        const detail::Sixteen fraction = detail::sixteen_before(text.end, decimals);
        if (fraction.digits == detail::NOT_DIGITS || fraction.point != detail::NUMBER_CHARS) return std::nullopt;
        const auto digits = static_cast<std::int64_t>(fraction.digits);
        return second_ns_ + (decimals <= 9 ? digits * POWERS[9 - decimals] : digits / POWERS[decimals - 9]);
    }

    // Whether this is a day with a time of day, in either of the forms below.
    static bool is_timestamp(Text text) noexcept {
        return text.size() >= 17 && (text.begin[8] == '-' || (text.begin[4] == '-' && text.begin[10] == 'T'));
    }

    // YYYYMMDD-HH:MM:SS[.fraction], or YYYY-MM-DDTHH:MM:SS[.fraction][Z]
    std::optional<std::int64_t> timestamp(Text text) noexcept {
        if (text.size() >= 19 && text.begin[4] == '-') return iso_timestamp(text);
        if (text.size() < 17 || text.begin[8] != '-') return std::nullopt;
        const auto day = date({text.begin, text.begin + 8});
        const auto of_day = time({text.begin + 9, text.end});
        if (!day || !of_day) return std::nullopt;
        return *day + *of_day;
    }

private:
    std::optional<std::int64_t> iso_timestamp(Text text) noexcept {
        const char* p = text.begin;
        if (p[7] != '-' || p[10] != 'T') return std::nullopt;
        const char day[] = {p[0], p[1], p[2], p[3], p[5], p[6], p[8], p[9]};
        const auto midnight = date({day, day + sizeof day});
        const auto of_day = time({p + 11, text.end[-1] == 'Z' ? text.end - 1 : text.end});
        if (!midnight || !of_day) return std::nullopt;
        return *midnight + *of_day;
    }

    static constexpr std::size_t DECIMALS_MAX = 12;
    static constexpr std::int64_t POWERS[] = {1,       10,        100,        1'000,       10'000,
                                              100'000, 1'000'000, 10'000'000, 100'000'000, 1'000'000'000};

    [[gnu::noinline]] bool read_date(const char* p) noexcept {
        const unsigned century = detail::two_digits(p);
        const unsigned year = detail::two_digits(p + 2);
        const unsigned month = detail::two_digits(p + 4);
        const unsigned day = detail::two_digits(p + 6);
        if (century > 99 || year > 99 || month < 1 || month > 12 || day < 1) return false;
        const unsigned full = century * 100 + year;
        if (full < 1970 || full > 2261 || day > detail::days_in_month(full, month)) return false;
        midnight_ = detail::days_from_civil(full, month, day) * DAY_NS;
        return true;
    }

    [[gnu::noinline]] bool read_second(const char* p) noexcept {
        if (p[2] != ':' || p[5] != ':') return false;
        const unsigned hour = detail::two_digits(p);
        const unsigned minute = detail::two_digits(p + 3);
        const unsigned second = detail::two_digits(p + 6);
        if (hour > 23 || minute > 59 || second > 60) return false;
        second_ns_ = (std::int64_t{hour} * 3600 + std::int64_t{minute} * 60 + second) * 1'000'000'000;
        return true;
    }

    // What was read last, and its text: dates change once a day, times once a second.
    std::uint64_t date_ = load_word("19700101");
    std::int64_t midnight_ = 0;
    std::uint64_t second_ = load_word("00:00:00");
    std::int64_t second_ns_ = 0;
};

}  // namespace fh
