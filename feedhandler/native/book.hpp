// One instrument's book at one source, built from ring records.
//
// Invariants: each side is sorted with the best level last, so that the top, where nearly all
// updates land, is the cheap end; prices are distinct; sizes are > 0.
// Levels are keyed by the exact bits of the price. Memory grows only while a book grows.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "feedhandler/native/id_table.hpp"
#include "shm/layout.hpp"

namespace fh {

struct Level {
    double price;
    double size;
    friend bool operator==(const Level&, const Level&) = default;
};

// What a record did to the book; everything but `ok` is counted by its name.
enum class Applied : std::uint8_t { ok, unknown_delete, bad_level };

class BookSide {
public:
    explicit BookSide(bool is_bid) : is_bid_(is_bid) { levels_.reserve(64); }

    [[nodiscard]] std::size_t size() const noexcept { return levels_.size(); }
    [[nodiscard]] bool empty() const noexcept { return levels_.empty(); }
    // Position 0 is the best.
    [[nodiscard]] const Level& at(std::size_t position) const noexcept {
        return levels_[levels_.size() - 1 - position];
    }
    void clear() noexcept { levels_.clear(); }

    void set(double price, double size) {
        const auto index = find(price);
        if (index < levels_.size() && levels_[index].price == price)
            levels_[index].size = size;
        else
            levels_.insert(levels_.begin() + static_cast<std::ptrdiff_t>(index), Level{price, size});
    }
    bool remove(double price) noexcept {
        const auto index = find(price);
        if (index >= levels_.size() || levels_[index].price != price) return false;
        levels_.erase(levels_.begin() + static_cast<std::ptrdiff_t>(index));
        return true;
    }
    [[nodiscard]] double size_at(double price) const noexcept {
        const auto index = find(price);
        return index < levels_.size() && levels_[index].price == price ? levels_[index].size : 0.0;
    }
    // The best `count` levels go.
    void remove_through(std::size_t count) noexcept {
        levels_.resize(levels_.size() - std::min(count, levels_.size()));
    }
    // Position `position` (1-based) and everything worse goes.
    void remove_from(std::size_t position) noexcept {
        const auto keep = std::min(position - 1, levels_.size());
        levels_.erase(levels_.begin(), levels_.end() - static_cast<std::ptrdiff_t>(keep));
    }
    bool remove_position(std::size_t position) noexcept {
        if (position > levels_.size()) return false;
        levels_.erase(levels_.end() - static_cast<std::ptrdiff_t>(position));
        return true;
    }

private:
    // `a` is worse than `b`: stands before it.
    [[nodiscard]] bool worse(double a, double b) const noexcept { return is_bid_ ? a < b : a > b; }

    // Index of the first level not worse than `price`; looks at the top few before it bisects.
    [[nodiscard]] std::size_t find(double price) const noexcept {
        std::size_t index = levels_.size();
        const std::size_t near = index > 8 ? index - 8 : 0;
        while (index > near && !worse(levels_[index - 1].price, price)) --index;
        if (index > near || near == 0) return index;
        const auto found =
            std::lower_bound(levels_.begin(), levels_.begin() + static_cast<std::ptrdiff_t>(near), price,
                             [this](const Level& level, double wanted) { return worse(level.price, wanted); });
        return static_cast<std::size_t>(found - levels_.begin());
    }

    bool is_bid_;
    std::vector<Level> levels_;
};

class Book {
public:
    // `size_decimals` gives the integer unit in which sizes of several entries at one price are summed,
    // so that the sum comes back to exactly zero.
    Book(bool keyed_by_id, int size_decimals) : units_(std::pow(10.0, size_decimals)), keyed_by_id_(keyed_by_id) {}

