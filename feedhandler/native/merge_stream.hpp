// Several rings as one timeline, as Python reads them: one call a batch, the GIL released once around it.
#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "feedhandler/native/ring_arrays.hpp"
#include "shm/ring_merge.hpp"

namespace fh::python {

// Invariant: what is lost is raised (`raise_losses`) or returned, once. Records that came with a loss that was raised
// are kept for the next read.
class MergeStream {
public:
    MergeStream(const std::string& dir, std::vector<std::string> rings, const RingFollowerOptions& options,
                std::int64_t bound_ns, bool raise_losses, nb::object buffer, nb::object indices, nb::object batch_type)
        : merge_(dir, rings, options, bound_ns),
          names_(std::move(rings)),
          policy_(options.wait),
          raise_losses_(raise_losses),
          own_(std::move(buffer), sizeof(Record)),
          rings_(std::move(indices), sizeof(std::uint16_t)),
          type_(std::move(batch_type)),
          empty_(named_tuple(type_, own_.none(), rings_.none(), 0, 0, 0)),
          told_(names_.size()) {
        if (rings_.size() != own_.size()) throw nb::value_error("expected as many ring numbers as records");
        for (std::size_t i = 0; i < merge_.rings(); ++i) merge_.ring(i).attach();
    }

    nb::object read(nb::handle out, nb::handle max, nb::handle timeout) {
        const Turn turn(busy_);
        const auto timeout_ns = timeout_of(timeout);
        if (!out.is_none()) {
            const Array target = records_of(out);
            const auto room = std::min(target.size(), own_.size());
            const std::span<Record> records{static_cast<Record*>(target.data()), at_most(max, room)};
            const MergedBatch batch = take(records, timeout_ns);
            return told(batch, batch.count == target.size() ? nb::borrow(out) : part_of(out, 0, batch.count));
        }
        const auto batch = take({static_cast<Record*>(own_.data()), at_most(max, own_.size())}, timeout_ns);
        if (!batch.news() && batch.filtered == 0) return empty_;
        return told(batch, own_.first(batch.count));
    }

    void filter(const RingFilter& filter) {
        const Turn turn(busy_);
        merge_.filter(filter);
    }

    int fd() {
        const Turn turn(busy_);
        return merge_.fd();
    }
    // Adds up a count of all rings: `ring.*count()`.
    [[nodiscard]] std::uint64_t sum(std::uint64_t (RingFollower::*count)() const noexcept) const {
        std::uint64_t total = 0;
        for (std::size_t i = 0; i < merge_.rings(); ++i) total += (merge_.ring(i).*count)();
        return total;
    }
    [[nodiscard]] const std::vector<std::string>& names() const noexcept { return names_; }
    [[nodiscard]] std::vector<std::uint64_t> epochs() const {
        std::vector<std::uint64_t> found;
        for (std::size_t i = 0; i < merge_.rings(); ++i) found.push_back(merge_.epoch(i));
        return found;
    }
    [[nodiscard]] std::vector<Attach> states() const {
        std::vector<Attach> found;
        for (std::size_t i = 0; i < merge_.rings(); ++i) found.push_back(merge_.ring(i).state());
        return found;
    }
    // Read from the rings, waiting for their place.
    [[nodiscard]] std::size_t waiting() const {
        std::size_t total = kept_.size() - kept_at_;
        for (std::size_t i = 0; i < merge_.rings(); ++i) total += merge_.waiting(i);
        return total;
    }

private:
    [[nodiscard]] std::span<std::uint16_t> indices(std::size_t count) const {
        return {static_cast<std::uint16_t*>(rings_.data()), count};
    }

    MergedBatch take(std::span<Record> out, std::int64_t timeout_ns) {
        if (kept_at_ < kept_.size()) return take_kept(out);
        demand();
        MergedBatch batch;
        {
            const nb::gil_scoped_release release;
            batch = merge_.poll(out, indices(out.size()), monotonic_ns());
        }
        if (batch.news() || timeout_ns == 0) return keep(batch, out);
        std::uint64_t filtered = batch.filtered;
        wait_hearing_signals(timeout_ns, [&](std::int64_t ns) {
            {
                const nb::gil_scoped_release release;
                batch = merge_.next(out, indices(out.size()), policy_, ns);
            }
            filtered += batch.filtered;
            if (!batch.news()) demand();
            return batch.news();
        });
        batch.filtered = filtered;
        return keep(batch, out);
    }

    // A ring that no waiting will mend is not passed over in silence.
    void demand() const {
        for (std::size_t i = 0; i < merge_.rings(); ++i) merge_.ring(i).demand();
    }

    MergedBatch keep(MergedBatch batch, std::span<Record> out) {
        if (batch.lost == 0 || !raise_losses_ || batch.count == 0) return batch;
        kept_.assign(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(batch.count));
        const auto numbers = indices(batch.count);
        kept_rings_.assign(numbers.begin(), numbers.end());
        kept_late_ = batch.late;
        kept_at_ = 0;
        batch.count = 0;
        return batch;
    }
    MergedBatch take_kept(std::span<Record> out) {
        MergedBatch batch;
        batch.count = std::min(out.size(), kept_.size() - kept_at_);
        batch.late = std::exchange(kept_late_, 0);
        std::memcpy(out.data(), kept_.data() + kept_at_, batch.count * sizeof(Record));
        std::memcpy(rings_.data(), kept_rings_.data() + kept_at_, batch.count * sizeof(std::uint16_t));
        kept_at_ += batch.count;
        return batch;
    }

    nb::object told(const MergedBatch& batch, const nb::object& records) {
        if (batch.lost != 0 && raise_losses_) raise_losses(batch.lost);
        return named_tuple(type_, records, rings_.first(batch.count), batch.lost, batch.filtered, batch.late);
    }
    [[noreturn]] void raise_losses(std::uint64_t lost) {
        nb::dict each;
        std::string name;
        bool epochs_gone = false;
        for (std::size_t i = 0; i < merge_.rings(); ++i) {
            const RingFollower& ring = merge_.ring(i);
            const auto now = ring.lost();
            if (now == told_[i].lost) continue;
            each[names_[i].c_str()] = now - told_[i].lost;
            name += (name.empty() ? "" : ", ") + names_[i];
            epochs_gone |= ring.epochs_gone() != told_[i].epochs_gone;
            told_[i] = {now, ring.epochs_gone()};
        }
        raise_lost(nb::cast(name), lost, epochs_gone, each);
    }

    struct Told {
        std::uint64_t lost = 0;
        std::uint64_t epochs_gone = 0;
    };

    RingMerge merge_;
    std::vector<std::string> names_;
    WaitPolicy policy_;
    bool raise_losses_;
    bool busy_ = false;
    OwnArray own_;
    OwnArray rings_;
    nb::object type_;
    nb::object empty_;
    std::vector<Told> told_;
    std::vector<Record> kept_;
    std::vector<std::uint16_t> kept_rings_;
    std::uint64_t kept_late_ = 0;
    std::size_t kept_at_ = 0;
};

}  // namespace fh::python
