// CRC-32C (Castagnoli), as iSCSI and the journal have it: what tells an entry on disk that a power loss tore.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fh {

namespace detail {

// Table k: what a byte k places before the end of a word does to the sum.
inline constexpr auto CRC32C_TABLES = [] {
    std::array<std::array<std::uint32_t, 256>, 8> tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t sum = byte;
        for (int bit = 0; bit < 8; ++bit) sum = (sum & 1U) != 0 ? (sum >> 1) ^ 0x82F63B78U : sum >> 1;
        tables[0][byte] = sum;
    }
    for (std::uint32_t byte = 0; byte < 256; ++byte)
        for (std::size_t k = 1; k < 8; ++k)
            tables[k][byte] = tables[0][tables[k - 1][byte] & 0xFFU] ^ (tables[k - 1][byte] >> 8);
    return tables;
}();

}  // namespace detail

// The sum of these bytes. Eight bytes a step, no instruction that some machine lacks.
inline std::uint32_t crc32c(const void* data, std::size_t bytes) noexcept {
    static_assert(std::endian::native == std::endian::little);
    const auto& table = detail::CRC32C_TABLES;
    const auto* at = static_cast<const unsigned char*>(data);
    std::uint32_t sum = 0xFFFFFFFFU;
    for (; bytes >= 8; bytes -= 8, at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, sizeof word);
        word ^= sum;
        sum = 0;
        for (std::size_t k = 0; k < 8; ++k) sum ^= table[7 - k][(word >> (8 * k)) & 0xFFU];
    }
    for (; bytes > 0; --bytes, ++at) sum = table[0][(sum ^ *at) & 0xFFU] ^ (sum >> 8);
    return sum ^ 0xFFFFFFFFU;
}

}  // namespace fh
