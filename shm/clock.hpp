// The one clock of the data path: CLOCK_MONOTONIC plus the realtime offset all processes share.
#pragma once

#include <ctime>

#include <cstdint>

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

}  // namespace fh
