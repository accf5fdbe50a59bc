// Several rings as one timeline: by (ts_recv, ring, seq), up to the writers' watermarks, within a bound.
//
// A record is handed out when no ring can still bring one that belongs before it: each has a later record waiting, or
// its watermark has passed. One that has waited for `bound_ns` goes in any case. What then comes behind its place is
// handed out at once and counted in `late`. A ring that is not there or refused (denied, damaged, another version), or
// whose writer is dead and drained, holds nothing up.
//
// Invariant: of each ring, read + filtered + lost is what was published up to its position, less what waits here.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "shm/clock_reader.hpp"
#include "shm/ring_follower.hpp"
#include "shm/wait_any.hpp"

namespace fh {

struct MergedBatch {
    std::size_t count = 0;       // records handed out; `rings` says for each which ring it came from
    std::uint64_t lost = 0;      // of all rings, before they could be read
    std::uint64_t filtered = 0;  // of all rings
    std::uint64_t late = 0;      // of `count`: behind their place in the order

    [[nodiscard]] bool news() const noexcept { return count != 0 || lost != 0; }
};

class RingMerge {
public:
    static constexpr std::size_t RINGS_MAX = 64;

    // Touches no ring yet. Throws std::invalid_argument where there are no rings or more than RINGS_MAX.
    RingMerge(const std::string& dir, const std::vector<std::string>& rings, const RingFollowerOptions& options,
              std::int64_t bound_ns)
        : clock_(dir), bound_ns_(bound_ns) {
        if (rings.empty() || rings.size() > RINGS_MAX)
            throw std::invalid_argument("a merge takes 1 to " + std::to_string(RINGS_MAX) + " rings, got " +
                                        std::to_string(rings.size()));
        RingFollowerOptions own = options;
        own.max_records = 1;  // the buffers are here
        own.follow = true;
        for (const auto& ring : rings) inputs_.push_back(std::make_unique<Input>(dir, ring, own));
        pages_.reserve(rings.size());
    }

    // From the next poll() on; what waits already has passed the filter before.
    void filter(const RingFilter& filter) {
        for (auto& input : inputs_) input->ring.filter(filter);
    }

    // Never waits. Hands out what is due at monotonic `now_ns`, at most out.size() records; `rings` is as long as
    // `out`. A batch may end inside an event: look for LAST.
    MergedBatch poll(std::span<Record> out, std::span<std::uint16_t> rings, std::int64_t now_ns) {
        MergedBatch batch;
        look_at_clock(now_ns);
        for (auto& input : inputs_) refill(*input, batch);
        const auto cut = now_ns + offset_ - bound_ns_;
        while (batch.count < out.size()) {
            const auto first = earliest();
            if (first == inputs_.size() || !may_go(first, cut)) break;
            Input& input = *inputs_[first];
            if (input.epoch != input.ring.epoch()) {
                if (input.epoch != 0 && batch.count != 0) break;  // a batch has records of one epoch of each ring
                input.epoch = input.ring.epoch();
            }
            const Record& record = input.buffer[input.head++];
            const Place place{record.ts_recv, first};
            batch.late += place < last_;
            last_ = std::max(last_, place);
            rings[batch.count] = static_cast<std::uint16_t>(first);
            out[batch.count++] = record;
            ++input.records;
            if (input.waiting() == 0) refill(input, batch);
        }
        if (watch_ != nullptr && watch_->spent() && !batch.news() && batch.filtered == 0) arm();
        return batch;
    }

    // As poll(), but waits up to `timeout_ns` for records or losses.
    MergedBatch next(std::span<Record> out, std::span<std::uint16_t> rings, WaitPolicy policy,
                     std::int64_t timeout_ns) {
        const auto deadline = monotonic_ns() + std::max<std::int64_t>(timeout_ns, 0);
        std::uint64_t filtered = 0;
        for (;;) {
            const auto now = monotonic_ns();
            MergedBatch batch = poll(out, rings, now);
            batch.filtered = filtered += batch.filtered;
            if (batch.news() || now >= deadline) return batch;
            rest(policy, std::min(deadline, due_ns()) - now);
        }
    }

    // As RingFollower::fd(), for all of them.
    [[nodiscard]] int fd() {
        if (watch_ == nullptr) {
            watch_ = std::make_unique<RingWatch>();
            arm();
        }
        return watch_->fd();
    }

    [[nodiscard]] std::size_t rings() const noexcept { return inputs_.size(); }
    [[nodiscard]] const RingFollower& ring(std::size_t i) const { return inputs_.at(i)->ring; }
    [[nodiscard]] RingFollower& ring(std::size_t i) { return inputs_.at(i)->ring; }
    // Of one ring: handed out, and read from it but waiting for their place.
    [[nodiscard]] std::uint64_t records(std::size_t i) const { return inputs_.at(i)->records; }
    // Of the ring's records in the last batch that had any.
    [[nodiscard]] std::uint64_t epoch(std::size_t i) const { return inputs_.at(i)->epoch; }
    [[nodiscard]] std::size_t waiting(std::size_t i) const { return inputs_.at(i)->waiting(); }

private:
    static constexpr std::size_t BUFFER = 512;
    static constexpr std::int64_t LOOK_NS = 10'000'000;  // states, heartbeats and new rings are looked at this often
    static constexpr std::int64_t NEVER = INT64_MAX;

