// A reader that stays: it waits for its ring, reads it in order, follows the writer's restarts and says what happened.
// One object, one loop, one thread. Engines need no more of a ring than this:
//
//     fh::RingFollower ring("/dev/shm/feedhandler-demo", "handler1");
//     while (running) {
//         const fh::RingBatch batch = ring.next(100'000'000);
//         if (batch.lost != 0) ...          // books built from this ring are wrong until a snapshot
//         if (batch.state_changed) ...      // batch.state: OK, STALLED, WRITER_DEAD, ...
//         for (const fh::Record& record : batch.records) ...
//     }
//
// Invariant: every record published since this reader came is handed out once and in order, or counted in `lost`.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "shm/ring_filter.hpp"
#include "shm/ring_reader.hpp"
#include "shm/ring_watch.hpp"

namespace fh {

struct RingFollowerOptions {
    bool from_oldest = false;        // begin with the oldest event still held; else with the next one published
    std::size_t max_records = 4096;  // of one batch; a longer event comes in parts
    WaitPolicy wait = WaitPolicy::adaptive;
    std::int64_t stall_ns = 2'000'000'000;  // a heartbeat older than this is STALLED
    bool follow = true;                     // to the next epoch by itself; else follow() does
};

// What one turn gave. `lost` records lie before `records`; those `filtered` lie before and between them.
struct RingBatch {
    std::span<const Record> records;  // the follower's own buffer: valid until its next call
    std::uint64_t lost = 0;
    std::uint64_t filtered = 0;  // passed over for the filter's sake
    bool epochs_gone = false;    // whole epochs are gone: `lost` is the least that it can have been
    std::uint64_t epoch = 0;     // of the records; 0 before the first attach
    Attach state = Attach::missing;
    bool state_changed = false;  // since the batch before; true in the first
    bool epoch_changed = false;  // another epoch begins: the first one, or the writer's restart was followed

    // Whether there is anything to act on.
    [[nodiscard]] bool news() const noexcept { return !records.empty() || lost != 0 || state_changed || epoch_changed; }
};

class RingFollower {
public:
    // Touches no file yet. Throws std::system_error from the calls below only where memory cannot be mapped.
    RingFollower(std::string dir, std::string ring, RingFollowerOptions options = {})
        : options_(options),
          reader_(std::move(dir), std::move(ring)),
          buffer_(std::max<std::size_t>(1, options.max_records)) {}

    // From the next poll() on. An event's last record that passes has LAST. A filter without demands wants everything.
    void filter(RingFilter filter) { filter_ = std::move(filter); }

    // Never waits. In steady state a copy and two loads; no allocation.
    [[nodiscard]] RingBatch poll() { return poll(buffer_); }
    // The same into the caller's memory.
    [[nodiscard]] RingBatch poll(std::span<Record> out) {
        RingBatch batch;
        read(batch, out);
        if (nothing(batch)) {
            look();
            if (arrived_) read(batch, out);
            if (watch_ != nullptr && watch_->spent() && nothing(batch)) arm();
        } else if (state_ != Attach::ok) {
            state_ = reader_.state(monotonic_ns(), options_.stall_ns);
        }
        batch.epoch = reader_.epoch();
        batch.state = state_;
        batch.state_changed = !std::exchange(told_any_, true) || told_ != state_;
        told_ = state_;
        batch.epoch_changed = std::exchange(arrived_, false);
        records_ += batch.records.size();
        lost_ += batch.lost;
        filtered_ += batch.filtered;
        return batch;
    }

    // As poll(), but waits up to `timeout_ns` for news.
    [[nodiscard]] RingBatch next(std::int64_t timeout_ns) { return next(buffer_, timeout_ns); }
    [[nodiscard]] RingBatch next(std::span<Record> out, std::int64_t timeout_ns) {
        const auto deadline = monotonic_ns() + std::max<std::int64_t>(timeout_ns, 0);
        std::uint64_t filtered = 0;
        for (;;) {
            RingBatch batch = poll(out);
            batch.filtered = filtered += batch.filtered;
            const auto left = deadline - monotonic_ns();
            if (batch.news() || left <= 0) return batch;
            rest(std::min(left, LOOK_NS));
        }
    }

