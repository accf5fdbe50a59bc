// The single writer of a ring. It never waits for a reader.
//
// Invariants: published <= event start <= staged; everything in (published, staged] is an unfinished
// batch; `published` only ever moves to just past a record flagged LAST. `claimed` is at least the last
// seq whose slot was touched, and at most CLAIM_AHEAD - 1 beyond it: what a reader must give up for it.
#pragma once

#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>

#include "shm/draft.hpp"
#include "shm/ring_check.hpp"
#include "shm/wait.hpp"
#include "shm/wait_page.hpp"
#include "shm/writer_lock.hpp"

namespace fh {

class RingWriter {
public:
    // Creates a new epoch. Throws SegmentBusy naming the pid of a living writer, SegmentSpace or SegmentDenied where
    // memory or files are refused.
    RingWriter(const std::string& dir, const std::string& state_dir, const std::string& name, std::uint64_t capacity,
               std::size_t keep_epochs = 3, const Placement& placement = {})
        : dir_(dir), name_(name), capacity_(capacity), mask_(capacity - 1) {
        if (capacity < RING_CAPACITY_MIN || capacity > RING_CAPACITY_MAX || (capacity & mask_) != 0)
            throw std::invalid_argument("ring capacity must be a power of two of at least 64, got " +
                                        std::to_string(capacity));
        if (name.empty() || name.size() >= CACHE_LINE || name.find_first_of("./") != std::string::npos)
            throw std::invalid_argument("ring name must have 1 to 63 characters without '.' and '/', got '" + name +
                                        "'");
        std::filesystem::create_directories(dir);
        std::filesystem::create_directories(state_dir);
        lock_ = WriterLock(dir + "/" + name, "ring '" + name + "'", placement);
        FH_POINT("epoch.locked");
        const auto epochs = ring_epochs(dir, name);
        read_previous(epochs);
        wait_mapping_ = make_wait_page(dir + "/" + name + ".wait", placement);
        wait_ = wait_mapping_.as<WaitPage>();
        create_epoch(next_epoch(state_dir, name, epochs.empty() ? 0 : epochs.back()), placement);
        for (std::size_t i = 0; i + keep_epochs < epochs.size(); ++i) {
            ::unlink(ring_path(dir, name, epochs[i]).c_str());
            ++forced_out_;
            FH_POINT("epoch.unlinked");
        }
    }

    // Stages one record of the current event; seq is given here. The caller's record is copied. What exceeds
    // the longest event allowed is counted only: storing it would claim slots that readers still need.
    [[gnu::always_inline]] void append(const Record& staged) noexcept {
        const std::uint64_t seq = ++staged_;
        if (seq > free_) [[unlikely]] {
            if (seq - event_start_ > capacity_ / 4) return;
            claim(seq);
        }
        store_record(slot(seq), staged, seq);
        FH_POINT("ring.appended");
    }

    // Ends the event: its last record gets LAST. An event longer than a quarter of the ring is
    // replaced by one SKIP record (instrument, source and times of the event's first record), so that
    // readers never wait for what cannot be shown whole.
    // Returns the number of records in the event, 0 where it was refused or empty.
    std::uint64_t end_event() noexcept {
        const std::uint64_t count = staged_ - event_start_;
        if (count == 0) return 0;
        if (count > capacity_ / 4) {
            Record skip;
            load_words(&skip, slot(event_start_ + 1), RECORD_WORDS);
            skip.kind = Kind::skip;
            skip.price = NO_VALUE;
            skip.size = static_cast<double>(count);
            skip.ref = event_start_ + 1;
            skip.side = Side::none;
            skip.action = Action::none;
            skip.level = 0;
            skip.flags = flag::last | flag::gap;
            staged_ = event_start_;
            append(skip);
            event_start_ = staged_;
            free_ = 0;
            ++refused_;
            return 0;
        }
        Record* last = slot(staged_);
        auto* word = reinterpret_cast<std::uint64_t*>(last) + 7;  // the word that holds action, flags, level, delay
        std::uint64_t bits = load(*word, std::memory_order_relaxed);
        bits |= static_cast<std::uint64_t>(flag::last) << 8;
        store(*word, bits, std::memory_order_relaxed);
        FH_POINT("ring.ended");
        event_start_ = staged_;
        free_ = std::min(claimed_, event_start_ + capacity_ / 4);
        return count;
    }

