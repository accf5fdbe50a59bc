// Where the venue takes its next event from: a script held whole, or a model that is kept a bounded way ahead.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "feedhandler/native/sim_model.hpp"
#include "feedhandler/native/sim_script.hpp"

namespace fh::sim {

class Feed {
public:
    // A slice costs some 30 us to make: short enough to fit between two wakes. 256 slices are 16,384 events ahead.
    static constexpr std::size_t SLICE_EVENTS = 64;
    static constexpr std::size_t SLICES = 256;

    explicit Feed(Batch script) : slices_(1) {
        slices_[0] = std::move(script);
        filled_ = 1;
    }
    explicit Feed(std::unique_ptr<Model> model) : model_(std::move(model)), slices_(SLICES) {}

    // The next event, or nullptr at the end of a script. Borrowed until pop().
    const Event* peek() {
        if (taken_ == filled_ && !prepare()) return nullptr;
        const Batch& slice = current();
        return at_ < slice.events.size() ? &slice.events[at_] : nullptr;
    }
    const Entry* entries(const Event& event) const noexcept { return current().entries.data() + event.first; }

    void pop() noexcept {
        ++at_;
        if (at_ == current().events.size() && model_) {
            ++taken_;
            at_ = 0;
        }
    }

    // Makes one slice ahead; false when there is nothing to make or no room.
    bool prepare() {
        if (!model_ || filled_ - taken_ == SLICES) return false;
        Batch& slice = slices_[filled_ % SLICES];
        slice.clear();
        model_->append(slice, SLICE_EVENTS);
        ++filled_;
        return true;
    }

private:
    const Batch& current() const noexcept { return slices_[taken_ % slices_.size()]; }

    std::unique_ptr<Model> model_;
    std::vector<Batch> slices_;
    std::uint64_t filled_ = 0;
    std::uint64_t taken_ = 0;
    std::size_t at_ = 0;
};

}  // namespace fh::sim
