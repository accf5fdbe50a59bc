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
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "shm/ring_reader.hpp"

namespace fh {

struct RingFollowerOptions {
    bool from_oldest = false;        // begin with the oldest event still held; else with the next one published
    std::size_t max_records = 4096;  // of one batch; a longer event comes in parts
    WaitPolicy wait = WaitPolicy::adaptive;
    std::int64_t stall_ns = 2'000'000'000;  // a heartbeat older than this is STALLED
};

// What one turn gave. `lost` records lie before `records`.
struct RingBatch {
    std::span<const Record> records;  // the follower's own buffer: valid until its next call
    std::uint64_t lost = 0;
    std::uint64_t epoch = 0;  // of the records; 0 before the first attach
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

    // Never waits. In steady state a copy and two loads; no allocation.
    [[nodiscard]] RingBatch poll() {
        RingBatch batch;
        if (reader_.attached()) read(batch);
        if (batch.records.empty() && batch.lost == 0) {
            look();
            if (arrived_) read(batch);
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
        return batch;
    }

    // As poll(), but waits up to `timeout_ns` for news.
    [[nodiscard]] RingBatch next(std::int64_t timeout_ns) {
        const auto deadline = monotonic_ns() + std::max<std::int64_t>(timeout_ns, 0);
        for (;;) {
            const RingBatch batch = poll();
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
        return reader_.attached() && reader_.newer_epoch() ? NAP_NS : LOOK_NS;
    }

    [[nodiscard]] Attach state() const noexcept { return state_; }
    [[nodiscard]] std::uint64_t epoch() const noexcept { return reader_.epoch(); }
    [[nodiscard]] std::uint64_t records() const noexcept { return records_; }
    // Records overwritten before they were read. An epoch that is gone as a whole counts 1: nobody here knows more.
    [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }
    [[nodiscard]] std::uint64_t laps() const noexcept { return laps_; }
    [[nodiscard]] std::uint64_t restarts() const noexcept { return restarts_; }
    [[nodiscard]] const RingReader& reader() const noexcept { return reader_; }

private:
    static constexpr std::int64_t LOOK_NS = 10'000'000;  // while idle the state is looked at this often
    static constexpr std::int64_t NAP_NS = 200'000;

    void read(RingBatch& batch) noexcept {
        if (skipped_ != 0) {
            batch.lost = std::exchange(skipped_, 0);
            return;
        }
        const ReadResult result = reader_.read(buffer_.data(), buffer_.size());
        batch.records = {buffer_.data(), result.count};
        batch.lost = result.lost;
        laps_ += result.lost != 0;
    }

    // Nothing to read: is the writer alive, is there a ring, an epoch to follow to? System calls, so not at every turn.
    void look() {
        const auto now = monotonic_ns();
        if (now - looked_ns_ < LOOK_NS && !(reader_.attached() && reader_.newer_epoch())) return;
        looked_ns_ = now;
        if (!reader_.attached()) {
            arrive();
            return;
        }
        state_ = reader_.state(now, options_.stall_ns);
        // The writer is dead, so the cursor stands: what it published last is read before anything else.
        if (state_ == Attach::writer_dead && reader_.next() > reader_.published()) follow();
    }

    // A ring that came after us is read from its first record.
    void arrive() {
        const Attach attach = reader_.attach(0, options_.from_oldest || waited_);
        if (attach == Attach::ok) {
            if (waited_) skipped_ += reader_.next() - 1;
            state_ = reader_.state(monotonic_ns(), options_.stall_ns);
            arrived_ = true;
        } else {
            waited_ = true;
            state_ = attach;
        }
    }

    // The next epoch that can be read. What lies between it and ours is lost; so is what it has overwritten already.
    void follow() {
        const auto old = reader_.epoch();
        Attach refused = Attach::ok;
        for (const auto epoch : ring_epochs(reader_.dir(), reader_.name())) {
            if (epoch <= old) continue;
            const Attach attach = reader_.attach(epoch, true);
            if (attach == Attach::ok) {
                skipped_ += reader_.next() - 1 + (reader_.previous_epoch() != old ? 1 : 0);
                state_ = reader_.state(monotonic_ns(), options_.stall_ns);
                ++restarts_;
                arrived_ = true;
                return;
            }
            if (refused == Attach::ok) refused = attach;
        }
        if (refused != Attach::ok) state_ = refused;
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
    std::vector<Record> buffer_;
    Attach state_ = Attach::missing;
    Attach told_ = Attach::missing;
    bool told_any_ = false;
    bool waited_ = false;
    bool arrived_ = false;
    std::int64_t looked_ns_ = INT64_MIN / 2;
    std::uint64_t skipped_ = 0;
    std::uint64_t records_ = 0;
    std::uint64_t lost_ = 0;
    std::uint64_t laps_ = 0;
    std::uint64_t restarts_ = 0;
};

}  // namespace fh
