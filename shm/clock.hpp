// The one clock of the data path: CLOCK_MONOTONIC plus the realtime offset all processes share.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>

#include "shm/atomics.hpp"
#include "shm/region.hpp"

namespace fh {

inline std::int64_t clock_ns(clockid_t id) noexcept {
    timespec t{};
    ::clock_gettime(id, &t);
    return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}
inline std::int64_t monotonic_ns() noexcept { return clock_ns(CLOCK_MONOTONIC); }
inline std::int64_t realtime_ns() noexcept { return clock_ns(CLOCK_REALTIME); }

// The difference of the two clocks, read close together (best of several tries).
inline std::int64_t measure_realtime_offset() noexcept {
    std::int64_t best_gap = INT64_MAX;
    std::int64_t offset = 0;
    for (int i = 0; i < 8; ++i) {
        const auto before = monotonic_ns();
        const auto wall = realtime_ns();
        const auto after = monotonic_ns();
        if (after - before < best_gap) {
            best_gap = after - before;
            offset = wall - (before + (after - before) / 2);
        }
    }
    return offset;
}

// `<shm_dir>/clock`: the offset that all processes of a host agree on. The first to come measures it.
class SharedClock {
public:
    explicit SharedClock(const std::string& dir) {
        const std::string path = dir + "/clock";
        const File file = File::open(path, O_RDWR | O_CREAT, 0660);
        if (!file.ok() || !lock_wait(file)) fail("opening " + path);
        allocate(file, sizeof(ClockPage), path);
        mapping_ = Mapping(file, sizeof(ClockPage), true);
        page_ = mapping_.as<ClockPage>();
        if (page_->magic != CLOCK_MAGIC) {
            page_->realtime_offset_ns = measure_realtime_offset();
            page_->magic = CLOCK_MAGIC;
        }
        unlock(file);
    }
    [[nodiscard]] std::int64_t offset_ns() const noexcept {
        return load(page_->realtime_offset_ns, std::memory_order_relaxed);
    }
    [[nodiscard]] std::int64_t now_ns() const noexcept { return monotonic_ns() + offset_ns(); }
    [[nodiscard]] std::uint64_t steps() const noexcept { return load(page_->steps, std::memory_order_relaxed); }

    // Where the realtime clock left the agreed offset by more than `tolerance_ns`, agrees on the new
    // one and returns the step in ns; 0 where nothing changed.
    std::int64_t follow(std::int64_t tolerance_ns) noexcept {
        const auto measured = measure_realtime_offset();
        const auto step = measured - offset_ns();
        if (step >= -tolerance_ns && step <= tolerance_ns) return 0;
        store(page_->realtime_offset_ns, measured, std::memory_order_relaxed);
        store(page_->steps, steps() + 1, std::memory_order_relaxed);
        return step;
    }

private:
    Mapping mapping_;
    ClockPage* page_ = nullptr;
};

}  // namespace fh