    [[nodiscard]] const BookSide& bids() const noexcept { return bids_; }
    [[nodiscard]] const BookSide& asks() const noexcept { return asks_; }
    [[nodiscard]] const IdTable& entries() const noexcept { return entries_; }
    [[nodiscard]] bool keyed_by_id() const noexcept { return keyed_by_id_; }
    [[nodiscard]] bool crossed() const noexcept {
        return !bids_.empty() && !asks_.empty() && bids_.at(0).price >= asks_.at(0).price;
    }

    void clear() noexcept {
        bids_.clear();
        asks_.clear();
        entries_.clear();
    }

    // Applies one LEVEL record.
    Applied apply(const Record& record) {
        switch (record.action) {
            case Action::remove_through:
                return by_position(record, [](BookSide& side, std::size_t n) { side.remove_through(n); });
            case Action::remove_from:
                return by_position(record, [](BookSide& side, std::size_t n) { side.remove_from(n); });
            case Action::overlay:
                return overlay(record);
            default:
                return keyed_by_id_ ? apply_by_id(record) : apply_by_price(record);
        }
    }

    // Puts an entry back as a checkpoint kept it.
    void restore_level(Side side, Level level) { side_of(side).set(level.price, level.size); }
    void restore_entry(const IdEntry& entry) { entries_.put(entry); }

private:
    static constexpr double UNITS_MAX = 9007199254740992.0;  // 2^53: sums of a thousand such entries fit 64 bits

    [[nodiscard]] BookSide& side_of(Side side) noexcept { return side == Side::bid ? bids_ : asks_; }
    static bool sided(const Record& record) noexcept { return record.side == Side::bid || record.side == Side::ask; }
    static bool sane(const Record& record) noexcept {
        return sided(record) && std::isfinite(record.price) && std::isfinite(record.size) && record.size >= 0;
    }

    Applied apply_by_price(const Record& record) {
        if (!sided(record) || !std::isfinite(record.price)) return Applied::bad_level;
        if (record.action == Action::remove || record.size == 0)
            return side_of(record.side).remove(record.price) ? Applied::ok : Applied::unknown_delete;
        if (!sane(record)) return Applied::bad_level;
        side_of(record.side).set(record.price, record.size);
        return Applied::ok;
    }

    Applied apply_by_id(const Record& record) {
        const IdEntry* known = entries_.find(record.ref);
        if (record.action == Action::remove || record.size == 0) {
            if (known == nullptr) return Applied::unknown_delete;
            const IdEntry gone = *known;
            entries_.erase(record.ref);
            add_units(gone.side, gone.price, -gone.units);
            return Applied::ok;
        }
        if (!sane(record) || record.size * units_ > UNITS_MAX) return Applied::bad_level;
        if (known != nullptr) {
            const IdEntry old = *known;
            add_units(old.side, old.price, -old.units);
        }
        const auto units = static_cast<std::int64_t>(std::llround(record.size * units_));
        entries_.put(IdEntry{record.ref, record.price, units, record.side});
        add_units(record.side, record.price, units);
        return Applied::ok;
    }

    void add_units(Side side, double price, std::int64_t units) {
        BookSide& levels = side_of(side);
        const auto total = static_cast<std::int64_t>(std::llround(levels.size_at(price) * units_)) + units;
        if (total > 0)
            levels.set(price, static_cast<double>(total) / units_);
        else
            levels.remove(price);
    }

    template <class Operation>
    Applied by_position(const Record& record, Operation operation) {
        if (!sided(record) || record.level == 0 || keyed_by_id_) return Applied::bad_level;
        operation(side_of(record.side), record.level);
        return Applied::ok;
    }

    Applied overlay(const Record& record) {
        if (!sane(record) || record.size == 0 || record.level == 0 || keyed_by_id_) return Applied::bad_level;
        side_of(record.side).remove_position(record.level);
        side_of(record.side).set(record.price, record.size);
        return Applied::ok;
    }

    BookSide bids_{true};
    BookSide asks_{false};
    IdTable entries_;
    double units_;
    bool keyed_by_id_;
};

}  // namespace fh
