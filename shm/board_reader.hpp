// A reader of the board. It maps rows and change log read-only; it may write the parking page, where its
// permissions allow, to park. An object belongs to one thread: changes() uses the object's own memory.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "shm/board_check.hpp"
#include "shm/wait.hpp"
#include "shm/wait_page.hpp"

namespace fh {

// What changed behind a cursor: `count` ids, and the cursor for the next call.
struct BoardChanges {
    std::size_t count = 0;
    std::uint64_t cursor = 0;
    bool rescanned = false;  // the log no longer says: all rows were looked at. Nothing is missing
};

inline constexpr int BOARD_READ_TRIES = 1000;
inline constexpr std::int64_t BOARD_PATIENCE_NS = 50'000'000;  // a writer that lost its core has it back by then

class BoardReader {
public:
    // Throws what errors.hpp has for what is wrong: none there, denied, damaged, another version.
    explicit BoardReader(const std::string& dir) : path_(dir + "/board") { attach(); }

    // Maps the current file: call again when superseded() or not writer_alive(). Where it throws, the old map stays.
    void attach() {
        File file;
        BoardHeader found;
        if (const auto verdict = open_board(path_, file, found); !verdict.good()) raise(path_, verdict);
        Mapping mapping(file, file.size(), false);
        open_parking();
        seen_.assign(std::size_t{found.rows} + 1, 0);
        seen_turn_ = 0;
        lock_ = File::open(path_ + ".lock", O_RDONLY);
        file_ = std::move(file);
        mapping_ = std::move(mapping);
        header_ = mapping_.as<const BoardHeader>();
        log_ = mapping_.as<const std::uint32_t>(BOARD_LOG_OFFSET);
    }

    // Copies one row with its levels (row_bytes()). False where there is no such row, or where the writer kept
    // writing through all tries (try again after giving up the core), or died inside.
    bool read(std::uint32_t instrument, void* out) const noexcept {
        return read_words(instrument, out, header_->row_bytes / 8);
    }

    // Copies the row's first cache line: best bid and ask, their sizes, state and flags.
    bool read_top(std::uint32_t instrument, BoardTop& out) const noexcept {
        return read_words(instrument, &out, sizeof(BoardTop) / 8);
    }

