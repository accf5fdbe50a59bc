// Names of codes, as `feedhandler ring` and Python print them.
#pragma once

#include <cstddef>
#include <string_view>

#include "shm/layout.hpp"
#include "shm/ring_reader.hpp"

namespace fh {

template <std::size_t N>
constexpr std::string_view name_in(const std::string_view (&names)[N], std::size_t code) noexcept {
    return code < N ? names[code] : "?";
}

constexpr std::string_view name_of(Attach state) noexcept {
    constexpr std::string_view NAMES[] = {"OK",          "MISSING", "STARTING", "VERSION_MISMATCH",
                                          "WRITER_DEAD", "STALLED", "DENIED",   "DAMAGED"};
    return name_in(NAMES, static_cast<std::size_t>(state));
}

constexpr std::string_view name_of(Kind kind) noexcept {
    constexpr std::string_view NAMES[] = {"NONE",   "EVENT", "LEVEL",       "TRADE",   "BOOK_CLEAR",
                                          "STATUS", "STATE", "SKIP",        "FUNDING", "OPEN_INTEREST",
                                          "MARK",   "INDEX", "LIQUIDATION", "BAR",     "QUALITY"};
    return name_in(NAMES, static_cast<std::size_t>(kind));
}

constexpr std::string_view name_of(Side side) noexcept {
    constexpr std::string_view NAMES[] = {"NONE", "BID", "ASK"};
    return name_in(NAMES, static_cast<std::size_t>(side));
}

constexpr std::string_view name_of(State state) noexcept {
    constexpr std::string_view NAMES[] = {"NONE",    "CONNECTED",  "DISCONNECTED", "RECOVERING",       "SYNCED",
                                          "STALE",   "CLOCK_STEP", "EPOCH",        "UNKNOWN_INTERVAL", "LAPPED",
                                          "BAD_BOOK"};
    return name_in(NAMES, static_cast<std::size_t>(state));
}

static_assert(name_of(Attach::stalled) == "STALLED" && name_of(Kind::quality) == "QUALITY");
static_assert(name_of(Side::ask) == "ASK" && name_of(State::bad_book) == "BAD_BOOK");

}  // namespace fh
