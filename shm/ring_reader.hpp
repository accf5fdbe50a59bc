// A reader of a ring. It maps the records read-only and never writes them; it may write the wait
// page, where its permissions allow, to park.
//
// Invariant: next_ is the seq of the first record not yet handed out. It starts an event, but for a
// reader that was handed an event longer than its buffer in parts.
#pragma once

#include <algorithm>
#include <memory>
#include <string>

#include "shm/ring_check.hpp"
#include "shm/ring_place.hpp"
#include "shm/wait.hpp"
#include "shm/wait_page.hpp"

namespace fh {

enum class Attach : std::uint8_t {
    ok = 0,
    missing = 1,
    starting = 2,
    version_mismatch = 3,
    writer_dead = 4,
    stalled = 5,
    denied = 6,
    damaged = 7
};

struct ReadResult {
    std::size_t count = 0;       // records copied
    std::uint64_t lost = 0;      // records that were overwritten before they could be read
    std::uint64_t filtered = 0;  // records passed over (ring_filter.hpp)
};

class RingReader {
public:
    RingReader(std::string dir, std::string name) : dir_(std::move(dir)), name_(std::move(name)) {}

    // Maps the given epoch, or the newest for 0. `from_oldest` starts at the oldest event still held,
    // else at the next to be published. Returns missing, starting, version_mismatch, denied, damaged or ok; where it
    // is not ok, what was attached before stays, and problem() says more.
    Attach attach(std::uint64_t epoch = 0, bool from_oldest = false) {
        problem_ = try_attach(epoch, from_oldest);
        switch (problem_.fault) {
            case Fault::none:
                return Attach::ok;
            case Fault::missing:
                return starting_ ? Attach::starting : Attach::missing;
            case Fault::denied:
                return Attach::denied;
            case Fault::version:
                return Attach::version_mismatch;
            case Fault::damaged:
                return Attach::damaged;
            case Fault::other:
                break;
        }
        raise(problem_path_, problem_);  // the system is out of something: no state of the ring
    }
    // As attach(), with an exception of shm/errors.hpp for all that is not ok.
    void open(std::uint64_t epoch = 0, bool from_oldest = false) {
        if (attach(epoch, from_oldest) != Attach::ok) raise_problem();
    }
    // After an attach() that was not ok: the exception that open() throws.
    [[noreturn]] void raise_problem() const { raise(problem_path_, problem_); }
    // Why the last attach() was not ok, in one line; empty where it was.
    [[nodiscard]] std::string problem() const {
        return problem_.good() ? std::string() : problem_path_ + ": " + problem_.why;
    }

    // The last attach() was refused for a reason that waiting does not mend.
    [[nodiscard]] bool refused() const noexcept { return !problem_.good() && problem_.fault != Fault::missing; }
    // Goes on with the next epoch that can be read, from its oldest event; one that cannot is passed over, as one that
    // is gone. False where there is none: what is attached stays.
    bool attach_following() {
        for (const auto epoch : ring_epochs(dir_, name_))
            if (epoch > epoch_ && attach(epoch, true) == Attach::ok) return true;
        return false;
    }

    [[nodiscard]] bool attached() const noexcept { return mapping_ != nullptr; }
    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
    [[nodiscard]] std::uint64_t next() const noexcept { return next_; }
    [[nodiscard]] std::uint64_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] std::uint64_t previous_epoch() const noexcept { return header_->previous_epoch; }
    [[nodiscard]] std::uint64_t previous_last() const noexcept { return header_->previous_last; }
    [[nodiscard]] std::uint32_t writer_pid() const noexcept { return header_->writer_pid; }
    [[nodiscard]] std::uint64_t published() const noexcept { return available(); }

    // Goes on with the record of this seq (a position taken from next(), so the start of an event).
    void seek(std::uint64_t next) noexcept { next_ = next == 0 ? 1 : next; }

    // Copies whole events of at most `max` records into `out` (an event longer than `max` is copied
    // in part and goes on with the next call). After a lap it resumes half a ring back, at an event's start.
    ReadResult read(Record* out, std::size_t max) noexcept {
        const auto published = available();
        if (next_ > published) return {};
        std::size_t count = static_cast<std::size_t>(published - next_ + 1);
        if (count > max) count = max;
        for (std::size_t i = 0; i < count; ++i) load_words(&out[i], slot(next_ + i), RECORD_WORDS);
        FH_POINT("read.copied");
        if (!still_valid(next_)) return {0, lapped()};
        if (count == max && next_ + count <= published) count = whole_events(out, count);
        next_ += count;
        return {count, 0};
    }

