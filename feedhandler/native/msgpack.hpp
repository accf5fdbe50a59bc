// A msgpack writer into memory the caller sized. It writes what the topics need and nothing else.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace fh {

class Msgpack {
public:
    explicit Msgpack(std::uint8_t* at) noexcept : at_(at) {}
    [[nodiscard]] std::uint8_t* end() const noexcept { return at_; }

    void array(std::size_t count) noexcept {
        if (count < 16) {
            byte(static_cast<std::uint8_t>(0x90 | count));
        } else if (count <= 0xffff) {
            byte(0xdc);
            big(static_cast<std::uint16_t>(count));
        } else {
            byte(0xdd);
            big(static_cast<std::uint32_t>(count));
        }
    }
    void map(std::size_t count) noexcept {
        byte(0xdf);
        big(static_cast<std::uint32_t>(count));
    }
    void unsigned_(std::uint64_t value) noexcept {
        if (value < 0x80) {
            byte(static_cast<std::uint8_t>(value));
        } else if (value <= 0xff) {
            byte(0xcc);
            byte(static_cast<std::uint8_t>(value));
        } else if (value <= 0xffff) {
            byte(0xcd);
            big(static_cast<std::uint16_t>(value));
        } else if (value <= 0xffffffff) {
            byte(0xce);
            big(static_cast<std::uint32_t>(value));
        } else {
            byte(0xcf);
            big(value);
        }
    }
    void signed_(std::int64_t value) noexcept {
        if (value >= 0) return unsigned_(static_cast<std::uint64_t>(value));
        byte(0xd3);
        big(static_cast<std::uint64_t>(value));
    }
    // NaN, our "none", is nil.
    void number(double value) noexcept {
        if (std::isnan(value)) return byte(0xc0);
        byte(0xcb);
        big(std::bit_cast<std::uint64_t>(value));
    }
    void text(std::string_view value) noexcept {
        if (value.size() < 32) {
            byte(static_cast<std::uint8_t>(0xa0 | value.size()));
        } else if (value.size() <= 0xff) {
            byte(0xd9);
            byte(static_cast<std::uint8_t>(value.size()));
        } else {
            byte(0xda);
            big(static_cast<std::uint16_t>(value.size()));
        }
        std::memcpy(at_, value.data(), value.size());
        at_ += value.size();
    }

private:
    void byte(std::uint8_t value) noexcept { *at_++ = value; }
    template <class Word>
    void big(Word value) noexcept {
        for (int shift = static_cast<int>(sizeof value) * 8 - 8; shift >= 0; shift -= 8)
            byte(static_cast<std::uint8_t>(value >> shift));
    }

    std::uint8_t* at_;
};

}  // namespace fh
