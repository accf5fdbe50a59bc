// The one clock of the data path: CLOCK_MONOTONIC plus the realtime offset all processes share.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>

#include "shm/atomics.hpp"
#include "shm/placement.hpp"
#include "shm/segment.hpp"

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

inline constexpr SegmentKind CLOCK_KIND{"a clock", CLOCK_MAGIC, 1, ""};
inline constexpr std::int64_t CLOCK_LOCK_NS = 5'000'000'000;

// `<shm_dir>/clock`: the offset that all processes of a host agree on. The first to come measures it; who may not
// write it reads it. Throws what shm/errors.hpp has for what is wrong.
class SharedClock {
public:
    explicit SharedClock(const std::string& dir, const Placement& placement = {}) {
        const std::string path = dir + "/clock";
        File file;
        bool made = false;
        file = open_kept(path, made);
        auto verdict = file.ok() ? regular(file) : refusal(errno);
        writable_ = verdict.good();
        if (verdict.fault == Fault::denied) verdict = open_segment(path, file);
        if (!verdict.good()) raise(path, verdict);
        if (writable_) {
            hand_over_kept(file, path, placement, placement.file_mode(), made);
            begin(file, path);
        }
        ClockPage page{};
        if (verdict = check(file, page); !verdict.good()) raise(path, verdict);
        mapping_ = Mapping(file, sizeof(ClockPage), writable_);
        page_ = mapping_.as<ClockPage>();
        if (writable_) lock_memory(mapping_, path, placement.lock);
        unlock(file);
    }
    [[nodiscard]] std::int64_t offset_ns() const noexcept {
        return load(page_->realtime_offset_ns, std::memory_order_relaxed);
    }
    [[nodiscard]] std::int64_t now_ns() const noexcept { return monotonic_ns() + offset_ns(); }
    [[nodiscard]] std::uint64_t steps() const noexcept { return load(page_->steps, std::memory_order_relaxed); }

    // Whether an open file is a clock.
    static Verdict check(const File& file, ClockPage& page) {
        const auto got = ::pread(file.fd(), &page, sizeof page, 0);
        if (got < static_cast<ssize_t>(sizeof page)) return damaged("it has fewer bytes than a clock");
        if (page.magic == 0) return {Fault::missing, "its maker has not finished it", ENOENT, 0};
        if (auto verdict = check_magic(page.magic, CLOCK_KIND); !verdict.good()) {
            verdict.why += "; stop all processes and remove it";
            return verdict;
        }
        return check_length(file, sizeof page);
    }

    // May this process move the offset?
    [[nodiscard]] bool writable() const noexcept { return writable_; }

    // Where the realtime clock left the agreed offset by more than `tolerance_ns`, agrees on the new
    // one and returns the step in ns; 0 where nothing changed.
    std::int64_t follow(std::int64_t tolerance_ns) noexcept {
        if (!writable_) return 0;
        const auto measured = measure_realtime_offset();
        const auto step = measured - offset_ns();
        if (step >= -tolerance_ns && step <= tolerance_ns) return 0;
        store(page_->realtime_offset_ns, measured, std::memory_order_relaxed);
        store(page_->steps, steps() + 1, std::memory_order_relaxed);
        return step;
    }

private:
    // Measures the offset where nobody did. A maker that was killed left zeros, and the lock to the next one.
    static void begin(const File& file, const std::string& path) {
        if (!lock_within(file, CLOCK_LOCK_NS))
            throw SegmentBusy(path, "somebody has held its lock for 5 s; stop who that is", 0);
        ClockPage page{};
        if (file.size() != 0 && (file.size() < sizeof page || ::pread(file.fd(), &page, sizeof page, 0) < 0)) return;
        if (page.magic != 0) return;
        allocate(file, sizeof page, path);
        const Mapping mapping(file, sizeof page, true);
        auto* fresh = mapping.as<ClockPage>();
        fresh->realtime_offset_ns = measure_realtime_offset();
        fresh->magic = CLOCK_MAGIC;
    }
    Mapping mapping_;
    ClockPage* page_ = nullptr;
    bool writable_ = false;
};

}  // namespace fh
