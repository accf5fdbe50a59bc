// A seeded generator of our own (xoshiro256++), so that the same seed gives the same flow on every machine.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace fh::sim {

class Random {
public:
    explicit Random(std::uint64_t seed) noexcept {
        for (auto& word : state_) {  // splitmix64, as the authors of xoshiro advise for seeding
            seed += 0x9E3779B97F4A7C15ULL;
            std::uint64_t z = seed;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
            word = z ^ (z >> 31);
        }
    }

    std::uint64_t bits() noexcept {
        const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
        const std::uint64_t shifted = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = std::rotl(state_[3], 45);
        return result;
    }

    double uniform() noexcept { return static_cast<double>(bits() >> 11) * 0x1.0p-53; }  // [0, 1)
    bool chance(double probability) noexcept { return uniform() < probability; }
    std::size_t below(std::size_t bound) noexcept {
        return static_cast<std::size_t>(uniform() * static_cast<double>(bound));
    }
    double exponential() noexcept { return -std::log1p(-uniform()); }  // mean 1

    // Near enough to normal(0, 1) for a price path: three uniforms.
    double normal() noexcept { return 2.0 * (uniform() + uniform() + uniform() - 1.5); }

    // 0, 1, 2, ... with the given chance of going on, at most `limit`.
    std::size_t geometric(double go_on, std::size_t limit) noexcept {
        std::size_t n = 0;
        while (n < limit && chance(go_on)) ++n;
        return n;
    }

private:
    std::uint64_t state_[4];
};

}  // namespace fh::sim
