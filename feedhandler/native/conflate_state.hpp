// What the conflator knows of one instrument, of one source, and of one topic.
#pragma once

#include <string>
#include <vector>

#include "feedhandler/native/book.hpp"
#include "feedhandler/native/session.hpp"
#include "shm/directory.hpp"

namespace fh {

enum Channel : std::uint8_t {
    channel_bbo = 0,
    channel_book = 1,
    channel_trade = 2,
    channel_tick = 3,
    channel_state = 4,
    channel_count = 5
};
inline constexpr const char* CHANNEL_NAMES[channel_count] = {"bbo", "book", "trade", "tick", "state"};

// seq is dense per topic within a publisher epoch, from 1.
struct Topic {
    std::string name;
    std::uint64_t seq = 0;
    bool changed = false;  // since the last hb
};

struct Bbo {
    double bid = NO_VALUE;
    double bid_size = NO_VALUE;
    double ask = NO_VALUE;
    double ask_size = NO_VALUE;
    std::uint8_t flags = 0;
    // NaN equals NaN here: compared by bits.
    friend bool operator==(const Bbo& a, const Bbo& b) noexcept {
        return std::memcmp(&a, &b, 4 * sizeof(double)) == 0 && a.flags == b.flags;
    }
};

// What is shown of a session's sums; reckoned anew when a trade was added.
struct SessionTotals {
    double volume = 0;
    double turnover = 0;
    double vwap = NO_VALUE;
    std::uint64_t trades = 0;

    void follow(const Session& session) noexcept {
        if (trades == session.trades) return;
        trades = session.trades;
        volume = session.volume();
        turnover = session.turnover();
        vwap = session.vwap();
    }
};

// After these, trades may be missing from the session.
inline bool loses_trades(State state) noexcept {
    return state == State::disconnected || state == State::unknown_interval || state == State::lapped ||
           state == State::bad_book;
}

// A snapshot makes a book good; only what the source itself repairs (a resend) may be called good without one.
inline bool good(State state) noexcept { return state == State::none || state == State::synced; }

struct Stamp {
    std::int64_t ts_event = 0;
    std::int64_t ts_recv = 0;
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    std::uint32_t ring = 0;
};

struct InstrumentState {
    InstrumentState(const DirectoryEntry& entry, const std::string& source_name, std::size_t depth)
        : id(entry.id),
          source(entry.source),
          symbol(entry.symbol),
          book(static_cast<Keying>(entry.keying) == Keying::id, entry.size_decimals) {
        for (std::size_t channel = 0; channel < channel_count; ++channel)
            topics[channel].name = std::string(CHANNEL_NAMES[channel]) + "|" + symbol + "|" + source_name;
        sent_bids.reserve(depth);
        sent_asks.reserve(depth);
    }

    std::uint32_t id;
    std::uint16_t source;
    std::string symbol;
    Book book;
    State state = State::none;
    std::uint64_t state_reason = 0;
    std::int64_t state_since = 0;  // 0 = it never changed
    Position applied;
    std::int64_t heard = 0;  // ts_recv of the last record applied
    Session session;
    std::uint64_t updates = 0;
    SessionTotals totals;

    Bbo bbo;           // as of the last finished event
    Stamp bbo_stamp;   // of its last change
    Stamp book_stamp;  // of the last LEVEL
    Stamp trade_stamp;
    Record last_trade;
    std::int64_t oldest = 0;    // ts_event of the oldest change not yet published
    std::uint64_t pending = 0;  // changes of the best bid or ask since the last bbo

    Bbo sent_bbo;
    std::vector<Level> sent_bids;
    std::vector<Level> sent_asks;
    Topic topics[channel_count];
    bool touched = false;  // in the current event
    bool dirty = false;    // since the last flush
};

struct SourceState {
    std::string name;
    State state = State::none;
    std::uint64_t reason = 0;
    Stamp stamp;
    Topic state_topic;
    Topic tick_topic;
    std::uint32_t ring = 0;
};

}  // namespace fh