    // Where a record lies, or lay: copy its words relaxed, then ask still_valid().
    [[nodiscard]] const Record* slot(std::uint64_t seq) const noexcept {
        return records_ + ((seq - 1) & (capacity_ - 1));
    }

    // Borrowed: the contiguous run of records from next(). Outside the memory-model guarantee; check
    // still_valid(first) after use, then advance(). Copies nothing.
    [[nodiscard]] const Record* view(std::size_t max, std::size_t& count) const noexcept {
        const auto published = available();
        count = 0;
        if (next_ > published) return nullptr;
        const std::uint64_t offset = (next_ - 1) & (capacity_ - 1);
        count = static_cast<std::size_t>(
            std::min({published - next_ + 1, capacity_ - offset, static_cast<std::uint64_t>(max)}));
        return records_ + offset;
    }
    void advance(std::size_t count) noexcept { next_ += count; }

    // Nothing from `first` on has been overwritten up to now.
    [[nodiscard]] bool still_valid(std::uint64_t first) const noexcept {
        std::atomic_thread_fence(
            std::memory_order_acquire);  // SYNC ring.claim: payload before claimed; pairs with RingWriter::claim()
        const auto claimed = load(header_->claimed, std::memory_order_relaxed);
        return claimed < first + capacity_;
    }

    // Counts what is gone and moves to an event's start half a ring back. Returns the records lost.
    std::uint64_t lapped() noexcept {
        const auto before = next_;
        seek_half_back();
        return next_ - before;
    }

    // True where there is something to read, or a newer epoch.
    bool wait(WaitPolicy policy, std::int64_t timeout_ns) noexcept {
        if (!attached()) {
            sleep_ns(std::max<std::int64_t>(timeout_ns, 0));
            return false;
        }
        const auto ready = [this] {
            // A record is in another core's cache than the cursor that shows it: a spinning reader asks for both at
            // once, else it would wait for one after the other.
            __builtin_prefetch(slot(next_));
            return next_ <= available() || newer_epoch();
        };
        return wait_until(wait_.page, policy, ready, timeout_ns);
    }

    // Where to park for this ring (wait_any.hpp); null where this process may not write it.
    [[nodiscard]] WaitPage* wait_page() const noexcept { return wait_.page; }

    // A newer epoch has been published. A hint for speed: the directory is the truth.
    [[nodiscard]] bool newer_epoch() const noexcept {
        return wait_.hint != nullptr && load(wait_.hint->epoch_hint, std::memory_order_acquire) >
                                            epoch_;  // SYNC ring.epoch: pairs with RingWriter::create_epoch()
    }
    [[nodiscard]] RingPlace place() const { return {mapping_, wait_, header_, next_, epoch_}; }
    // Keeps the records of the attached epoch mapped, for those who hold a view().
    [[nodiscard]] std::shared_ptr<const Mapping> mapping() const noexcept { return mapping_; }

    // Call it before a read that finds nothing left: what this ring publishes after that was received (ts_recv) at or
    // after this time. Its writer says so with every heartbeat, its last record by its own time.
    [[nodiscard]] std::int64_t watermark(std::int64_t clock_offset_ns) const noexcept {
        const auto beat = load(header_->heartbeat_ns,
                               std::memory_order_acquire);  // SYNC ring.beat: pairs with RingWriter::heartbeat()
        const auto last = available();
        const auto received = last == 0 || !attached() ? INT64_MIN : received_at(last);
        return std::max(beat + clock_offset_ns, received);
    }

    // Alive is the lock, progressing is the heartbeat.
    [[nodiscard]] Attach state(std::int64_t monotonic_now_ns, std::int64_t stall_ns) const noexcept {
        if (!attached()) return Attach::missing;
        if (!locked_by_other(file_)) return Attach::writer_dead;
        const auto beat = load(header_->heartbeat_ns, std::memory_order_relaxed);
        return monotonic_now_ns - beat > stall_ns ? Attach::stalled : Attach::ok;
    }

    // The epoch after the attached one, if it exists (0 if not).
    [[nodiscard]] std::uint64_t following_epoch() const {
        for (const auto epoch : ring_epochs(dir_, name_))
            if (epoch > epoch_) return epoch;
        return 0;
    }

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] const std::string& dir() const noexcept { return dir_; }

