// Waiting for several followers at once: for an engine that reads the board and some rings in one thread.
//
//     fh::WaitList news;
//     news.add(board);
//     for (auto& ring : rings) news.add(ring);
//     while (running) {
//         news.wait(fh::WaitPolicy::adaptive, 100'000'000);
//         ... board.poll() ... ring.poll() ...        // all of them, each time
//     }
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "shm/board_follower.hpp"
#include "shm/ring_follower.hpp"
#include "shm/wait_any.hpp"

namespace fh {

// One thread, that of the followers, which must outlive it and stay where they are.
class WaitList {
public:
    void add(RingFollower& ring) {
        rings_.push_back(&ring);
        reserve();
    }
    void add(BoardFollower& board) {
        boards_.push_back(&board);
        reserve();
    }

    // True as soon as any has something to read. False after `timeout_ns`, or before: some 10 ms later at the latest
    // they want to be polled, to look after their writers. Allocates nothing.
    bool wait(WaitPolicy policy, std::int64_t timeout_ns) noexcept {
        pages_.clear();
        bool all_pages = true;
        const auto each = [&](const auto& follower) {
            timeout_ns = std::min(timeout_ns, follower.patience_ns());
            if (!follower.attached()) return;
            if (WaitPage* page = follower.wait_page(); page != nullptr)
                pages_.push_back(page);
            else
                all_pages = false;
        };
        for (const auto* board : boards_) each(*board);
        for (const auto* ring : rings_) each(*ring);
        if (!all_pages) pages_.clear();  // nobody can wake us for one of them: look instead of sleeping
        return wait_any(pages_, policy, [this] { return ready(); }, timeout_ns);
    }

    [[nodiscard]] bool ready() const noexcept {
        const auto is_ready = [](const auto* follower) { return follower->ready(); };
        return std::any_of(boards_.begin(), boards_.end(), is_ready) ||
               std::any_of(rings_.begin(), rings_.end(), is_ready);
    }

private:
    void reserve() { pages_.reserve(rings_.size() + boards_.size()); }

    std::vector<RingFollower*> rings_;
    std::vector<BoardFollower*> boards_;
    std::vector<WaitPage*> pages_;
};

}  // namespace fh
