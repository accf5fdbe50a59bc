// Counters in shared memory: one enum, one file a process, one writer a cell.
// A cell is written by one thread only, so an increment is a relaxed load and store, not a locked one.
#pragma once

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>

#include "shm/atomics.hpp"
#include "shm/draft.hpp"
#include "shm/layout.hpp"
#include "shm/segment.hpp"

namespace fh {

// X(name): at most 31 characters; append to the end of a block.
#define FH_COUNTERS(X)                 \
    /* fix: one slot a session */      \
    X(fix_reads)                       \
    X(fix_bytes)                       \
    X(fix_messages)                    \
    X(fix_market_data)                 \
    X(fix_ticks)                       \
    X(fix_events)                      \
    X(fix_garbled)                     \
    X(fix_bad_length)                  \
    X(fix_bad_checksum)                \
    X(fix_oversize)                    \
    X(fix_duplicates)                  \
    X(fix_too_high_dropped)            \
    X(fix_gaps)                        \
    X(fix_recovered)                   \
    X(fix_unknown_symbol)              \
    X(fix_unknown_type)                \
    X(fix_bad_number)                  \
    X(fix_bad_group)                   \
    X(fix_bad_time)                    \
    X(fix_rounded)                     \
    X(fix_unknown_id)                  \
    X(fix_quarantined)                 \
    X(fix_quarantine_dropped)          \
    X(fix_rejected_subscriptions)      \
    X(fix_connects)                    \
    X(fix_disconnects)                 \
    X(fix_unknown_intervals)           \
    X(fix_resnapshots)                 \
    X(fix_event_refused)               \
    X(fix_admin)                       \
    X(fix_snapshots)                   \
    X(fix_bad_begin)                   \
    X(fix_bad_type)                    \
    X(fix_skipped_bytes)               \
    X(fix_unknown_action)              \
    X(fix_no_side)                     \
    X(fix_no_price)                    \
    X(fix_no_size)                     \
    X(fix_no_entry_id)                 \
    X(fix_empty_group)                 \
    X(fix_bad_field)                   \
    X(fix_repeated_field)              \
    X(fix_entry_table_full)            \
    X(fix_damaged)                     \
    X(fix_sequence_gap)                \
    X(fix_old_update)                  \
    X(fix_no_position)                 \
    X(fix_bad_check)                   \
    X(fix_event_cut)                   \
    /* conflator: slot = ring index */ \
    X(conflate_records)                \
    X(conflate_ticks)                  \
    X(conflate_batches)                \
    X(conflate_lapped)                 \
    X(conflate_laps)                   \
    X(conflate_crossed)                \
    X(conflate_unknown_delete)         \
    X(conflate_bad_level)              \
    X(conflate_suspect)                \
    X(conflate_bad_trade)              \
    X(conflate_no_row)                 \
    X(conflate_checkpoints)            \
    X(conflate_resumed_books)          \
    X(conflate_resnapshots)            \
    X(publish_bbo)                     \
    X(publish_book)                    \
    X(publish_trade)                   \
    X(publish_tick_batches)            \
    X(publish_ticks)                   \
    X(publish_state)                   \
    X(publish_messages)                \
    X(publish_bytes)                   \
    X(publish_conflated)               \
    X(publish_dropped)                 \
    X(snapshot_requests)               \
    X(snapshot_bad_requests)           \
    /* bridge */                       \
    X(bridge_updates_in)               \
    X(bridge_updates_out)              \
    X(bridge_frames_out)               \
    X(bridge_bytes_out)                \
    X(bridge_conflated)                \
    X(bridge_clients)                  \
    X(bridge_clients_total)            \
    X(bridge_errors)                   \
    X(bridge_slow_closed)              \
    X(bridge_trades_dropped)           \
    X(bridge_gaps)                     \
    X(bridge_resyncs)                  \
    X(bridge_refused)                  \
    /* record: slot = ring index */    \
    X(record_records)                  \
    X(record_ticks)                    \
    X(record_lost)                     \
    X(record_blocks)                   \
    X(record_bytes)                    \
    X(record_fsyncs)                   \
    X(record_errors)                   \
    X(record_epochs)                   \
    X(record_torn)                     \
    X(parquet_rows)                    \
    X(parquet_files)                   \
    X(parquet_commits)                 \
    X(parquet_errors)                  \
    X(parquet_lag_records)             \
    /* process */                      \
    X(loop_cycles)                     \
    X(loop_max_ns)                     \
    X(control_requests)                \
    X(control_errors)                  \
    X(clock_steps)

enum class Counter : std::uint16_t {
#define FH_COUNTER_ENUM(name) name,
    FH_COUNTERS(FH_COUNTER_ENUM)
#undef FH_COUNTER_ENUM
        count_
};

inline constexpr const char* COUNTER_NAMES[] = {
#define FH_COUNTER_NAME(name) #name,
    FH_COUNTERS(FH_COUNTER_NAME)
#undef FH_COUNTER_NAME
};
inline constexpr std::size_t COUNTER_COUNT = static_cast<std::size_t>(Counter::count_);
static_assert(sizeof(COUNTER_NAMES) / sizeof(COUNTER_NAMES[0]) == COUNTER_COUNT);
inline constexpr std::size_t COUNTER_SLOTS = 64;

inline constexpr std::uint32_t COUNTERS_VERSION = 2;
inline constexpr SegmentKind COUNTERS_KIND{"a counters file", COUNT_MAGIC, COUNTERS_VERSION,
                                           "restart its process, which makes a new one"};

struct CountersHeader {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t counters;
    std::uint32_t slots;
    std::uint32_t pid;
    std::int64_t created_ns;
    char process[32];
};
static_assert(sizeof(CountersHeader) == 64);

// The file names its counters, so that a reader of another release finds those that it knows.
struct CounterName {
    char text[32];
};
static_assert(std::all_of(std::begin(COUNTER_NAMES), std::end(COUNTER_NAMES),
                          [](const char* name) { return std::string_view(name).size() < sizeof(CounterName); }));
inline constexpr std::uint32_t COUNTERS_MAX = 4096;

// Where the cells begin in a file of so many counters, and how long it is.
inline constexpr std::size_t counter_cells(std::size_t counters) noexcept {
    return (sizeof(CountersHeader) + counters * sizeof(CounterName) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}
inline constexpr std::size_t counters_bytes(std::size_t counters) noexcept {
    return counter_cells(counters) + counters * COUNTER_SLOTS * sizeof(std::uint64_t);
}

// Opens a counters file and checks all of it.
inline Verdict open_counters(const std::string& path, File& file, CountersHeader& header) {
    if (auto verdict = open_segment(path, file); !verdict.good()) return verdict;
    if (auto verdict = read_header(file, header, COUNTERS_KIND); !verdict.good()) return verdict;
    if (header.counters == 0 || header.counters > COUNTERS_MAX || header.slots != COUNTER_SLOTS)
        return damaged("its header says " + std::to_string(header.counters) + " counters of " +
                       std::to_string(header.slots) + " slots");
    return check_length(file, counters_bytes(header.counters));
}

// `<dir>/<process>.counters`. A restarted process goes on counting from zero in a fresh file, which
// replaces the old one by rename: a reader sees the old process's cells or the new one's, never a mix.
class Counters {
public:
    Counters() = default;
    Counters(const std::string& dir, const std::string& process, std::int64_t now_ns, const Placement& placement = {}) {
        const std::string path = dir + "/" + process + ".counters";
        Draft draft(path + ".new", path, placement);
        FH_POINT("counters.created");
        mapping_ = draft.map(counters_bytes(COUNTER_COUNT));
        auto* header = mapping_.as<CountersHeader>();
        header->version = COUNTERS_KIND.version;
        header->counters = COUNTER_COUNT;
        header->slots = COUNTER_SLOTS;
        header->pid = static_cast<std::uint32_t>(::getpid());
        header->created_ns = now_ns;
        std::strncpy(header->process, process.c_str(), sizeof header->process - 1);
        header->magic = COUNT_MAGIC;
        auto* names = mapping_.as<CounterName>(sizeof(CountersHeader));
        for (std::size_t i = 0; i < COUNTER_COUNT; ++i) std::strcpy(names[i].text, COUNTER_NAMES[i]);
        cells_ = mapping_.as<std::uint64_t>(counter_cells(COUNTER_COUNT));
        FH_POINT("counters.ready");
        draft.publish();
        FH_POINT("counters.renamed");
    }

    void add(Counter counter, std::size_t slot, std::uint64_t n) noexcept {
        auto& word = cell(counter, slot);
        store(word, load(word, std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    void set(Counter counter, std::size_t slot, std::uint64_t value) noexcept {
        store(cell(counter, slot), value, std::memory_order_relaxed);
    }
    void raise(Counter counter, std::size_t slot, std::uint64_t value) noexcept {
        if (value > get(counter, slot)) set(counter, slot, value);
    }
    [[nodiscard]] std::uint64_t get(Counter counter, std::size_t slot) const noexcept {
        return load(cell(counter, slot), std::memory_order_relaxed);
    }

private:
    [[nodiscard]] std::uint64_t& cell(Counter counter, std::size_t slot) const noexcept {
        return cells_[static_cast<std::size_t>(counter) * COUNTER_SLOTS + (slot & (COUNTER_SLOTS - 1))];
    }

    Mapping mapping_;
    std::uint64_t* cells_ = nullptr;
};

}  // namespace fh
