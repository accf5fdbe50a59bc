// The board: the latest state of every instrument, one row each, under a seqlock per row.
//
// Row: BoardRow, then `depth` bid levels and `depth` ask levels (price, size), best first, NaN where
// there is none. A row's number is its instrument's id. One writer; readers map read-only.
#pragma once

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "shm/atomics.hpp"
#include "shm/clock.hpp"
#include "shm/region.hpp"

namespace fh {

struct BoardHeader {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t depth;
    std::uint32_t rows;
    std::uint32_t row_bytes;
    std::uint32_t rows_offset;
    std::uint32_t writer_pid;
    alignas(CACHE_LINE) std::int64_t heartbeat_ns;
    std::uint64_t publisher_epoch;
};
static_assert(sizeof(BoardHeader) == 128 && offsetof(BoardHeader, heartbeat_ns) == 64);
inline constexpr std::uint32_t BOARD_ROWS_OFFSET = 4096;

struct BoardRow {
    std::uint64_t version;  // odd while it is being written; touched by native code only
    std::uint64_t ring_epoch;
    std::uint64_t ring_seq;  // last record applied
    std::int64_t ts_event;   // of the last change of the best bid or ask
    std::int64_t ts_recv;
    std::int64_t ts_update;
    double bid;
    double bid_size;
    double ask;
    double ask_size;
    double last_price;
    double last_size;
    std::int64_t last_ts;
    double open;
    double high;
    double low;
    double volume;
    double turnover;  // sum of price x size; turnover / volume is the VWAP
    std::uint64_t trades;
    std::uint64_t updates;
    std::uint32_t instrument;
    std::uint16_t source;
    std::uint16_t state;  // State
    std::uint16_t bid_levels;
    std::uint16_t ask_levels;
    std::uint8_t last_side;
    std::uint8_t flags;
    std::uint16_t reserved;
    std::uint64_t spare[2];
};
static_assert(sizeof(BoardRow) == 192 && offsetof(BoardRow, instrument) == 160);

inline constexpr std::size_t board_row_bytes(std::size_t depth) {
    return sizeof(BoardRow) + depth * 4 * sizeof(double);
}

class BoardWriter {
public:
    // Creates `<dir>/board`, replacing an earlier one by rename; refuses a second writer.
    BoardWriter(const std::string& dir, std::uint32_t depth, std::uint32_t rows, std::uint64_t publisher_epoch)
        : depth_(depth), rows_(rows) {
        const std::string path = dir + "/board";
        lock_ = File::open(path + ".lock", O_RDWR | O_CREAT);
        if (!lock_.ok()) fail("opening " + path + ".lock");
        if (!try_lock(lock_)) throw std::runtime_error("the board in " + dir + " has a writer already");
        const std::string draft = path + ".new";
        ::unlink(draft.c_str());
        const File file = File::open(draft, O_RDWR | O_CREAT | O_EXCL);
        if (!file.ok()) fail("creating " + draft);
        FH_POINT("board.created");
        row_bytes_ = board_row_bytes(depth);
        const std::size_t bytes = BOARD_ROWS_OFFSET + row_bytes_ * (std::size_t{rows} + 1);
        allocate(file, bytes, draft);
        mapping_ = Mapping(file, bytes, true);
        clear_rows();
        header_ = mapping_.as<BoardHeader>();
        header_->version = LAYOUT_VERSION;
        header_->depth = depth;
        header_->rows = rows;
        header_->row_bytes = static_cast<std::uint32_t>(row_bytes_);
        header_->rows_offset = BOARD_ROWS_OFFSET;
        header_->writer_pid = static_cast<std::uint32_t>(::getpid());
        header_->publisher_epoch = publisher_epoch;
        heartbeat(monotonic_ns());
        header_->magic = BOARD_MAGIC;
        FH_POINT("board.ready");
        publish_by_rename(draft, path);
        FH_POINT("board.renamed");
    }

    // `row` holds everything but the version; `levels` 2 x depth levels as laid out above.
    void write(std::uint32_t instrument, const BoardRow& row, const double* levels) noexcept {
        if (instrument > rows_) return;
        auto* target = mapping_.as<std::uint64_t>(BOARD_ROWS_OFFSET + row_bytes_ * instrument);
        const auto version = load(target[0], std::memory_order_relaxed);
        store(target[0], version + 1, std::memory_order_relaxed);
        FH_POINT("board.opened");
        std::atomic_thread_fence(
            std::memory_order_release);  // SYNC board.row: odd version before payload; pairs with BoardReader::read()
        store_words(target + 1, reinterpret_cast<const std::uint64_t*>(&row) + 1, sizeof(BoardRow) / 8 - 1);
        store_words(target + sizeof(BoardRow) / 8, levels, std::size_t{depth_} * 4);
        store(target[0], version + 2, std::memory_order_release);  // SYNC board.row: payload before even version
        FH_POINT("board.closed");
    }

