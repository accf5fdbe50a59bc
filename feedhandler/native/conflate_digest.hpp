// Which topics a heartbeat names: each once an interval while it changes, and none later than that.
//
// An interval has SLICES slices, and a heartbeat goes out at the end of each with the topics that changed first an
// interval ago. One digest of thousands of topics at once would hold back every quote behind it by a millisecond.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "feedhandler/native/conflate_state.hpp"

namespace fh {

class Digest {
public:
    static constexpr std::size_t SLICES = 10;

    void add(Topic& topic) {
        if (topic.changed) return;
        topic.changed = true;
        changed_.push_back(&topic);
    }

    // Ends a slice: the topics to be named now, oldest first. Call named() when they are.
    [[nodiscard]] std::span<Topic* const> due() noexcept {
        std::size_t& oldest = ends_[slices_ % ends_.size()];
        due_ = oldest;
        oldest = changed_.size();
        ++slices_;
        return {changed_.data(), due_};
    }
    void named() noexcept {
        for (std::size_t i = 0; i < due_; ++i) changed_[i]->changed = false;
        changed_.erase(changed_.begin(), changed_.begin() + static_cast<std::ptrdiff_t>(due_));
        for (std::size_t& end : ends_) end -= std::min(end, due_);
    }

    // The last slice of an interval: a heartbeat goes out even with nothing to name.
    [[nodiscard]] bool interval_over() const noexcept { return slices_ % SLICES == 0; }

private:
    std::vector<Topic*> changed_;                 // by their first change
    std::array<std::size_t, SLICES - 1> ends_{};  // how much of changed_ there was at the end of each recent slice
    std::size_t slices_ = 0;
    std::size_t due_ = 0;
};

}  // namespace fh
