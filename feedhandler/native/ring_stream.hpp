// A ring as Python reads it: one call a batch, the GIL released once around its copy or its wait.
#pragma once

#include <string>
#include <utility>

#include "feedhandler/native/ring_arrays.hpp"
#include "shm/ring_follower.hpp"

namespace fh::python {

// Invariant: what is lost is raised (`raise_losses`) or returned, once, before any record that comes after it.
class RingStream {
public:
    RingStream(const std::string& dir, const std::string& ring, const RingFollowerOptions& options, bool raise_losses,
               nb::object buffer, nb::object batch_type)
        : ring_(dir, ring, options),
          follow_(options.follow),
          raise_losses_(raise_losses),
          own_(std::move(buffer), sizeof(Record)),
          type_(std::move(batch_type)),
          empty_(named_tuple(type_, own_.none(), 0, 0)) {
        if (follow_) ring_.attach();
    }

    nb::object read(nb::handle out, nb::handle max, nb::handle timeout) {
        const Turn turn(busy_);
        const auto timeout_ns = timeout_of(timeout);
        if (!out.is_none()) {
            const Array target = records_of(out);
            const std::span<Record> room{static_cast<Record*>(target.data()), at_most(max, target.size())};
            const RingBatch batch = take(room, timeout_ns);
            const auto count = batch.records.size();
            return told(batch, count == target.size() ? nb::borrow(out) : part_of(out, 0, count));
        }
        const RingBatch batch = take({static_cast<Record*>(own_.data()), at_most(max, own_.size())}, timeout_ns);
        if (batch.records.empty() && batch.lost == 0 && batch.filtered == 0) return empty_;
        return told(batch, own_.first(batch.records.size()));
    }

    nb::tuple view(std::size_t max) {
        const Turn turn(busy_);
        if (filtered_) throw nb::value_error("a view shows the ring as it is: read() filters");
        const RingReader& reader = ring_.reader();
        viewed_epoch_ = reader.epoch();
        viewed_next_ = reader.next();
        // An empty view sends the caller to read(), which tells what is lost, and goes on with the next epoch.
        viewed_count_ = 0;
        if (!ring_.loss_pending()) static_cast<void>(reader.view(max, viewed_count_));
        if (viewed_count_ == 0) return nb::make_tuple(viewed_next_, own_.none());
        if (mapped_epoch_ != viewed_epoch_) {
            mapped_ = mapped_bytes(reader, reader.slot(1), reader.capacity()).attr("view")(own_.dtype());
            mapped_epoch_ = viewed_epoch_;
        }
        const auto begin = static_cast<std::size_t>((viewed_next_ - 1) & (reader.capacity() - 1));
        const nb::object records = part_of(mapped_, begin, viewed_count_);
        return nb::make_tuple(viewed_next_, records);
    }
    // Of a ring that was left for its next epoch, nothing is known any more.
    [[nodiscard]] bool still_valid(std::uint64_t first) const {
        const RingReader& reader = ring_.reader();
        return reader.attached() && reader.epoch() == viewed_epoch_ && reader.still_valid(first);
    }
    void advance(std::size_t count) {
        const Turn turn(busy_);
        const RingReader& reader = ring_.reader();
        if (reader.epoch() != viewed_epoch_ || reader.next() != viewed_next_ || count > viewed_count_)
            throw nb::value_error("advance() goes over records of the last view(), before anything else is read");
        ring_.reader().advance(count);
        viewed_next_ += count;
        viewed_count_ -= count;
    }

    bool wait(std::int64_t timeout_ns, WaitPolicy policy) {
        const Turn turn(busy_);
        return wait_hearing_signals(timeout_ns, [this, policy](std::int64_t ns) {
            const nb::gil_scoped_release release;
            return ring_.reader().wait(policy, ns);
        });
    }

    // Whether the newest epoch is attached now; a writer that is dead or stands still does not matter for that.
    Attach attach() {
        const Turn turn(busy_);
        const auto state = ring_.attach();
        return state == Attach::writer_dead || state == Attach::stalled ? Attach::ok : state;
    }
    void open() {
        if (attach() != Attach::ok) ring_.reader().raise_problem();
    }

    void filter(RingFilter filter) {
        const Turn turn(busy_);
        filtered_ = !filter.everything();
        ring_.filter(std::move(filter));
    }

    bool follow() {
        const Turn turn(busy_);
        return ring_.follow();
    }
    int fd() {
        const Turn turn(busy_);
        return ring_.fd();
    }
    void seek(std::uint64_t next) {
        const Turn turn(busy_);
        ring_.reader().seek(next);
    }
    [[nodiscard]] const RingFollower& ring() const noexcept { return ring_; }

private:
    static bool has(const RingBatch& batch) noexcept { return !batch.records.empty() || batch.lost != 0; }

    // An empty poll keeps the GIL: giving it away and taking it back costs more than looking.
    RingBatch take(std::span<Record> out, std::int64_t timeout_ns) {
        RingBatch batch = poll(out);
        if (has(batch)) return batch;
        if (follow_) ring_.demand();
        if (timeout_ns == 0) return batch;
        std::uint64_t filtered = batch.filtered;
        wait_hearing_signals(timeout_ns, [&](std::int64_t ns) {
            {
                const nb::gil_scoped_release release;
                batch = ring_.next(out, ns);
            }
            filtered += batch.filtered;
            if (!has(batch) && follow_) ring_.demand();
            return has(batch);
        });
        batch.filtered = filtered;
        return batch;
    }
    RingBatch poll(std::span<Record> out) {
        if (!ring_.ready()) return ring_.poll(out);
        const nb::gil_scoped_release release;
        return ring_.poll(out);
    }

    nb::object told(const RingBatch& batch, const nb::object& records) {
        if (batch.lost != 0 && raise_losses_) {
            const nb::object name = nb::cast(ring_.reader().name());
            nb::dict each;
            each[name] = batch.lost;
            raise_lost(name, batch.lost, batch.epochs_gone, each);
        }
        return named_tuple(type_, records, batch.lost, batch.filtered);
    }

    RingFollower ring_;
    bool follow_;
    bool raise_losses_;
    bool filtered_ = false;
    bool busy_ = false;
    OwnArray own_;
    nb::object type_;
    nb::object empty_;
    nb::object mapped_;  // all records of an epoch: views are parts of it
    std::uint64_t mapped_epoch_ = 0;
    std::uint64_t viewed_epoch_ = 0;
    std::uint64_t viewed_next_ = 0;
    std::size_t viewed_count_ = 0;
};

}  // namespace fh::python