    void heartbeat(std::int64_t monotonic_now_ns) noexcept {
        store(header_->heartbeat_ns, monotonic_now_ns, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint32_t depth() const noexcept { return depth_; }
    [[nodiscard]] std::uint32_t rows() const noexcept { return rows_; }
    [[nodiscard]] std::size_t row_bytes() const noexcept { return row_bytes_; }

private:
    // A row nobody wrote yet has no prices; zeroed bytes would say that everything costs nothing.
    void clear_rows() noexcept {
        for (std::uint32_t i = 0; i <= rows_; ++i) {
            auto* row = mapping_.as<BoardRow>(BOARD_ROWS_OFFSET + row_bytes_ * i);
            for (double* field : {&row->bid, &row->bid_size, &row->ask, &row->ask_size, &row->last_price,
                                  &row->last_size, &row->open, &row->high, &row->low})
                *field = NO_VALUE;
            auto* levels = reinterpret_cast<double*>(row + 1);
            std::fill(levels, levels + std::size_t{depth_} * 4, NO_VALUE);
        }
    }

    File lock_;
    Mapping mapping_;
    BoardHeader* header_ = nullptr;
    std::uint32_t depth_;
    std::uint32_t rows_;
    std::size_t row_bytes_ = 0;
};

class BoardReader {
public:
    // Throws std::system_error where there is no board, std::runtime_error where its version is another.
    explicit BoardReader(const std::string& dir) : path_(dir + "/board") { attach(); }

    // Maps the current file: call again when writer_alive() is false. Where it throws, the old map stays.
    void attach() {
        File file = File::open(path_, O_RDONLY);
        if (!file.ok()) fail("opening " + path_);
        if (file.size() < BOARD_ROWS_OFFSET) throw std::runtime_error(path_ + " is not a board of this version");
        Mapping mapping(file, file.size(), false);
        const auto* header = mapping.as<const BoardHeader>();
        if (header->magic != BOARD_MAGIC || header->version != LAYOUT_VERSION ||
            header->rows_offset != BOARD_ROWS_OFFSET || header->row_bytes != board_row_bytes(header->depth) ||
            header->rows_offset + std::size_t{header->row_bytes} * (std::size_t{header->rows} + 1) > file.size())
            throw std::runtime_error(path_ + " is not a board of this version");
        file_ = std::move(file);
        mapping_ = std::move(mapping);
        header_ = header;
        lock_ = File::open(path_ + ".lock", O_RDONLY);
    }

    // Copies one row with its levels (row_bytes()). False where the writer kept writing through all tries.
    bool read(std::uint32_t instrument, void* out) const noexcept {
        if (instrument > header_->rows) return false;
        const auto* row =
            mapping_.as<const std::uint64_t>(header_->rows_offset + std::size_t{header_->row_bytes} * instrument);
        for (int attempt = 0; attempt < 1000; ++attempt) {
            const auto before =
                load(row[0], std::memory_order_acquire);  // SYNC board.row: pairs with BoardWriter::write()
            if ((before & 1U) != 0) continue;
            load_words(out, row, header_->row_bytes / 8);
            FH_POINT("board.copied");
            // SYNC board.row: payload before the version is looked at again; pairs with BoardWriter::write()
            std::atomic_thread_fence(std::memory_order_acquire);
            if (load(row[0], std::memory_order_relaxed) == before) return true;
        }
        return false;
    }
    [[nodiscard]] std::uint32_t depth() const noexcept { return header_->depth; }
    [[nodiscard]] std::uint32_t rows() const noexcept { return header_->rows; }
    [[nodiscard]] std::uint32_t row_bytes() const noexcept { return header_->row_bytes; }
    [[nodiscard]] std::uint64_t publisher_epoch() const noexcept { return header_->publisher_epoch; }
    [[nodiscard]] std::int64_t heartbeat_ns() const noexcept {
        return load(header_->heartbeat_ns, std::memory_order_relaxed);
    }
    // A writer holds the board, and it is the one that wrote the file mapped here.
    [[nodiscard]] bool writer_alive() const noexcept { return lock_.ok() && locked_by_other(lock_) && !replaced(); }
    // A successor renamed its own file over this one, which will never change again.
    [[nodiscard]] bool replaced() const noexcept {
        struct stat st{};
        return ::fstat(file_.fd(), &st) != 0 || st.st_nlink == 0;
    }

private:
    std::string path_;
    File file_;
    File lock_;
    Mapping mapping_;
    const BoardHeader* header_ = nullptr;
};

}  // namespace fh
