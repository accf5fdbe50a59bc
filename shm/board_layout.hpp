// The bytes of the board: `<shm_dir>/board`. A change of any struct is a change of BOARD_VERSION, which is the
// board's own: rings and the other files do not change with it.
//
// File: header (4096 bytes), change log (log_capacity ids of 4 bytes), rows 0 to `rows`. A row's number is its
// instrument's id; row 0 is never written. Row: BoardRow, then `depth` bid levels and `depth` ask levels (price,
// size), best first, NaN where there is none, then zeros up to a whole cache line.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "shm/layout.hpp"

namespace fh {

inline constexpr std::uint32_t BOARD_VERSION = 2;

struct BoardHeader {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t depth;
    std::uint32_t rows;
    std::uint32_t row_bytes;
    std::uint32_t rows_offset;
    std::uint32_t writer_pid;
    std::uint64_t publisher_epoch;
    std::uint64_t first_change;  // changes of this file are numbered from first_change + 1
    std::uint32_t log_offset;
    std::uint32_t log_capacity;  // a power of two
    alignas(CACHE_LINE) std::int64_t heartbeat_ns;
    alignas(CACHE_LINE) std::uint64_t changes;  // number of the last change: the cursor
    std::uint32_t highest;                      // the highest id that was ever written
};
static_assert(sizeof(BoardHeader) == 192 && offsetof(BoardHeader, publisher_epoch) == 32);
static_assert(offsetof(BoardHeader, first_change) == 40 && offsetof(BoardHeader, log_offset) == 48);
static_assert(offsetof(BoardHeader, heartbeat_ns) == 64 && offsetof(BoardHeader, changes) == 128);
static_assert(offsetof(BoardHeader, highest) == 136);

// The first line alone says what an engine needs to trade on: BoardReader::read_top().
struct BoardTop {
    std::uint64_t version;  // odd while it is being written; touched by native code only
    std::uint64_t change;   // number of the change that wrote it; 0 = never written
    double bid;
    double bid_size;
    double ask;
    double ask_size;
    std::uint32_t instrument;
    std::uint16_t source;
    std::uint16_t state;  // State
    std::uint16_t bid_levels;
    std::uint16_t ask_levels;
    std::uint8_t flags;      // of bid and ask: 0, or MAYBE_BAD_BOOK
    std::uint8_t last_side;  // aggressor of the last trade
    std::uint16_t reserved;
};
static_assert(sizeof(BoardTop) == CACHE_LINE && offsetof(BoardTop, instrument) == 48);
static_assert(offsetof(BoardTop, flags) == 60);

struct BoardRow {
    BoardTop top;
    // Line 1: times by our clock but for ts_event; and what was applied last.
    std::int64_t ts_event;    // the venue's time of the last change of the best bid or ask
    std::int64_t ts_recv;     // when we received that change
    std::int64_t ts_update;   // when the row was written
    std::int64_t ts_record;   // when we received the last record of this instrument: its age is its staleness
    std::int64_t ts_state;    // since when `state` is what it is; 0 = it never changed
    std::int64_t ts_session;  // since when the session statistics count
    std::uint64_t ring_epoch;
    std::uint64_t ring_seq;
    // Line 2: the last good trade; state; counts.
    double last_price;
    double last_size;
    std::int64_t last_ts;
    std::uint64_t last_ref;
    std::uint64_t state_reason;
    std::uint64_t updates;      // records applied
    std::uint32_t gaps;         // times since ts_session at which trades may have been missed
    std::uint32_t corrections;  // trades since ts_session that the venue changed or took back: not applied
    std::uint64_t spare_counts;
    // Line 3: session statistics over good trades.
    double open;
    double high;
    double low;
    double volume;
    double turnover;  // sum of price x size
    double vwap;      // turnover / volume
    std::uint64_t trades;
    std::uint64_t spare_session;
};
static_assert(sizeof(BoardRow) == 256 && offsetof(BoardRow, ts_event) == 64 && offsetof(BoardRow, ring_seq) == 120);
static_assert(offsetof(BoardRow, last_price) == 128 && offsetof(BoardRow, gaps) == 176);
static_assert(offsetof(BoardRow, open) == 192 && offsetof(BoardRow, trades) == 240);
static_assert(std::is_trivially_copyable_v<BoardRow>);

// Prices and sums that nobody gave are NaN.
inline void board_clear_prices(BoardRow& row) noexcept {
    BoardTop& top = row.top;
    for (double* field : {&top.bid, &top.bid_size, &top.ask, &top.ask_size, &row.last_price, &row.last_size, &row.open,
                          &row.high, &row.low, &row.vwap})
        *field = NO_VALUE;
}

inline constexpr std::uint32_t BOARD_LOG_OFFSET = 4096;
inline constexpr std::uint32_t BOARD_LOG_MIN = 1024;  // ids: a page
inline constexpr std::uint32_t BOARD_LOG_MAX = 1 << 20;
inline constexpr std::uint32_t BOARD_DEPTH_MAX = 1000;
inline constexpr std::uint32_t BOARD_ROWS_MAX = 1 << 20;
static_assert(sizeof(BoardHeader) <= BOARD_LOG_OFFSET && BOARD_LOG_MIN * sizeof(std::uint32_t) == 4096);

inline constexpr std::size_t board_level_words(std::uint32_t depth) { return std::size_t{depth} * 4; }
inline constexpr std::size_t board_row_bytes(std::uint32_t depth) {
    const std::size_t bytes = sizeof(BoardRow) + board_level_words(depth) * sizeof(double);
    return (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}
inline constexpr std::size_t board_rows_offset(std::uint32_t log_capacity) {
    return BOARD_LOG_OFFSET + std::size_t{log_capacity} * sizeof(std::uint32_t);
}
inline constexpr std::size_t board_bytes(std::uint32_t depth, std::uint32_t rows, std::uint32_t log_capacity) {
    return board_rows_offset(log_capacity) + board_row_bytes(depth) * (std::size_t{rows} + 1);
}
// Sixteen changes a row before a reader has to look at all rows instead.
inline constexpr std::uint32_t board_log_capacity(std::uint32_t rows) {
    return std::clamp(std::bit_ceil(std::min(rows, BOARD_ROWS_MAX) * 16), 4 * BOARD_LOG_MIN, BOARD_LOG_MAX);
}

}  // namespace fh
