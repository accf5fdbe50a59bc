// The writer of the board. One process, one thread; it never waits for readers and does not know of them.
//
// Invariants: a row is written under its own version word, odd while it is inside; the change log and its cursor
// name a row only after it is whole again; numbers of changes never go back, over restarts too.
#pragma once

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>

#include "shm/board_check.hpp"
#include "shm/draft.hpp"
#include "shm/wait.hpp"
#include "shm/wait_page.hpp"
#include "shm/writer_lock.hpp"

namespace fh {

class BoardWriter {
public:
    // Makes `<dir>/board` and with `publish_now` puts it in its predecessor's place. Without, publish() does, so
    // that rows can be filled first. `log_capacity` 0 = by rows. Throws std::invalid_argument where depth or rows
    // do not fit the layout, SegmentBusy where another writer lives, SegmentSpace or SegmentDenied where it cannot be.
    BoardWriter(const std::string& dir, std::uint32_t depth, std::uint32_t rows, std::uint64_t publisher_epoch,
                std::uint32_t log_capacity = 0, bool publish_now = true, const Placement& placement = {})
        : path_(dir + "/board"), depth_(depth), rows_(rows), row_bytes_(board_row_bytes(depth)) {
        check_size(log_capacity);
        lock_ = WriterLock(path_, "the board", placement);
        wait_mapping_ = make_wait_page(path_ + ".parking", placement);
        wait_ = wait_mapping_.as<WaitPage>();
        create(publisher_epoch, log_capacity != 0 ? log_capacity : board_log_capacity(rows), placement);
        if (publish_now) publish();
    }

    // From here on readers see this file. Those that still map the one before learn of it, and the parked wake.
    void publish() {
        if (!draft_.has_value()) return;
        FH_POINT("board.ready");
        draft_->publish();
        draft_.reset();
        FH_POINT("board.renamed");
        store(wait_->epoch_hint, header_->publisher_epoch,
              std::memory_order_release);  // SYNC board.epoch: file before hint; pairs with BoardReader::superseded()
        FH_POINT("board.hinted");
        store(wait_->wake, load(wait_->wake, std::memory_order_relaxed) + 1,
              std::memory_order_release);  // SYNC ring.wake: hint before wake; pairs with park()
        futex_wake_all(wait_->wake);
    }

    // `row` holds everything but version and change; `levels` 2 x depth levels as laid out in board_layout.hpp.
    // False where the board has no such row. Parked readers sleep on until wake().
    bool write(std::uint32_t instrument, const BoardRow& row, const double* levels) noexcept {
        if (instrument == 0 || instrument > rows_) return false;
        auto* target = row_words(instrument);
        const auto version = load(target[0], std::memory_order_relaxed);
        const auto change = load(header_->changes, std::memory_order_relaxed) + 1;
        store(target[0], version + 1, std::memory_order_relaxed);
        FH_POINT("board.opened");
        std::atomic_thread_fence(
            std::memory_order_release);  // SYNC board.row: odd version before payload; pairs with BoardReader::read()
        store(target[1], change, std::memory_order_relaxed);
        store_words(target + 2, reinterpret_cast<const std::uint64_t*>(&row) + 2, sizeof(BoardRow) / 8 - 2);
        store_words(target + sizeof(BoardRow) / 8, levels, board_level_words(depth_));
        store(target[0], version + 2, std::memory_order_release);  // SYNC board.row: payload before even version
        FH_POINT("board.closed");
        log_change(change, instrument);
        return true;
    }

    // Once after a run of writes: a fence, and a system call if somebody sleeps.
    void wake() noexcept { wake_parked(*wait_); }

