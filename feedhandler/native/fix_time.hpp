// FIX times to nanoseconds since the Unix epoch. Seconds to picoseconds are taken (below a nanosecond
// is cut off); a second of 60 is the next minute's first. The parsed date is kept: it changes once a day.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>

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

// HH:MM:SS with up to twelve decimals, as nanoseconds since midnight.
inline std::optional<std::int64_t> parse_time(const char* p, const char* end) noexcept {
    const auto length = end - p;
    if (length < 8 || p[2] != ':' || p[5] != ':') return std::nullopt;
    const unsigned hour = detail::two_digits(p);
    const unsigned minute = detail::two_digits(p + 3);
    const unsigned second = detail::two_digits(p + 6);
    if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
    std::int64_t fraction = 0;
    if (length > 8) {
        if (p[8] != '.' || length == 9 || length > 21) return std::nullopt;
        std::int64_t unit = 100'000'000;
        for (p += 9; p != end; ++p) {
            const unsigned digit = static_cast<unsigned char>(*p) - unsigned{'0'};
            if (digit > 9) return std::nullopt;
            fraction += unit * digit;
            unit /= 10;
        }
    }
    return (std::int64_t{hour} * 3600 + std::int64_t{minute} * 60 + second) * 1'000'000'000 + fraction;
}

class TimeParser {
public:
    // YYYYMMDD, 1970 to 2261, as nanoseconds at its midnight.
    std::optional<std::int64_t> date(const char* p, const char* end) noexcept {
        if (end - p != 8) return std::nullopt;
        if (std::memcmp(p, text_, 8) == 0) return midnight_;
        const unsigned century = detail::two_digits(p);
        const unsigned year = detail::two_digits(p + 2);
        const unsigned month = detail::two_digits(p + 4);
        const unsigned day = detail::two_digits(p + 6);
        if (century > 99 || year > 99 || month < 1 || month > 12 || day < 1) return std::nullopt;
        const unsigned full = century * 100 + year;
        if (full < 1970 || full > 2261 || day > detail::days_in_month(full, month)) return std::nullopt;
        std::memcpy(text_, p, 8);
        midnight_ = detail::days_from_civil(full, month, day) * DAY_NS;
        return midnight_;
    }

    // YYYYMMDD-HH:MM:SS[.fraction]
    std::optional<std::int64_t> timestamp(const char* p, const char* end) noexcept {
        if (end - p < 17 || p[8] != '-') return std::nullopt;
        const auto day = date(p, p + 8);
        const auto time = parse_time(p + 9, end);
        if (!day || !time) return std::nullopt;
        return *day + *time;
    }

private:
    char text_[8] = {};
    std::int64_t midnight_ = 0;
};

}  // namespace fh