    // Forgets the records staged since the last end_event().
    void drop_event() noexcept { staged_ = event_start_; }

    // Records staged in the current event.
    [[nodiscard]] std::uint64_t event_size() const noexcept { return staged_ - event_start_; }
    // Finished events wait to be published.
    [[nodiscard]] bool pending() const noexcept { return event_start_ != published_; }

    // Remembers what a session had consumed once everything staged is published.
    void note(std::size_t session, std::uint64_t value) noexcept {
        auto& turn = note_turn_[session];
        // The note that counts now stays: one that is not published yet is replaced where it stands.
        if (header_->notes[session][turn ^ 1U].cursor > published_) turn ^= 1U;
        Note& note = header_->notes[session][turn];
        turn ^= 1U;
        // A writer killed between these stores leaves value 0: the other slot, the note before, then counts.
        store(note.value, std::uint64_t{0}, std::memory_order_relaxed);
        FH_POINT("note.cleared");
        store(
            note.cursor, event_start_,
            std::memory_order_release);  // SYNC ring.note: no value while the cursor moves; pairs with read_previous()
        FH_POINT("note.placed");
        store(note.value, value, std::memory_order_release);  // SYNC ring.note: cursor before value
        FH_POINT("note.written");
    }

    // Makes every finished event visible, stamping each record's delay against now_ns, and wakes
    // parked readers.
    void publish(std::int64_t now_ns) noexcept {
        if (!pending()) return;
        for (std::uint64_t seq = published_ + 1; seq <= event_start_; ++seq) stamp_delay(slot(seq), now_ns);
        published_ = event_start_;
        FH_POINT("ring.stamped");
        store(
            header_->published, published_,
            std::memory_order_release);  // SYNC ring.publish: payload before cursor; pairs with RingReader::available()
        FH_POINT("ring.published");
        wake_parked(*wait_);
    }

    // With nothing staged: what is published after it must have been received after it (RingReader::watermark).
    void heartbeat(std::int64_t monotonic_now_ns) noexcept {
        store(header_->heartbeat_ns, monotonic_now_ns,
              std::memory_order_release);  // SYNC ring.beat: what was published before; pairs with watermark()
    }

    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
    [[nodiscard]] std::uint64_t published() const noexcept { return published_; }
    [[nodiscard]] std::uint64_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] std::uint64_t previous_epoch() const noexcept { return previous_epoch_; }
    [[nodiscard]] std::uint64_t previous_last() const noexcept { return previous_last_; }
    [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }
    [[nodiscard]] std::uint64_t forced_out() const noexcept { return forced_out_; }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    // What the previous epoch's ring held of a session when its writer ended; 0 = nothing known.
    [[nodiscard]] std::uint64_t previous_note(std::size_t session) const noexcept { return previous_notes_[session]; }

private:
    [[nodiscard]] Record* slot(std::uint64_t seq) const noexcept { return records_ + ((seq - 1) & mask_); }

    void claim(std::uint64_t seq) noexcept {
        if (seq > claimed_) {
            claimed_ = seq + CLAIM_AHEAD - 1;
            store(header_->claimed, claimed_, std::memory_order_relaxed);
            std::atomic_thread_fence(
                std::memory_order_release);  // SYNC ring.claim: claimed before payload; pairs with RingReader::read()
            FH_POINT("ring.claimed");
        }
        free_ = std::min(claimed_, event_start_ + capacity_ / 4);
    }

    static void stamp_delay(Record* record, std::int64_t now_ns) noexcept {
        auto* words = reinterpret_cast<std::uint64_t*>(record);
        const auto ts_recv = static_cast<std::int64_t>(load(words[2], std::memory_order_relaxed));
        const std::int64_t delay = std::clamp<std::int64_t>(now_ns - ts_recv, 0, UINT32_MAX);
        std::uint64_t bits = load(words[7], std::memory_order_relaxed);
        bits = (bits & 0xffffffffU) | (static_cast<std::uint64_t>(delay) << 32);
        store(words[7], bits, std::memory_order_relaxed);
    }