private:
    [[nodiscard]] std::uint64_t available() const noexcept {
        return load(header_->published,
                    std::memory_order_acquire);  // SYNC ring.publish: pairs with RingWriter::publish()
    }
    [[nodiscard]] std::int64_t received_at(std::uint64_t seq) const noexcept {
        const auto* words = reinterpret_cast<const std::uint64_t*>(slot(seq));
        return static_cast<std::int64_t>(load(words[offsetof(Record, ts_recv) / 8], std::memory_order_relaxed));
    }
    static std::size_t whole_events(const Record* out, std::size_t count) noexcept {
        for (std::size_t n = count; n > 0; --n)
            if ((out[n - 1].flags & flag::last) != 0) return n;
        return count;
    }

    // next_ becomes an event's start half a ring back: never behind where it stood, and never in what the
    // writer claims. Where it claims all that is published (a batch of a ring's size, or a writer that died
    // in it), next_ is the next record to be published. Ends: only a writer that laps it again makes it retry.
    void seek_half_back() noexcept {
        for (;;) {
            const auto published = available();
            const auto claimed = load(header_->claimed, std::memory_order_relaxed);
            const std::uint64_t half = published > capacity_ / 2 ? published - capacity_ / 2 : 1;
            const std::uint64_t oldest = claimed > capacity_ ? claimed - capacity_ + 1 : 1;
            const std::uint64_t from = std::max({half, oldest, next_});
            next_ = event_start_behind(from, published);
            FH_POINT("read.sought");
            if (from > published || still_valid(from)) return;
        }
    }

    // The first record after the first LAST in [from, published]; published + 1 where there is none.
    [[nodiscard]] std::uint64_t event_start_behind(std::uint64_t from, std::uint64_t published) const noexcept {
        for (std::uint64_t seq = from; seq <= published; ++seq) {
            Record record;
            load_words(&record, slot(seq), RECORD_WORDS);
            if ((record.flags & flag::last) != 0) return seq + 1;
        }
        return std::max(next_, published + 1);
    }

    Verdict try_attach(std::uint64_t epoch, bool from_oldest) {
        starting_ = false;
        if (epoch == 0) {
            problem_path_ = dir_ + "/" + name_;
            std::error_code error;
            const auto epochs = ring_epochs(dir_, name_, error);
            if (epochs.empty()) {
                starting_ = ring_starting(dir_, name_);
                if (error) return refusal(error.value());
                return {Fault::missing, starting_ ? "its writer is making it" : "there is no such ring", ENOENT, 0};
            }
            epoch = epochs.back();
        }
        problem_path_ = ring_path(dir_, name_, epoch);
        File file;
        RingHeader found;
        if (auto verdict = open_ring(dir_, name_, epoch, file, found); !verdict.good()) return verdict;
        auto mapping = std::make_shared<const Mapping>(file, file.size(), false);
        const auto* header = mapping->as<const RingHeader>();
        // SYNC ring.ready: pairs with RingWriter::create_epoch()
        if (load(header->version, std::memory_order_acquire) != found.version) return damaged("it changed its version");
        if (auto verdict = check_cursors(*header); !verdict.good()) return verdict;
        WaitView wait;
        if (auto verdict = open_wait_page(dir_ + "/" + name_ + ".wait", wait); !verdict.good()) {
            problem_path_ = dir_ + "/" + name_ + ".wait";
            return verdict;
        }
        file_ = std::move(file);
        mapping_ = std::move(mapping);
        wait_ = std::move(wait);
        header_ = header;
        records_ = mapping_->as<const Record>(RECORDS_OFFSET);
        capacity_ = found.capacity;
        epoch_ = epoch;
        start(from_oldest);
        return {};
    }

    void start(bool from_oldest) noexcept {
        const auto published = available();
        next_ = from_oldest ? 1 : published + 1;
        if (from_oldest && published > capacity_ / 2) seek_half_back();
    }

    static inline const RingHeader NOTHING{};  // what an unattached reader looks at: nothing is published

    std::string dir_;
    std::string name_;
    Verdict problem_;
    std::string problem_path_;
    bool starting_ = false;
    File file_;
    std::shared_ptr<const Mapping> mapping_;
    WaitView wait_;
    const RingHeader* header_ = &NOTHING;
    const Record* records_ = nullptr;
    std::uint64_t capacity_ = 0;
    std::uint64_t epoch_ = 0;
    std::uint64_t next_ = 1;
};

}  // namespace fh
