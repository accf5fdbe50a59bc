// Instrument states as rows of the board.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "feedhandler/native/conflate_state.hpp"
#include "shm/board_writer.hpp"

namespace fh {

class BoardFace {
public:
    // Readers see it from publish() on, so that restored rows are there before them.
    BoardFace(const std::string& shm_dir, std::uint32_t depth, std::uint32_t rows, std::uint64_t publisher_epoch,
              const Placement& placement)
        : board_(shm_dir, depth, rows, publisher_epoch, 0, /*publish_now=*/false, placement),
          depth_(depth),
          levels_(std::size_t{depth} * 4) {}
    void publish() { board_.publish(); }

    // False where the board has no row for this instrument. Readers that sleep do so until wake().
    bool write(InstrumentState& state, std::int64_t now_ns) noexcept {
        BoardRow row{};
        put_book(state, row);
        put_times(state, now_ns, row);
        put_session(state, row);
        return board_.write(state.id, row, levels_.data());
    }
    void wake() noexcept { board_.wake(); }
    void heartbeat(std::int64_t monotonic_now_ns) noexcept { board_.heartbeat(monotonic_now_ns); }

private:
    void put_book(const InstrumentState& state, BoardRow& row) noexcept {
        BoardTop& top = row.top;
        top.bid = state.bbo.bid;
        top.bid_size = state.bbo.bid_size;
        top.ask = state.bbo.ask;
        top.ask_size = state.bbo.ask_size;
        top.instrument = state.id;
        top.source = state.source;
        top.state = static_cast<std::uint16_t>(state.state);
        top.flags = state.bbo.flags;
        top.last_side = state.session.last_side;
        top.bid_levels = put_side(state.book.bids(), levels_.data());
        top.ask_levels = put_side(state.book.asks(), levels_.data() + depth_ * 2);
    }

    std::uint16_t put_side(const BookSide& levels, double* out) const noexcept {
        const std::size_t count = std::min<std::size_t>(depth_, levels.size());
        for (std::size_t i = 0; i < count; ++i) {
            *out++ = levels.at(i).price;
            *out++ = levels.at(i).size;
        }
        std::fill(out, out + (depth_ - count) * 2, NO_VALUE);
        return static_cast<std::uint16_t>(count);
    }

    static void put_times(const InstrumentState& state, std::int64_t now_ns, BoardRow& row) noexcept {
        row.ts_event = state.bbo_stamp.ts_event;
        row.ts_recv = state.bbo_stamp.ts_recv;
        row.ts_update = now_ns;
        row.ts_record = state.heard;
        row.ts_state = state.state_since;
        row.ts_session = state.session.begin_ns;
        row.ring_epoch = state.applied.epoch;
        row.ring_seq = state.applied.seq;
        row.state_reason = state.state_reason;
        row.updates = state.updates;
    }

    static void put_session(InstrumentState& state, BoardRow& row) noexcept {
        const Session& session = state.session;
        row.last_price = session.last_price;
        row.last_size = session.last_size;
        row.last_ts = session.last_ts;
        row.last_ref = session.last_ref;
        row.gaps = session.gaps;
        row.corrections = session.corrections;
        row.open = session.open;
        row.high = session.high;
        row.low = session.low;
        row.trades = session.trades;
        state.totals.follow(session);
        row.volume = state.totals.volume;
        row.turnover = state.totals.turnover;
        row.vwap = state.totals.vwap;
    }

    BoardWriter board_;
    std::size_t depth_;
    std::vector<double> levels_;
};

}  // namespace fh
