// The venue's own book of one instrument: integer prices, sorted, nothing shared with the product's books.
// An id-keyed book may hold several quotes at one price; a price-keyed one never does.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "feedhandler/native/sim_script.hpp"

namespace fh::sim {

struct Quote {
    std::int64_t price = 0;
    std::int64_t size = 0;
    std::uint64_t id = 0;
};

// Best price and all that is offered there. An empty side has no size.
struct Best {
    std::int64_t price = 0;
    std::int64_t size = 0;
    bool operator==(const Best&) const = default;
};

// One side, worst first and best last: the busy end is the cheap end of a vector.
class BookSide {
public:
    static constexpr std::size_t NONE = SIZE_MAX;

    explicit BookSide(bool bid) noexcept : bid_(bid) {}

    const std::vector<Quote>& quotes() const noexcept { return quotes_; }
    std::size_t size() const noexcept { return quotes_.size(); }
    const Quote& from_best(std::size_t position) const noexcept { return quotes_[quotes_.size() - 1 - position]; }
    bool better(std::int64_t a, std::int64_t b) const noexcept { return bid_ ? a > b : a < b; }

    Best best() const noexcept {
        Best best;
        if (quotes_.empty()) return best;
        best.price = quotes_.back().price;
        for (auto at = quotes_.rbegin(); at != quotes_.rend() && at->price == best.price; ++at) best.size += at->size;
        return best;
    }

    std::size_t find_price(std::int64_t price) const noexcept {
        const std::size_t at = place(price);
        return at < quotes_.size() && quotes_[at].price == price ? at : NONE;
    }
    std::size_t find_id(std::uint64_t id) const noexcept {
        for (std::size_t at = quotes_.size(); at-- > 0;)
            if (quotes_[at].id == id) return at;
        return NONE;
    }

    void insert(const Quote& quote) { quotes_.insert(quotes_.begin() + offset(place(quote.price)), quote); }
    void erase(std::size_t at) { quotes_.erase(quotes_.begin() + offset(at)); }
    void resize_at(std::size_t at, std::int64_t size) noexcept { quotes_[at].size = size; }
    void clear() noexcept { quotes_.clear(); }

private:
    static std::ptrdiff_t offset(std::size_t at) noexcept { return static_cast<std::ptrdiff_t>(at); }

    // First position whose price is not worse than this one.
    std::size_t place(std::int64_t price) const noexcept {
        const auto at = std::partition_point(quotes_.begin(), quotes_.end(),
                                             [&](const Quote& quote) { return better(price, quote.price); });
        return static_cast<std::size_t>(at - quotes_.begin());
    }

    bool bid_;
    std::vector<Quote> quotes_;
};

class Book {
public:
    explicit Book(bool by_id = false) noexcept : by_id_(by_id) {}

    BookSide& side(EntryType type) noexcept { return type == EntryType::bid ? bids_ : asks_; }
    const BookSide& side(EntryType type) const noexcept { return type == EntryType::bid ? bids_ : asks_; }
    const BookSide& bids() const noexcept { return bids_; }
    const BookSide& asks() const noexcept { return asks_; }

    void clear() noexcept {
        bids_.clear();
        asks_.clear();
    }

    // False when the entry does not fit the book: a change or delete of what is not there. Trades do not touch it.
    bool apply(const Entry& entry) {
        if (entry.type == EntryType::trade) return true;
        BookSide& one = side(entry.type);
        const std::size_t at = by_id_ ? one.find_id(entry.id) : one.find_price(entry.price);
        const bool known = at != BookSide::NONE;
        if (entry.action == EntryAction::remove) {
            if (known) one.erase(at);
            return known;
        }
        const Quote quote{entry.price, entry.size, entry.id};
        if (known && one.quotes()[at].price == entry.price) {
            one.resize_at(at, entry.size);
        } else {
            if (known) one.erase(at);  // an id-keyed quote that moves
            one.insert(quote);
        }
        return known == (entry.action == EntryAction::change);
    }

    bool crossed() const noexcept {
        return bids_.size() > 0 && asks_.size() > 0 && bids_.from_best(0).price >= asks_.from_best(0).price;
    }

private:
    bool by_id_;
    BookSide bids_{true};
    BookSide asks_{false};
};

}  // namespace fh::sim