    // For those who wait for several followers at once (wait_list.hpp): whether there is something to read, where to
    // park for it, and how long it may be left alone.
    [[nodiscard]] bool ready() const noexcept { return reader_.attached() && reader_.next() <= reader_.published(); }
    [[nodiscard]] bool attached() const noexcept { return reader_.attached(); }
    [[nodiscard]] WaitPage* wait_page() const noexcept { return reader_.wait_page(); }
    [[nodiscard]] std::int64_t patience_ns() const noexcept {
        return options_.follow && reader_.newer_epoch() ? NAP_NS : LOOK_NS;
    }

    // Maps the newest epoch, now and each time it is called. poll() does so by itself where nothing is mapped.
    Attach attach() {
        if (reader_.attached()) waited_ = false;
        arrive();
        return state_;
    }

    // Goes on with the next epoch where this one's writer is dead and nothing of it is left to read. True if it moved.
    bool follow() {
        if (!reader_.attached()) return false;
        state_ = reader_.state(monotonic_ns(), options_.stall_ns);
        // The writer is dead, so the cursor stands: what it published last is read before anything else.
        return state_ == Attach::writer_dead && reader_.next() > reader_.published() && move_on();
    }

    // A descriptor that is readable while there is something to poll: poll until nothing comes, then wait for it. The
    // first call starts a thread that waits in this reader's place. Throws std::system_error where it cannot.
    [[nodiscard]] int fd() {
        if (watch_ == nullptr) {
            watch_ = std::make_unique<RingWatch>();
            arm();
        }
        return watch_->fd();
    }

    [[nodiscard]] Attach state() const noexcept { return state_; }
    [[nodiscard]] std::uint64_t epoch() const noexcept { return reader_.epoch(); }
    [[nodiscard]] std::uint64_t records() const noexcept { return records_; }
    // Records overwritten before they were read. An epoch that is gone as a whole counts 1: nobody here knows more.
    [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }
    // How often epochs were found gone as a whole: one or more between the old epoch and the one that was followed.
    [[nodiscard]] std::uint64_t epochs_gone() const noexcept { return epochs_gone_; }
    // A loss that the next poll() reports: what a followed epoch no longer held.
    [[nodiscard]] bool loss_pending() const noexcept { return skipped_ != 0; }
    // Throws the SegmentError (shm/errors.hpp) of a ring that this follower can neither attach nor follow to, and that
    // waiting does not mend: DENIED, VERSION_MISMATCH, DAMAGED. Else does nothing.
    void demand() const {
        if (state_ == Attach::denied || state_ == Attach::version_mismatch || state_ == Attach::damaged)
            reader_.raise_problem();
    }
    [[nodiscard]] std::uint64_t filtered() const noexcept { return filtered_; }
    [[nodiscard]] std::uint64_t laps() const noexcept { return laps_; }
    [[nodiscard]] std::uint64_t restarts() const noexcept { return restarts_; }
    [[nodiscard]] const RingReader& reader() const noexcept { return reader_; }
    [[nodiscard]] RingReader& reader() noexcept { return reader_; }

private:
    static constexpr std::int64_t LOOK_NS = 10'000'000;  // while idle the state is looked at this often
    static constexpr std::int64_t NAP_NS = 200'000;

    static bool nothing(const RingBatch& batch) noexcept {
        return batch.records.empty() && batch.lost == 0 && batch.filtered == 0;
    }