    // Plain reads: the writer that stored them has ended, and the lock it held is ours. SYNC ring.note
    // Where the file is none of ours, or of another version, nothing is known of the epoch before.
    void read_previous(const std::vector<std::uint64_t>& epochs) {
        if (epochs.empty()) return;
        File file;
        RingHeader header;
        if (!open_ring(dir_, name_, epochs.back(), file, header).good() || !check_cursors(header).good()) return;
        previous_epoch_ = header.epoch;
        previous_last_ = header.published;
        for (std::size_t session = 0; session < NOTE_SESSIONS; ++session) {
            const Note* best = nullptr;
            for (const Note& note : header.notes[session])
                if (note.value != 0 && note.cursor <= previous_last_ &&
                    (best == nullptr || note.cursor > best->cursor ||
                     (note.cursor == best->cursor && note.value > best->value)))
                    best = &note;
            previous_notes_[session] = best != nullptr ? best->value : 0;
        }
    }

    void create_epoch(std::uint64_t epoch, const Placement& placement) {
        epoch_ = epoch;
        Draft draft(dir_ + "/" + name_ + ".starting", ring_path(dir_, name_, epoch_), placement);
        FH_POINT("epoch.created");
        mapping_ = draft.map(ring_bytes(capacity_));
        if (!try_lock(draft.file())) fail_segment(ring_path(dir_, name_, epoch_), "locking it");
        FH_POINT("epoch.allocated");
        header_ = mapping_.as<RingHeader>();
        records_ = mapping_.as<Record>(RECORDS_OFFSET);
        header_->magic = RING_MAGIC;
        header_->record_bytes = sizeof(Record);
        header_->capacity = capacity_;
        header_->claimed = header_->published = FH_FIRST_CURSOR;
        header_->epoch = epoch_;
        header_->previous_epoch = previous_epoch_;
        header_->previous_last = previous_last_;
        header_->created_ns = realtime_ns();
        header_->writer_pid = static_cast<std::uint32_t>(::getpid());
        header_->records_offset = RECORDS_OFFSET;
        std::memcpy(header_->name, name_.c_str(), name_.size() + 1);
        // What the previous epoch told of a session holds until the session notes something here.
        for (std::size_t session = 0; session < NOTE_SESSIONS; ++session) {
            if (previous_notes_[session] == 0) continue;
            header_->notes[session][0] = {FH_FIRST_CURSOR, previous_notes_[session]};
            note_turn_[session] = 1;
        }
        heartbeat(monotonic_ns());
        store(header_->version, LAYOUT_VERSION,
              std::memory_order_release);  // SYNC ring.ready: header before version; pairs with RingReader::attach()
        FH_POINT("epoch.ready");
        draft.publish();
        file_ = draft.take();
        FH_POINT("epoch.renamed");
        store(wait_->epoch_hint, epoch_,
              std::memory_order_release);  // SYNC ring.epoch: file before hint; pairs with RingReader::newer_epoch()
        FH_POINT("epoch.hinted");
        store(wait_->wake, load(wait_->wake, std::memory_order_relaxed) + 1,
              std::memory_order_release);  // SYNC ring.wake: hint before wake; pairs with park()
        futex_wake_all(wait_->wake);
        FH_POINT("epoch.woken");
    }

    static constexpr std::uint64_t CLAIM_AHEAD = 32;  // claims are made in runs: one fence for many records

    std::string dir_;
    std::string name_;
    std::uint64_t capacity_;
    std::uint64_t mask_;
    WriterLock lock_;
    File file_;
    Mapping mapping_;
    Mapping wait_mapping_;
    WaitPage* wait_ = nullptr;
    RingHeader* header_ = nullptr;
    Record* records_ = nullptr;
    std::uint64_t epoch_ = 0;
    std::uint64_t staged_ = FH_FIRST_CURSOR;
    std::uint64_t claimed_ = FH_FIRST_CURSOR;
    std::uint64_t free_ = 0;  // up to here append() need not look: claimed, and within the longest event allowed
    std::uint64_t published_ = FH_FIRST_CURSOR;
    std::uint64_t event_start_ = FH_FIRST_CURSOR;
    std::uint64_t previous_epoch_ = 0;
    std::uint64_t previous_last_ = 0;
    std::uint64_t refused_ = 0;
    std::uint64_t forced_out_ = 0;
    std::uint64_t previous_notes_[NOTE_SESSIONS] = {};
    unsigned note_turn_[NOTE_SESSIONS] = {};
};

}  // namespace fh
