// A venue's checksum of its book, computed over our own: a shadow of each book, fed with the records that go out.
//
// crc32_top10: CRC-32 of the ten best asks, then the ten best bids, best first, of each its price and its size as
// whole numbers of the instrument's last decimal.
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "feedhandler/native/book.hpp"

namespace fh {

// CRC-32 as in zlib (reflected 0x04c11db7).
class Crc32 {
public:
    void add(const char* p, const char* end) noexcept {
        for (; p != end; ++p) state_ = (state_ >> 8) ^ TABLE[(state_ ^ static_cast<unsigned char>(*p)) & 0xff];
    }
    [[nodiscard]] std::uint32_t value() const noexcept { return ~state_; }

private:
    static constexpr std::array<std::uint32_t, 256> TABLE = [] {
        std::array<std::uint32_t, 256> table{};
        for (std::uint32_t i = 0; i < 256; ++i) {
            std::uint32_t x = i;
            for (int bit = 0; bit < 8; ++bit) x = (x >> 1) ^ ((x & 1) != 0 ? 0xedb88320U : 0U);
            table[i] = x;
        }
        return table;
    }();
    std::uint32_t state_ = UINT32_MAX;
};

class BookCheck {
public:
    BookCheck(bool on, bool id_keyed) : on_(on), id_keyed_(id_keyed) {}

    [[nodiscard]] bool on() const noexcept { return on_; }
    void set_decimals(std::uint32_t instrument, int price, int size) {
        if (!on_) return;
        Shadow& shadow = of(instrument);
        shadow.price_units = std::pow(10.0, price);
        shadow.size_units = std::pow(10.0, size);
        shadow.book.emplace(id_keyed_, size);
    }

    // A record on its way to the ring.
    void observe(const Record& record) {
        Shadow& shadow = of(record.instrument);
        if (!shadow.book) return;
        if (record.kind == Kind::book_clear) {
            shadow.book->clear();
            shadow.whole = true;
        } else if (record.kind == Kind::level) {
            shadow.book->apply(record);
        }
    }

    // False where the book is not what the venue says. One without a snapshot, or wrong already, is not looked at.
    bool agrees(std::uint32_t instrument, std::uint64_t expected) {
        Shadow& shadow = of(instrument);
        if (!shadow.whole || sum_of(shadow) == expected) return true;
        shadow.whole = false;
        return false;
    }

private:
    static constexpr std::size_t LEVELS = 10;

    struct Shadow {
        std::optional<Book> book;
        double price_units = 1;
        double size_units = 1;
        bool whole = false;
    };

    Shadow& of(std::uint32_t instrument) {
        if (instrument >= books_.size()) books_.resize(instrument + 1);
        return books_[instrument];
    }

    static std::uint32_t sum_of(const Shadow& shadow) noexcept {
        Crc32 crc;
        for (const BookSide* side : {&shadow.book->asks(), &shadow.book->bids()})
            for (std::size_t i = 0; i < std::min(LEVELS, side->size()); ++i) {
                add_number(crc, side->at(i).price * shadow.price_units);
                add_number(crc, side->at(i).size * shadow.size_units);
            }
        return crc.value();
    }
    static void add_number(Crc32& crc, double units) noexcept {
        if (!(std::abs(units) < 9e18)) return;
        char digits[24];
        const auto end = std::to_chars(digits, digits + sizeof digits, std::llround(units)).ptr;
        crc.add(digits, end);
    }

    bool on_;
    bool id_keyed_;
    std::vector<Shadow> books_;
};

}  // namespace fh
