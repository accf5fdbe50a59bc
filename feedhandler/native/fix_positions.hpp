// What stands at each position of a book whose levels are numbered (1023, 290), so that the ring gets levels by price.
//
// A New moves the levels from its position on down by one, a Delete moves those behind it up; the venue does not say
// so again. Two positions may show the same price for a moment: the ring's level is then the one that stays.
#pragma once

#include <cstdint>
#include <vector>

namespace fh {

class PositionSide {
public:
    static constexpr std::size_t POSITIONS_MAX = 10'000;

    struct Row {
        double price;
        double size;
    };

    PositionSide() { rows_.reserve(64); }
    [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
    // Positions count from 1.
    [[nodiscard]] bool has(std::size_t position) const noexcept { return position >= 1 && position <= rows_.size(); }
    [[nodiscard]] bool takes(std::size_t position) const noexcept {
        return position >= 1 && position <= rows_.size() + 1 && position <= POSITIONS_MAX;
    }
    [[nodiscard]] Row& at(std::size_t position) noexcept { return rows_[position - 1]; }
    void insert(std::size_t position, Row row) {
        rows_.insert(rows_.begin() + static_cast<std::ptrdiff_t>(position) - 1, row);
    }
    Row take(std::size_t position) noexcept {
        const Row row = rows_[position - 1];
        rows_.erase(rows_.begin() + static_cast<std::ptrdiff_t>(position) - 1);
        return row;
    }
    // The best row with this price; null where there is none.
    [[nodiscard]] const Row* find(double price) const noexcept {
        for (const Row& row : rows_)
            if (row.price == price) return &row;
        return nullptr;
    }
    void clear() noexcept { rows_.clear(); }

private:
    std::vector<Row> rows_;  // the best first
};

class PositionTable {
public:
    // Memory is taken when an instrument is first seen, and while a book grows.
    [[nodiscard]] PositionSide& side(std::uint32_t instrument, bool bid) {
        if (instrument >= books_.size()) books_.resize(instrument + 1);
        return bid ? books_[instrument].bids : books_[instrument].asks;
    }
    void clear(std::uint32_t instrument) noexcept {
        if (instrument >= books_.size()) return;
        books_[instrument].bids.clear();
        books_[instrument].asks.clear();
    }

private:
    struct Sides {
        PositionSide bids;
        PositionSide asks;
    };
    std::vector<Sides> books_;
};

}  // namespace fh
