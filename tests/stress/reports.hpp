// What writer and readers of a stressed ring say of themselves, outside the ring: the judge's evidence.
// Words are stored in program order, so that a file left by SIGKILL says what was done up to there.
#pragma once

#include "shm/atomics.hpp"
#include "shm/layout.hpp"

namespace stress {

template <class Word>
inline void put(Word& word, Word value) noexcept {
    fh::store(word, value, std::memory_order_release);
}
template <class Word>
inline Word get(const Word& word) noexcept {
    return fh::load(word, std::memory_order_acquire);
}

// Before a publication `intent` is raised to its cursor, behind it `done`. Where a killed writer leaves them apart,
// only the ring can know which it was, and it may be one of these two only.
struct WriterReport {
    std::uint64_t epoch;
    std::uint64_t first;  // cursor at the epoch's beginning
    std::uint64_t intent;
    std::uint64_t note_intent;
    std::uint64_t done;
    std::uint64_t note_done;
    std::uint64_t events;
    std::uint64_t refused;
    std::uint64_t batches;   // begun and ended, each: odd inside one
    std::uint64_t unstaged;  // 1 where note_intent has no records of its own: it counts as soon as it is written
    std::uint64_t finished;
};

// X(name, allowed, meaning): what a reader can come upon, and what it never may.
#define STRESS_OUTCOMES(X)                                                                                     \
    X(batch_read, 1, "records were there: whole, dense, in order")                                             \
    X(nothing_new, 1, "all that is published was read")                                                        \
    X(part_of_an_event, 1, "an event longer than the buffer, or cut by a borrowed view, to be continued")      \
    X(skip_read, 1, "an event longer than a quarter of the ring stands as one SKIP")                           \
    X(lapped, 1, "the writer was a ring ahead; the loss is a number; on at an event's start")                  \
    X(view_used, 1, "borrowed records were whole until the end of their use")                                  \
    X(view_overtaken, 1, "borrowed records were overwritten meanwhile, and still_valid() said so")             \
    X(wait_ended, 1, "a wait ended because there is something")                                                \
    X(wait_timed_out, 1, "a wait ended by its timeout")                                                        \
    X(followed, 1, "the old epoch is drained to its very last record; on with the next one")                   \
    X(epoch_gone, 1, "an epoch came and went unread: the next one's header shows the hole")                    \
    X(place_gone, 1, "a killed reader's epoch was unlinked before its successor came: its tail is forced out") \
    X(resumed, 1, "a killed reader's successor goes on at its position")                                       \
    X(torn, 0, "a record that no writer wrote: words of two records, or a checksum that does not fit")         \
    X(misordered, 0, "a seq or an event that is not the next one")                                             \
    X(half_event, 0, "an event without its beginning or its end")                                              \
    X(resumed_inside_event, 0, "behind a lap, the first record is not an event's first")                       \
    X(miscounted, 0, "the position moved by another number than read and lost")                                \
    X(went_back, 0, "the position moved backwards")                                                            \
    X(left_undrained, 0, "followed, but the next header's previous_last is another than what was drained")     \
    X(attach_refused, 0, "a published epoch's file could not be attached")

enum class Outcome : std::size_t {
#define STRESS_ENUM(name, allowed, meaning) name,
    STRESS_OUTCOMES(STRESS_ENUM)
#undef STRESS_ENUM
        count_
};
inline constexpr std::size_t OUTCOMES = static_cast<std::size_t>(Outcome::count_);

// A reader's account of one epoch. `skipped`: overwritten before it attached. skipped + read + lost = next - 1,
// over all lives of a reader that was killed and resumed. `open`: records read of an event whose LAST is still to come.
struct Account {
    std::uint64_t epoch;
    std::uint64_t skipped;
    std::uint64_t read;
    std::uint64_t lost;
    std::uint64_t laps;
    std::uint64_t next;
    std::uint64_t event;
    std::uint64_t open;
    std::uint64_t length;
    std::uint64_t exact;  // 1: the next event is the one behind `event`; 0: any later one (behind a lap)
};

// Two copies in turn: the one that `turn` names is whole, whenever its writer dies.
struct AccountRow {
    std::uint64_t turn;
    Account copies[2];
};

enum class Doing : std::uint64_t { starting = 0, reading = 1, waiting = 2 };

struct ReaderReport {
    static constexpr std::size_t ROWS = 4096;  // epochs of one life
    std::uint64_t rows;
    std::uint64_t doing;
    std::uint64_t counts[32];
    AccountRow row[ROWS];

    [[nodiscard]] Account last() const noexcept {
        const auto n = get(rows);
        if (n == 0) return {};
        const AccountRow& newest = row[n - 1];
        return newest.copies[get(newest.turn) & 1U];
    }
};
static_assert(OUTCOMES <= 32);

}  // namespace stress
