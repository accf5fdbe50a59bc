// A board reader that stays: it waits for the board, names what changed, goes over to a restarted conflator's board
// and says what happened. One object, one loop, one thread:
//
//     fh::BoardFollower board("/dev/shm/feedhandler-demo");
//     while (running) {
//         const fh::BoardNews news = board.next(100'000'000);
//         if (news.state_changed) ...                      // news.state: OK, STALLED, WRITER_DEAD, ...
//         for (const auto id : news.ids)
//             if (fh::BoardTop top; board.read_top(id, top)) ...
//     }
//
// Invariant: a row that changes after this reader came is named once or more, whatever restarts and however late.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "shm/board_reader.hpp"
#include "shm/ring_reader.hpp"

namespace fh {

struct BoardFollowerOptions {
    bool from_now = false;  // begin with what changes next; else with all rows that were ever written
    WaitPolicy wait = WaitPolicy::adaptive;
    std::int64_t stall_ns = 2'000'000'000;  // a heartbeat older than this is STALLED
};

struct BoardNews {
    std::span<const std::uint32_t> ids;  // changed rows, each once, the oldest change first; until the next call
    bool all = false;                    // ids are all rows there are: another board, or this one was read too late
    Attach state = Attach::missing;      // missing, version_mismatch, ok, stalled or writer_dead
    bool state_changed = false;          // since the news before; true in the first
    bool board_changed = false;          // another board begins: the first, or that of a restarted conflator

    // Whether there is anything to act on.
    [[nodiscard]] bool any() const noexcept { return !ids.empty() || state_changed || board_changed; }
};

class BoardFollower {
public:
    explicit BoardFollower(std::string dir, BoardFollowerOptions options = {})
        : dir_(std::move(dir)), options_(options) {}

    // Never waits. Costs what changed; a load where nothing did.
    [[nodiscard]] BoardNews poll() {
        BoardNews news;
        if (board_.has_value()) changes(news);
        if (news.ids.empty()) {
            look();
            if (arrived_) changes(news);
        } else if (state_ != Attach::ok) {
            state_ = board_state();
        }
        news.state = state_;
        news.state_changed = !std::exchange(told_any_, true) || told_ != state_;
        told_ = state_;
        news.board_changed = std::exchange(arrived_, false);
        return news;
    }

    // As poll(), but waits up to `timeout_ns` for news.
    [[nodiscard]] BoardNews next(std::int64_t timeout_ns) {
        const auto deadline = monotonic_ns() + std::max<std::int64_t>(timeout_ns, 0);
        for (;;) {
            const BoardNews news = poll();
            const auto left = deadline - monotonic_ns();
            if (news.any() || left <= 0) return news;
            rest(std::min(left, LOOK_NS));
        }
    }

    // The row's first line: best prices, sizes, state and flags. False where there is no such row, or where the
    // writer died inside it.
    [[nodiscard]] bool read_top(std::uint32_t instrument, BoardTop& out) const noexcept {
        return board_.has_value() && board_->read_top(instrument, out);
    }
    // The whole row, as a copy of this object's own: until the next call. Null as read_top() is false.
    [[nodiscard]] const BoardRow* row(std::uint32_t instrument) noexcept {
        const bool good = board_.has_value() && board_->read_patiently(instrument, row_.data(), BOARD_PATIENCE_NS);
        return good ? reinterpret_cast<const BoardRow*>(row_.data()) : nullptr;
    }
    // Prices and sizes of the row read last, in turn and best first: bids, then asks. NaN where there is none.
    [[nodiscard]] std::span<const double> bids() const noexcept { return {levels(), std::size_t{2} * depth()}; }
    [[nodiscard]] std::span<const double> asks() const noexcept {
        return {levels() + std::size_t{2} * depth(), std::size_t{2} * depth()};
    }