    // Where a record stands in the order of all; within a ring its seq goes on from there.
    struct Place {
        std::int64_t ts_recv = INT64_MIN;
        std::size_t ring = 0;
        auto operator<=>(const Place&) const = default;
    };

    struct Input {
        Input(const std::string& dir, const std::string& name, const RingFollowerOptions& options)
            : ring(dir, name, options), buffer(BUFFER) {}
        [[nodiscard]] std::size_t waiting() const noexcept { return tail - head; }

        RingFollower ring;
        std::vector<Record> buffer;
        std::size_t head = 0;
        std::size_t tail = 0;
        std::int64_t watermark = NEVER;  // where nothing waits: what comes was received at or after it
        std::uint64_t records = 0;
        std::uint64_t epoch = 0;
    };

    void look_at_clock(std::int64_t now_ns) {
        if (!clock_.attached() && now_ns < look_ns_) return;
        look_ns_ = now_ns + LOOK_NS;
        clock_.attach();
        offset_ = clock_.offset_ns();
    }

    // A ring of which nothing waits is read. Where that brings nothing, its watermark is what was known before the
    // read.
    void refill(Input& input, MergedBatch& batch) const {
        if (input.waiting() != 0) return;
        const auto watermark = input.ring.reader().watermark(offset_);
        const RingBatch got = input.ring.poll(input.buffer);
        input.head = 0;
        input.tail = got.records.size();
        batch.lost += got.lost;
        batch.filtered += got.filtered;
        const bool comes = got.state == Attach::ok || got.state == Attach::stalled;
        const bool more = got.lost != 0 || got.epoch_changed;  // what is left there may be older
        input.watermark = more ? INT64_MIN : comes ? watermark : NEVER;
    }

    [[nodiscard]] std::size_t earliest() const noexcept {
        std::size_t first = inputs_.size();
        Place best{NEVER, inputs_.size()};
        for (std::size_t i = 0; i < inputs_.size(); ++i) {
            if (inputs_[i]->waiting() == 0) continue;
            const Place place{inputs_[i]->buffer[inputs_[i]->head].ts_recv, i};
            if (place < best) best = place, first = i;
        }
        return first;
    }

    // Nothing can still come before it, or it has waited long enough.
    [[nodiscard]] bool may_go(std::size_t first, std::int64_t cut) const noexcept {
        const auto ts_recv = inputs_[first]->buffer[inputs_[first]->head].ts_recv;
        if (ts_recv <= cut) return true;
        for (std::size_t i = 0; i < inputs_.size(); ++i)
            if (inputs_[i]->waiting() == 0 && Place{inputs_[i]->watermark, i} < Place{ts_recv, first}) return false;
        return true;
    }

    // When the record that waits longest goes whatever the others do; monotonic.
    [[nodiscard]] std::int64_t due_ns() const noexcept {
        const auto first = earliest();
        if (first == inputs_.size()) return NEVER;
        return inputs_[first]->buffer[inputs_[first]->head].ts_recv - offset_ + bound_ns_;
    }

    // Only rings of which nothing waits can end a wait; a ring nobody wrote yet, or that waits for its writer, is
    // looked at by the clock.
    void rest(WaitPolicy policy, std::int64_t ns) {
        pages_.clear();
        std::size_t awaited = 0;
        for (const auto& input : inputs_) {
            if (input->waiting() != 0 || !input->ring.reader().attached()) continue;
            ++awaited;
            if (WaitPage* page = input->ring.reader().wait_page(); page != nullptr) pages_.push_back(page);
        }
        ns = std::min(ns, LOOK_NS);
        if (ns <= 0) return;
        if (awaited == 0) return sleep_ns(ns);
        if (pages_.size() < awaited) pages_.clear();
        const auto ready = [this] {
            return std::any_of(inputs_.begin(), inputs_.end(), [](const auto& input) {
                const RingReader& reader = input->ring.reader();
                return input->waiting() == 0 && reader.next() <= reader.published();
            });
        };
        wait_any(pages_, policy, ready, ns);
    }

    void arm() {
        std::vector<RingPlace> places;
        bool look_again = false;
        for (const auto& input : inputs_) {
            look_again |= !input->ring.reader().attached() || input->ring.reader().newer_epoch();
            if (input->waiting() != 0 || !input->ring.reader().attached()) continue;
            places.push_back(input->ring.reader().place());
            places.back().epoch = UINT64_MAX;  // restarts are found by the clock
        }
        const auto due = due_ns();
        look_again |= due == NEVER;
        watch_->arm(std::move(places), look_again ? std::min(due, monotonic_ns() + LOOK_NS) : due);
    }

    ClockReader clock_;
    std::int64_t bound_ns_;
    std::int64_t offset_ = 0;
    std::int64_t look_ns_ = INT64_MIN;
    std::vector<std::unique_ptr<Input>> inputs_;
    std::vector<WaitPage*> pages_;
    std::unique_ptr<RingWatch> watch_;
    Place last_;
};

}  // namespace fh