    void read(RingBatch& batch, std::span<Record> out) noexcept {
        if (skipped_ != 0) {
            batch.lost = std::exchange(skipped_, 0);
            batch.epochs_gone = std::exchange(gone_, false);
            return;
        }
        const ReadResult result = read_filtered(reader_, filter_, out.data(), out.size());
        batch.records = out.first(result.count);
        batch.lost = result.lost;
        batch.filtered = result.filtered;
        laps_ += result.lost != 0;
    }

    // Nothing to read: is the writer alive, is there a ring, an epoch to follow to? System calls, so not at every turn.
    void look() {
        const auto now = monotonic_ns();
        const bool restarted = options_.follow && reader_.newer_epoch();
        if (now - looked_ns_ < (restarted ? NAP_NS : LOOK_NS)) return;
        looked_ns_ = now;
        if (!reader_.attached())
            arrive();
        else if (options_.follow)
            follow();
        else
            state_ = reader_.state(now, options_.stall_ns);
    }

    // A ring that came after us is read from its first record.
    void arrive() {
        const Attach attach = reader_.attach(0, options_.from_oldest || waited_);
        if (attach == Attach::ok) {
            if (waited_) skipped_ += reader_.next() - 1;
            state_ = reader_.state(monotonic_ns(), options_.stall_ns);
            arrived();
        } else {
            waited_ = true;
            state_ = attach;
        }
    }

    void arrived() {
        arrived_ = true;
        if (watch_ != nullptr) arm();
    }

    // The next epoch that can be read. What lies between it and ours is lost; so is what it has overwritten already.
    bool move_on() {
        const auto old = reader_.epoch();
        Attach refused = Attach::ok;
        for (const auto epoch : ring_epochs(reader_.dir(), reader_.name())) {
            if (epoch <= old) continue;
            const Attach attach = reader_.attach(epoch, true);
            if (attach == Attach::ok) {
                const bool gap = reader_.previous_epoch() != old;
                skipped_ += reader_.next() - 1 + (gap ? 1 : 0);
                gone_ |= gap;
                epochs_gone_ += gap ? 1 : 0;
                state_ = reader_.state(monotonic_ns(), options_.stall_ns);
                ++restarts_;
                arrived();
                return true;
            }
            if (refused == Attach::ok) refused = attach;
        }
        if (refused != Attach::ok) state_ = refused;
        return false;
    }

    // A hint ends the watch once. Where it leads nowhere yet, and where there is no ring yet, time does.
    void arm() {
        std::vector<RingPlace> rings;
        bool look_again = !reader_.attached();
        if (!look_again) {
            rings.push_back(reader_.place());
            RingPlace& place = rings.back();
            place.epoch = std::max(place.epoch, hint_);
            look_again = options_.follow && hint_ > reader_.epoch();
            if (place.wait.hint != nullptr) hint_ = place.hint();
        }
        watch_->arm(std::move(rings), look_again ? monotonic_ns() + LOOK_NS : 0);
    }

    void rest(std::int64_t ns) noexcept {
        // A hint that leads nowhere yet (the epoch before is not at its end for us) must not become a spin.
        if (!reader_.attached() || reader_.newer_epoch())
            sleep_ns(std::min(ns, patience_ns()));
        else
            reader_.wait(options_.wait, ns);
    }

    RingFollowerOptions options_;
    RingReader reader_;
    RingFilter filter_;
    std::unique_ptr<RingWatch> watch_;
    std::vector<Record> buffer_;
    Attach state_ = Attach::missing;
    Attach told_ = Attach::missing;
    bool told_any_ = false;
    bool waited_ = false;
    bool arrived_ = false;
    std::int64_t looked_ns_ = INT64_MIN / 2;
    std::uint64_t hint_ = 0;
    std::uint64_t skipped_ = 0;
    bool gone_ = false;
    std::uint64_t epochs_gone_ = 0;
    std::uint64_t records_ = 0;
    std::uint64_t lost_ = 0;
    std::uint64_t filtered_ = 0;
    std::uint64_t laps_ = 0;
    std::uint64_t restarts_ = 0;
};

}  // namespace fh