    void heartbeat(std::int64_t monotonic_now_ns) noexcept {
        store(header_->heartbeat_ns, monotonic_now_ns, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint32_t depth() const noexcept { return depth_; }
    [[nodiscard]] std::uint32_t rows() const noexcept { return rows_; }
    [[nodiscard]] std::size_t row_bytes() const noexcept { return row_bytes_; }
    [[nodiscard]] std::uint64_t changes() const noexcept { return load(header_->changes, std::memory_order_relaxed); }

private:
    // The slot's store stands behind write()'s release fence, which stands behind the cursor of the change before:
    // who finds this id in a slot also finds a cursor of at least `change - 1`.
    void log_change(std::uint64_t change, std::uint32_t instrument) noexcept {
        store(log_[change & log_mask_], instrument, std::memory_order_relaxed);
        FH_POINT("board.logged");
        if (instrument > highest_) {
            highest_ = instrument;
            store(header_->highest, highest_, std::memory_order_relaxed);
        }
        store(header_->changes, change,
              std::memory_order_release);  // SYNC board.log: row, id, highest before cursor; BoardReader::changes()
        FH_POINT("board.told");
    }

    [[nodiscard]] std::uint64_t* row_words(std::uint32_t instrument) const noexcept {
        return mapping_.as<std::uint64_t>(header_->rows_offset + row_bytes_ * instrument);
    }

    void check_size(std::uint32_t log_capacity) const {
        const auto refuse = [](const char* what, std::uint32_t got, std::uint32_t low, std::uint32_t high) {
            if (got >= low && got <= high) return;
            throw std::invalid_argument("board: " + std::string(what) + ": got " + std::to_string(got) + ", expected " +
                                        std::to_string(low) + " to " + std::to_string(high));
        };
        refuse("depth", depth_, 1, BOARD_DEPTH_MAX);
        refuse("rows", rows_, 1, BOARD_ROWS_MAX);
        if (log_capacity == 0) return;
        refuse("log_capacity", log_capacity, BOARD_LOG_MIN, BOARD_LOG_MAX);
        if (!std::has_single_bit(log_capacity))
            throw std::invalid_argument("board: log_capacity: got " + std::to_string(log_capacity) +
                                        ", expected a power of two");
    }

    void create(std::uint64_t publisher_epoch, std::uint32_t log_capacity, const Placement& placement) {
        draft_.emplace(path_ + ".new", path_, placement);
        FH_POINT("board.created");
        mapping_ = draft_->map(board_bytes(depth_, rows_, log_capacity));
        header_ = mapping_.as<BoardHeader>();
        header_->version = BOARD_VERSION;
        header_->depth = depth_;
        header_->rows = rows_;
        header_->row_bytes = static_cast<std::uint32_t>(row_bytes_);
        header_->rows_offset = static_cast<std::uint32_t>(board_rows_offset(log_capacity));
        header_->writer_pid = static_cast<std::uint32_t>(::getpid());
        header_->publisher_epoch = publisher_epoch;
        header_->first_change = header_->changes = std::max(publisher_epoch, predecessor_changes() + 1);
        header_->log_offset = BOARD_LOG_OFFSET;
        header_->log_capacity = log_capacity;
        log_ = mapping_.as<std::uint32_t>(BOARD_LOG_OFFSET);
        log_mask_ = log_capacity - 1;
        clear_rows();
        heartbeat(monotonic_ns());
        header_->magic = BOARD_MAGIC;
    }

    // Plain reads: its writer has ended, and the lock it held is ours.
    [[nodiscard]] std::uint64_t predecessor_changes() const {
        File file;
        BoardHeader header;
        const bool ours = open_board(path_, file, header).good();
        return ours && header.changes < UINT64_MAX / 2 ? header.changes : 0;
    }

    // A row nobody wrote yet has no prices; zeroed bytes would say that everything costs nothing.
    void clear_rows() noexcept {
        for (std::uint32_t i = 0; i <= rows_; ++i) {
            auto* row = reinterpret_cast<BoardRow*>(row_words(i));
            board_clear_prices(*row);
            auto* levels = reinterpret_cast<double*>(row + 1);
            std::fill(levels, levels + board_level_words(depth_), NO_VALUE);
        }
    }

    std::string path_;
    std::uint32_t depth_;
    std::uint32_t rows_;
    std::size_t row_bytes_;
    WriterLock lock_;
    std::optional<Draft> draft_;  // until publish()
    Mapping mapping_;
    Mapping wait_mapping_;
    WaitPage* wait_ = nullptr;
    BoardHeader* header_ = nullptr;
    std::uint32_t* log_ = nullptr;
    std::uint64_t log_mask_ = 0;
    std::uint32_t highest_ = 0;
};

}  // namespace fh