    // As read(), for at most `patience_ns` while the writer lives: false means that the row is lost with its writer,
    // or that the writer stands still inside it.
    bool read_patiently(std::uint32_t instrument, void* out, std::int64_t patience_ns) const noexcept {
        if (read(instrument, out)) return true;
        if (instrument == 0 || instrument > header_->rows) return false;
        const auto deadline = monotonic_ns() + patience_ns;
        while (writer_alive() && monotonic_ns() < deadline) {
            sleep_ns(200'000);
            if (read(instrument, out)) return true;
        }
        return read(instrument, out);
    }

    // Copies rows one behind another: those of `ids`, which must be 1 to rows(). One that stays half written, for
    // `patience_ns` over all of them, is put down as unreadable (mark_unreadable). Returns how many of those.
    std::size_t read_many(const std::uint32_t* ids, std::size_t count, void* out,
                          std::int64_t patience_ns = BOARD_PATIENCE_NS) const noexcept {
        std::size_t bad = 0;
        auto* target = static_cast<std::uint8_t*>(out);
        for (std::size_t i = 0; i < count; ++i, target += header_->row_bytes)
            bad += !read_or_mark(ids[i], target, patience_ns, bad != 0);
        return bad;
    }

    // Copies all rows, written or not: row i to position i, rows() + 1 of them (0 is nobody's).
    std::size_t read_all(void* out, std::int64_t patience_ns = BOARD_PATIENCE_NS) const noexcept {
        std::size_t bad = 0;
        auto* target = static_cast<std::uint8_t*>(out);
        load_words(target, row_words(0), header_->row_bytes / 8);
        for (std::uint32_t id = 1; id <= header_->rows; ++id)
            bad += !read_or_mark(id, target + std::size_t{header_->row_bytes} * id, patience_ns, bad != 0);
        return bad;
    }

    // Copies the rows that were ever written, in the order of ids; `out` holds highest() rows. Returns how many.
    std::size_t read_written(void* out, std::uint32_t last,
                             std::int64_t patience_ns = BOARD_PATIENCE_NS) const noexcept {
        std::size_t count = 0;
        bool impatient = false;
        auto* target = static_cast<std::uint8_t*>(out);
        for (std::uint32_t id = 1; id <= last; ++id) {
            if (load(row_words(id)[0], std::memory_order_relaxed) == 0) continue;
            const bool good = read_or_mark(id, target + count * header_->row_bytes, patience_ns, impatient);
            impatient = impatient || !good;
            ++count;
        }
        return count;
    }

    // The ids of all rows that changed behind cursor `since`, each once, the oldest change first; `out` holds rows()
    // ids. Costs what changed, not what there is; where the log went over `since`, or `since` is another file's, it
    // looks at all rows and says so. Each row read after this call is at least as new as the change named here.
    BoardChanges changes(std::uint64_t since, std::uint32_t* out) noexcept {
        const auto now = cursor();
        if (since == now) return {0, now, false};
        if (since < header_->first_change || since > now) return scan(0, now, out);
        if (now - since >= header_->log_capacity) return scan(since, now, out);
        const std::uint64_t mask = header_->log_capacity - 1;
        next_turn();
        std::size_t count = 0;
        for (std::uint64_t change = since + 1; change <= now; ++change) {
            const auto id = load(log_[change & mask], std::memory_order_relaxed);
            if (id > header_->rows) return scan(since, now, out);  // no writer of ours wrote that
            if (seen_[id] == seen_turn_) continue;
            seen_[id] = seen_turn_;
            out[count++] = id;
        }
        FH_POINT("board.listed");
        // SYNC board.log: ids before the cursor is looked at again; pairs with BoardWriter::log_change()
        std::atomic_thread_fence(std::memory_order_acquire);
        const auto later = load(header_->changes, std::memory_order_relaxed);
        if (later - since >= header_->log_capacity) return scan(since, now, out);
        return {count, now, false};
    }

    // The number of the last change: where to begin for who wants only what comes.
    [[nodiscard]] std::uint64_t cursor() const noexcept {
        return load(header_->changes,
                    std::memory_order_acquire);  // SYNC board.log: pairs with BoardWriter::log_change()
    }

    // Waits until something changed behind `since`, or a successor's file is there. False on timeout. A writer that
    // dies wakes nobody: look at writer_alive() after a timeout.
    bool wait(std::uint64_t since, WaitPolicy policy, std::int64_t timeout_ns) const noexcept {
        return wait_until(wait_.page, policy, [this, since] { return cursor() != since || superseded(); }, timeout_ns);
    }

    // Where to park for this board (wait_any.hpp); null where this process may not write it.
    [[nodiscard]] WaitPage* wait_page() const noexcept { return wait_.page; }

    // A successor's file is in this one's place: attach() maps it. A load where the parking page can be read.
    [[nodiscard]] bool superseded() const noexcept {
        if (wait_.hint == nullptr) return replaced();
        return load(wait_.hint->epoch_hint, std::memory_order_acquire) >
               header_->publisher_epoch;  // SYNC board.epoch: pairs with BoardWriter::publish()
    }

    [[nodiscard]] std::uint32_t depth() const noexcept { return header_->depth; }
    [[nodiscard]] std::uint32_t rows() const noexcept { return header_->rows; }
    [[nodiscard]] std::uint32_t row_bytes() const noexcept { return header_->row_bytes; }
    // The highest id that was ever written.
    [[nodiscard]] std::uint32_t highest() const noexcept {
        return std::min(load(header_->highest, std::memory_order_relaxed), header_->rows);
    }
    [[nodiscard]] std::uint32_t log_capacity() const noexcept { return header_->log_capacity; }
    [[nodiscard]] std::uint32_t writer_pid() const noexcept { return header_->writer_pid; }
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

    // What stands for a row that its writer died in: its id, an odd version, flagged, without any number to use.
    void mark_unreadable(std::uint32_t instrument, void* out) const noexcept {
        BoardRow row{};
        board_clear_prices(row);
        row.volume = row.turnover = NO_VALUE;
        row.top.version = 1;
        row.top.instrument = instrument;
        row.top.flags = flag::maybe_bad_book;
        std::memcpy(out, &row, sizeof row);
        auto* levels = reinterpret_cast<double*>(static_cast<std::uint8_t*>(out) + sizeof row);
        std::fill(levels, levels + (header_->row_bytes - sizeof row) / sizeof(double), NO_VALUE);
    }

private:
    [[nodiscard]] const std::uint64_t* row_words(std::uint32_t instrument) const noexcept {
        return mapping_.as<const std::uint64_t>(header_->rows_offset + std::size_t{header_->row_bytes} * instrument);
    }

    bool read_words(std::uint32_t instrument, void* out, std::size_t words) const noexcept {
        if (instrument == 0 || instrument > header_->rows) return false;
        const auto* row = row_words(instrument);
        for (int attempt = 0; attempt < BOARD_READ_TRIES; ++attempt) {
            const auto before =
                load(row[0], std::memory_order_acquire);  // SYNC board.row: pairs with BoardWriter::write()
            if ((before & 1U) != 0) {
                cpu_relax();
                continue;
            }
            load_words(out, row, words);
            FH_POINT("board.copied");
            // SYNC board.row: payload before the version is looked at again; pairs with BoardWriter::write()
            std::atomic_thread_fence(std::memory_order_acquire);
            if (load(row[0], std::memory_order_relaxed) == before) return true;
        }
        return false;
    }

    // Who waited in vain for one row waits for no other: what a writer died in is one row.
    bool read_or_mark(std::uint32_t instrument, void* out, std::int64_t patience_ns, bool impatient) const noexcept {
        if (read(instrument, out)) return true;
        if (!impatient && read_patiently(instrument, out, patience_ns)) return true;
        mark_unreadable(instrument, out);
        return false;
    }

    // Every row that a change behind `since` wrote has that change's number, or a later one, in its second word:
    // the cursor that told of the change was read first. A row whose writer died in it may be named as well.
    BoardChanges scan(std::uint64_t since, std::uint64_t now, std::uint32_t* out) const noexcept {
        std::size_t count = 0;
        const auto last = highest();
        for (std::uint32_t id = 1; id <= last; ++id)
            if (load(row_words(id)[1], std::memory_order_relaxed) > since) out[count++] = id;
        return {count, now, true};
    }

    void next_turn() noexcept {
        if (++seen_turn_ != 0) return;
        std::fill(seen_.begin(), seen_.end(), 0);
        seen_turn_ = 1;
    }

    void open_parking() {
        if (wait_.hint != nullptr) return;  // the page is never replaced
        const std::string page = path_ + ".parking";
        if (const auto verdict = open_wait_page(page, wait_); !verdict.good()) raise(page, verdict);
    }

    std::string path_;
    File file_;
    File lock_;
    Mapping mapping_;
    WaitView wait_;  // without write permission parking is a timed wait of at most 50 us a turn
    const BoardHeader* header_ = nullptr;
    const std::uint32_t* log_ = nullptr;
    std::vector<std::uint32_t> seen_;  // by id: the turn in which it was last named
    std::uint32_t seen_turn_ = 0;
};

}  // namespace fh
