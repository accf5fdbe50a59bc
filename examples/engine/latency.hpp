// Latencies by their percentiles: fixed memory, one increment a value, exact to 1.6 %.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

class Latency {
public:
    // ns; below 0 only where a clock was set between two readings: counted apart.
    void add(std::int64_t ns) noexcept {
        if (ns < 0) {
            ++negative_;
            return;
        }
        const auto value = static_cast<std::uint64_t>(ns);
        ++cells_[cell(value)];
        ++count_;
        max_ = std::max(max_, value);
    }

    // The least value that `share` of all values do not exceed; 0 where there is none.
    [[nodiscard]] std::uint64_t percentile(double share) const noexcept {
        const auto wanted = static_cast<std::uint64_t>(static_cast<double>(count_) * share + 0.5);
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < cells_.size(); ++i)
            if ((seen += cells_[i]) >= std::max<std::uint64_t>(wanted, 1)) return std::min(upper(i), max_);
        return max_;
    }
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    [[nodiscard]] std::uint64_t max() const noexcept { return max_; }
    [[nodiscard]] std::uint64_t negative() const noexcept { return negative_; }

private:
    // Each power of two has 64 cells; below 64 every value has its own.
    static constexpr unsigned BITS = 6;
    static constexpr std::size_t PER_POWER = std::size_t{1} << BITS;

    static std::size_t cell(std::uint64_t value) noexcept {
        if (value < PER_POWER) return static_cast<std::size_t>(value);
        const auto shift = static_cast<unsigned>(std::bit_width(value)) - BITS - 1;
        return static_cast<std::size_t>(((shift + 1) << BITS) + ((value >> shift) - PER_POWER));
    }
    // The greatest value of a cell.
    static std::uint64_t upper(std::size_t index) noexcept {
        if (index < PER_POWER) return index;
        const auto shift = (index >> BITS) - 1;
        return (((index & (PER_POWER - 1)) + PER_POWER + 1) << shift) - 1;
    }

    std::array<std::uint64_t, (64 - BITS + 1) * PER_POWER> cells_{};
    std::uint64_t count_ = 0;
    std::uint64_t max_ = 0;
    std::uint64_t negative_ = 0;
};
