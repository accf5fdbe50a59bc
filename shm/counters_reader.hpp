// Counters of another process, read-only: `<shm_dir>/<process>.counters`.
#pragma once

#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "shm/counters.hpp"

namespace fh {

// The counter of this name, as `Counter::fix_ticks` is "fix_ticks"; none where there is none.
inline std::optional<Counter> counter_named(std::string_view name) noexcept {
    for (std::size_t i = 0; i < COUNTER_COUNT; ++i)
        if (name == COUNTER_NAMES[i]) return static_cast<Counter>(i);
    return std::nullopt;
}

// Cells are read one by one: each is exact, two of them may be from different moments. One thread.
class CountersReader {
public:
    CountersReader(const std::string& dir, const std::string& process) : path_(dir + "/" + process + ".counters") {
        attach();
    }

    // Maps the current file. False where there is none, or none that can be read (problem() says why): what was
    // mapped before stays. A file of another release has other counters: those that it lacks read as 0.
    bool attach() {
        File file;
        CountersHeader header;
        verdict_ = open_counters(path_, file, header);
        if (!verdict_.good()) return false;
        Mapping mapping(file, counters_bytes(header.counters), false);
        const auto* names = mapping.as<const CounterName>(sizeof(CountersHeader));
        places_.fill(NONE);
        for (std::uint32_t i = 0; i < header.counters; ++i)
            if (const auto known = counter_named({names[i].text, ::strnlen(names[i].text, sizeof names[i].text)}))
                places_[static_cast<std::size_t>(*known)] = i;
        file_ = std::move(file);
        mapping_ = std::move(mapping);
        header_ = mapping_.as<const CountersHeader>();
        return true;
    }
    // Why the last attach() failed, in one line; empty where it did not.
    [[nodiscard]] std::string problem() const { return verdict_.good() ? "" : path_ + ": " + verdict_.why; }
    [[nodiscard]] bool attached() const noexcept { return header_ != nullptr; }

    // The process was restarted and counts from zero in another file, or somebody removed this one: attach() again.
    [[nodiscard]] bool replaced() const noexcept {
        struct stat st{};
        return header_ != nullptr && (::fstat(file_.fd(), &st) != 0 || st.st_nlink == 0);
    }

    // One cell; 0 before attach().
    [[nodiscard]] std::uint64_t get(Counter counter, std::size_t slot = 0) const noexcept {
        if (header_ == nullptr || slot >= COUNTER_SLOTS || counter >= Counter::count_) return 0;
        const auto place = places_[static_cast<std::size_t>(counter)];
        if (place == NONE) return 0;
        const auto* cells = mapping_.as<const std::uint64_t>(counter_cells(header_->counters));
        return load(cells[std::size_t{place} * COUNTER_SLOTS + slot], std::memory_order_relaxed);
    }
    // The sum over all sessions or rings of the process.
    [[nodiscard]] std::uint64_t total(Counter counter) const noexcept {
        std::uint64_t sum = 0;
        for (std::size_t slot = 0; slot < COUNTER_SLOTS; ++slot) sum += get(counter, slot);
        return sum;
    }
    [[nodiscard]] std::uint32_t pid() const noexcept { return header_ == nullptr ? 0 : header_->pid; }
    [[nodiscard]] std::int64_t created_ns() const noexcept { return header_ == nullptr ? 0 : header_->created_ns; }

private:
    static constexpr std::uint32_t NONE = UINT32_MAX;

    std::string path_;
    Verdict verdict_;
    std::array<std::uint32_t, COUNTER_COUNT> places_{};
    File file_;
    Mapping mapping_;
    const CountersHeader* header_ = nullptr;
};

}  // namespace fh
