// When each event is meant to be sent, and how far behind that we were. All times here are CLOCK_MONOTONIC.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <stdexcept>

#include "feedhandler/native/sim_script.hpp"

namespace fh::sim {

enum class FlowState : std::uint8_t { waiting, running, paused, done };

struct Lateness {
    static constexpr std::size_t BUCKETS = 32;  // bucket i counts lateness below 2^i us (and not below 2^(i-1))

    std::int64_t max_ns = 0;
    std::int64_t sum_ns = 0;
    std::uint64_t events = 0;
    std::uint64_t buckets[BUCKETS] = {};

    void add(std::int64_t late_ns) noexcept {
        late_ns = std::max<std::int64_t>(late_ns, 0);
        max_ns = std::max(max_ns, late_ns);
        sum_ns += late_ns;
        ++events;
        const auto us = static_cast<std::uint64_t>(late_ns / 1000);
        ++buckets[std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(us)), BUCKETS - 1)];
    }
};

class Flow {
public:
    static constexpr std::int64_t NEVER = std::numeric_limits<std::int64_t>::max();

    Lateness lateness;

    // speed 0 = flat out. limit_ns 0 = no limit. wake_ns: due messages are gathered for this long.
    void configure(double speed, std::int64_t limit_ns, std::int64_t wake_ns) {
        if (!(speed >= 0.0) || speed > 1e9) throw std::invalid_argument("speed must be 0 (flat) to 1e9");
        if (limit_ns < 0 || wake_ns < 0) throw std::invalid_argument("times must not be negative");
        speed_ = speed;
        limit_ns_ = limit_ns;
        wake_ns_ = wake_ns;
    }

    FlowState state() const noexcept { return state_; }
    bool running() const noexcept { return state_ == FlowState::running; }
    bool flat() const noexcept { return speed_ == 0.0; }

    void start(std::int64_t now) noexcept {
        if (state_ != FlowState::waiting) return;
        state_ = FlowState::running;
        start_ns_ = now;
    }
    void pause(std::int64_t now) noexcept {
        if (state_ != FlowState::running) return;
        state_ = FlowState::paused;
        paused_ns_ = now;
    }
    // The only thing that moves the schedule: by as long as the pause was.
    void resume(std::int64_t now) noexcept {
        if (state_ != FlowState::paused) return;
        state_ = FlowState::running;
        start_ns_ += now - paused_ns_;
    }
    void finish(std::int64_t now) noexcept {
        state_ = FlowState::done;
        end_ns_ = now;
    }

    // Time the flow has run, pauses left out.
    std::int64_t elapsed_ns(std::int64_t now) const noexcept {
        if (state_ == FlowState::waiting) return 0;
        const std::int64_t end = state_ == FlowState::done ? end_ns_ : state_ == FlowState::paused ? paused_ns_ : now;
        return end - start_ns_;
    }

    std::int64_t intended(const Event& event) const noexcept {
        if (speed_ == 1.0) return start_ns_ + event.offset_ns;
        return start_ns_ + static_cast<std::int64_t>(static_cast<double>(event.offset_ns) / speed_);
    }
    bool over(const Event& event, std::int64_t now) const noexcept {
        if (limit_ns_ == 0 || now - start_ns_ < limit_ns_) return false;
        return flat() || intended(event) - start_ns_ >= limit_ns_;
    }
    void published(const Event& event, std::int64_t now) noexcept {
        if (!flat()) lateness.add(now - intended(event));
    }

    // When to look again: at the next event, but not sooner than one wake interval after this look.
    std::int64_t next_wake(std::int64_t now, const Event* next) const noexcept {
        if (state_ != FlowState::running) return NEVER;
        if (flat() || next == nullptr) return now + wake_ns_;
        const std::int64_t due = intended(*next);
        const std::int64_t end = limit_ns_ > 0 ? start_ns_ + limit_ns_ : NEVER;
        return std::max(std::min(due, end), now + wake_ns_);
    }

private:
    FlowState state_ = FlowState::waiting;
    double speed_ = 1.0;
    std::int64_t limit_ns_ = 0;
    std::int64_t wake_ns_ = 100'000;
    std::int64_t start_ns_ = 0;
    std::int64_t paused_ns_ = 0;
    std::int64_t end_ns_ = 0;
};

}  // namespace fh::sim
