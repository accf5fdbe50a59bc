// The shared clock for programs that only read: a read-only map of `<shm_dir>/clock`, never created here.
#pragma once

#include <string>

#include "shm/clock.hpp"

namespace fh {

// Compare now_ns() with the ts_recv of records and rows. Any thread after attach().
class ClockReader {
public:
    explicit ClockReader(const std::string& dir) : path_(dir + "/clock") { attach(); }

    // True once the clock is there and can be read: the first process of the system makes it.
    bool attach() {
        if (page_ != nullptr) return true;
        File file;
        ClockPage page{};
        verdict_ = open_segment(path_, file);
        if (verdict_.good()) verdict_ = SharedClock::check(file, page);
        if (!verdict_.good()) return false;
        mapping_ = Mapping(file, sizeof(ClockPage), false);
        page_ = mapping_.as<const ClockPage>();
        return true;
    }
    // Why the last attach() failed, in one line; empty where it did not.
    [[nodiscard]] std::string problem() const { return verdict_.good() ? "" : path_ + ": " + verdict_.why; }
    [[nodiscard]] bool attached() const noexcept { return page_ != nullptr; }

    // Realtime minus monotonic as all processes here agree on it; this process's own measurement before attach().
    [[nodiscard]] std::int64_t offset_ns() const noexcept {
        return page_ == nullptr ? measure_realtime_offset()
                                : load(page_->realtime_offset_ns, std::memory_order_relaxed);
    }
    [[nodiscard]] std::int64_t now_ns() const noexcept { return monotonic_ns() + offset_ns(); }
    // How often the realtime clock was set since the clock file was made.
    [[nodiscard]] std::uint64_t steps() const noexcept {
        return page_ == nullptr ? 0 : load(page_->steps, std::memory_order_relaxed);
    }

private:
    std::string path_;
    Verdict verdict_;
    Mapping mapping_;
    const ClockPage* page_ = nullptr;
};

}  // namespace fh