    // As RingFollower has them, for wait_list.hpp.
    [[nodiscard]] bool ready() const noexcept { return board_.has_value() && board_->cursor() != cursor_; }
    [[nodiscard]] bool attached() const noexcept { return board_.has_value(); }
    [[nodiscard]] WaitPage* wait_page() const noexcept { return board_.has_value() ? board_->wait_page() : nullptr; }
    [[nodiscard]] std::int64_t patience_ns() const noexcept {
        return board_.has_value() && board_->superseded() ? NAP_NS : LOOK_NS;
    }

    [[nodiscard]] Attach state() const noexcept { return state_; }
    [[nodiscard]] std::uint32_t depth() const noexcept { return board_.has_value() ? board_->depth() : 0; }
    [[nodiscard]] std::uint64_t restarts() const noexcept { return boards_ > 1 ? boards_ - 1 : 0; }
    // Why there is no board to read, in one line; empty where there is one.
    [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

private:
    static constexpr std::int64_t LOOK_NS = 10'000'000;  // while nothing changes the state is looked at this often
    static constexpr std::int64_t NAP_NS = 200'000;

    void changes(BoardNews& news) {
        const BoardChanges found = board_->changes(cursor_, ids_.data());
        cursor_ = found.cursor;
        news.ids = {ids_.data(), found.count};
        news.all = found.rescanned && found.count != 0;
    }

    // System calls, so not at every turn; at once where a successor's board is there.
    void look() {
        const auto now = monotonic_ns();
        const bool superseded = board_.has_value() && board_->superseded();
        if (now - looked_ns_ < LOOK_NS && !superseded) return;
        looked_ns_ = now;
        if (!board_.has_value() || superseded || !board_->writer_alive()) attach();
        if (board_.has_value()) state_ = board_state();
    }

    // Maps the board that is there now, where it is another one.
    void attach() {
        try {
            const bool first = !board_.has_value();
            if (first)
                board_.emplace(dir_);
            else if (board_->replaced())
                board_->attach();
            else
                return;
            if (first && options_.from_now) cursor_ = board_->cursor();
            ids_.resize(board_->rows());
            row_.resize(board_->row_bytes() / sizeof(Line));
            ++boards_;
            arrived_ = true;
            problem_.clear();
        } catch (const SegmentDenied& error) {
            refused(Attach::denied, error);
        } catch (const SegmentVersion& error) {
            refused(Attach::version_mismatch, error);
        } catch (const SegmentDamaged& error) {
            refused(Attach::damaged, error);
        } catch (const std::runtime_error& error) {  // none there, or the system is out of something: another try
            refused(Attach::missing, error);
        }
    }

    void refused(Attach state, const std::exception& error) {
        problem_ = error.what();
        if (!board_.has_value()) state_ = state;
    }

    [[nodiscard]] Attach board_state() const noexcept {
        if (!board_->writer_alive()) return Attach::writer_dead;
        return monotonic_ns() - board_->heartbeat_ns() > options_.stall_ns ? Attach::stalled : Attach::ok;
    }

    void rest(std::int64_t ns) const noexcept {
        if (!board_.has_value() || board_->superseded())
            sleep_ns(std::min(ns, patience_ns()));
        else
            board_->wait(cursor_, options_.wait, ns);
    }

    [[nodiscard]] const double* levels() const noexcept {
        return reinterpret_cast<const double*>(reinterpret_cast<const BoardRow*>(row_.data()) + 1);
    }

    struct alignas(CACHE_LINE) Line {
        std::uint8_t bytes[CACHE_LINE];
    };

    std::string dir_;
    BoardFollowerOptions options_;
    std::optional<BoardReader> board_;
    std::vector<std::uint32_t> ids_;
    std::vector<Line> row_;
    std::uint64_t cursor_ = 0;
    std::uint64_t boards_ = 0;
    std::int64_t looked_ns_ = INT64_MIN / 2;
    Attach state_ = Attach::missing;
    Attach told_ = Attach::missing;
    bool told_any_ = false;
    bool arrived_ = false;
    std::string problem_;
};

}  // namespace fh
