// What the conflator knows of one instrument, of one source, and of one topic.
#pragma once

#include <string>
#include <vector>

#include "feedhandler/native/book.hpp"
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

// Where a record stands for ever.
struct Position {
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    [[nodiscard]] bool covers(std::uint64_t other_epoch, std::uint64_t other_seq) const noexcept {
        return other_epoch < epoch || (other_epoch == epoch && other_seq <= seq);
    }
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

struct Session {
    double open = NO_VALUE;
    double high = NO_VALUE;
    double low = NO_VALUE;
    double volume = 0;
    double turnover = 0;
    std::uint64_t trades = 0;
    double last_price = NO_VALUE;
    double last_size = NO_VALUE;
    std::int64_t last_ts = 0;
    std::uint8_t last_side = 0;
    std::uint8_t pad[7] = {};

    void add(const Record& trade) noexcept {
        if (trades++ == 0) open = high = low = trade.price;
        high = std::max(high, trade.price);
        low = std::min(low, trade.price);
        volume += trade.size;
        turnover += trade.price * trade.size;
        last_price = trade.price;
        last_size = trade.size;
        last_ts = trade.ts_event;
        last_side = static_cast<std::uint8_t>(trade.side);
    }
};
static_assert(std::is_trivially_copyable_v<Session>);

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
    Position applied;
    Session session;
    std::uint64_t updates = 0;

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
