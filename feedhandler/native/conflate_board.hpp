// Instrument states as rows of the board.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "feedhandler/native/conflate_state.hpp"
#include "shm/board.hpp"

namespace fh {

class BoardFace {
public:
    BoardFace(const std::string& shm_dir, std::uint32_t depth, std::uint32_t rows, std::uint64_t publisher_epoch)
        : board_(shm_dir, depth, rows, publisher_epoch), depth_(depth), levels_(std::size_t{depth} * 4) {}

    void write(const InstrumentState& state, std::int64_t now_ns) noexcept {
        BoardRow row{};
        row.ring_epoch = state.applied.epoch;
        row.ring_seq = state.applied.seq;
        row.ts_event = state.bbo_stamp.ts_event;
        row.ts_recv = state.bbo_stamp.ts_recv;
        row.ts_update = now_ns;
        row.bid = state.bbo.bid;
        row.bid_size = state.bbo.bid_size;
        row.ask = state.bbo.ask;
        row.ask_size = state.bbo.ask_size;
        row.last_price = state.session.last_price;
        row.last_size = state.session.last_size;
        row.last_ts = state.session.last_ts;
        row.open = state.session.open;
        row.high = state.session.high;
        row.low = state.session.low;
        row.volume = state.session.volume;
        row.turnover = state.session.turnover;
        row.trades = state.session.trades;
        row.updates = state.updates;
        row.instrument = state.id;
        row.source = state.source;
        row.state = static_cast<std::uint16_t>(state.state);
        row.last_side = state.session.last_side;
        row.flags = state.bbo.flags;
        double* out = levels_.data();
        const auto side = [&](const BookSide& levels) {
            for (std::size_t i = 0; i < depth_; ++i) {
                const bool there = i < levels.size();
                *out++ = there ? levels.at(i).price : NO_VALUE;
                *out++ = there ? levels.at(i).size : NO_VALUE;
            }
            return static_cast<std::uint16_t>(std::min<std::size_t>(depth_, levels.size()));
        };
        row.bid_levels = side(state.book.bids());
        row.ask_levels = side(state.book.asks());
        board_.write(state.id, row, levels_.data());
    }

    void heartbeat(std::int64_t monotonic_now_ns) noexcept { board_.heartbeat(monotonic_now_ns); }

private:
    BoardWriter board_;
    std::size_t depth_;
    std::vector<double> levels_;
};

}  // namespace fh
