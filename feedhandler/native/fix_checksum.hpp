// CheckSum (10): the sum of all bytes before it, modulo 256.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fh {

// Sixteen lanes at a time (vectors of the compiler: SSE2, NEON); bytes wrap, so the lanes may too.
inline std::uint8_t fix_checksum(const char* p, std::size_t n) noexcept {
    using Lanes [[gnu::vector_size(16)]] = std::uint8_t;
    // From [16 - k] on: sixteen bytes of which the last k are kept.
    static constexpr unsigned char KEEP[32] = {0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
                                               0,   0,   0,   0,   0,   255, 255, 255, 255, 255, 255,
                                               255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    const auto lanes_at = [](const void* at) {
        Lanes lanes;
        std::memcpy(&lanes, at, 16);
        return lanes;
    };
    if (n < 16) {
        std::uint8_t sum = 0;
        for (std::size_t i = 0; i < n; ++i) sum = static_cast<std::uint8_t>(sum + static_cast<std::uint8_t>(p[i]));
        return sum;
    }
    Lanes even = lanes_at(p + n - 16) & lanes_at(KEEP + n % 16);  // what the others leave
    Lanes odd{};
    for (; n >= 32; n -= 32, p += 32) {
        even += lanes_at(p);
        odd += lanes_at(p + 16);
    }
    if (n >= 16) odd += lanes_at(p);
    even += odd;
    std::uint64_t halves[2];
    std::memcpy(halves, &even, 16);
    constexpr std::uint64_t EVEN = 0x00ff00ff00ff00ff;
    std::uint64_t sums = 0;  // four lanes of 16 bits
    for (const std::uint64_t half : halves) sums += (half & EVEN) + ((half >> 8) & EVEN);
    return static_cast<std::uint8_t>((sums * 0x0001000100010001) >> 48);
}

}  // namespace fh
