// Counters of another process, read-only: `<shm_dir>/<process>.counters`.
#pragma once

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

    // Maps the current file. False where there is none, or none of this version: what was mapped before stays.
    bool attach() {
        File file = File::open(path_, O_RDONLY);
        constexpr std::size_t BYTES = sizeof(CountersHeader) + COUNTER_COUNT * COUNTER_SLOTS * sizeof(std::uint64_t);
        if (!file.ok() || file.size() != BYTES) return false;
        Mapping mapping(file, BYTES, false);
        const auto* header = mapping.as<const CountersHeader>();
        if (header->magic != COUNT_MAGIC || header->version != LAYOUT_VERSION || header->counters != COUNTER_COUNT ||
            header->slots != COUNTER_SLOTS)
            return false;
        file_ = std::move(file);
        mapping_ = std::move(mapping);
        header_ = header;
        return true;
    }
    [[nodiscard]] bool attached() const noexcept { return header_ != nullptr; }

    // The process was restarted and counts from zero in another file, or somebody removed this one: attach() again.
    [[nodiscard]] bool replaced() const noexcept {
        struct stat st{};
        return header_ != nullptr && (::fstat(file_.fd(), &st) != 0 || st.st_nlink == 0);
    }

    // One cell; 0 before attach().
    [[nodiscard]] std::uint64_t get(Counter counter, std::size_t slot = 0) const noexcept {
        if (header_ == nullptr || slot >= COUNTER_SLOTS) return 0;
        const auto* cells = mapping_.as<const std::uint64_t>(sizeof(CountersHeader));
        return load(cells[static_cast<std::size_t>(counter) * COUNTER_SLOTS + slot], std::memory_order_relaxed);
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
    std::string path_;
    File file_;
    Mapping mapping_;
    const CountersHeader* header_ = nullptr;
};

}  // namespace fh
