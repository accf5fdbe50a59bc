// Books: keyed by price, by id, by position; the id table under churn.
#include "feedhandler/native/book.hpp"

#include <map>
#include <random>

#include "tests/native/check.hpp"

namespace {

using fh::Action;
using fh::Applied;
using fh::Side;

fh::Record level(Side side, Action action, double price, double size, std::uint64_t ref = 0,
                 std::uint16_t position = 0) {
    fh::Record record;
    record.kind = fh::Kind::level;
    record.side = side;
    record.action = action;
    record.price = price;
    record.size = size;
    record.ref = ref;
    record.level = position;
    return record;
}

void levels_are_sorted_and_replaced() {
    fh::Book book(false, 2);
    CHECK(book.apply(level(Side::bid, Action::add, 10, 1)) == Applied::ok);
    CHECK(book.apply(level(Side::bid, Action::add, 11, 2)) == Applied::ok);
    CHECK(book.apply(level(Side::bid, Action::add, 9, 3)) == Applied::ok);
    CHECK(book.apply(level(Side::bid, Action::change, 11, 5)) == Applied::ok);
    CHECK(book.apply(level(Side::ask, Action::add, 12, 1)) == Applied::ok);
    CHECK_EQ(book.bids().at(0).price, 11.0);
    CHECK_EQ(book.bids().at(0).size, 5.0);
    CHECK_EQ(book.bids().at(2).price, 9.0);
    CHECK(!book.crossed());
    CHECK(book.apply(level(Side::bid, Action::remove, 10.5, fh::NO_VALUE)) == Applied::unknown_delete);
    CHECK(book.apply(level(Side::bid, Action::remove, 11, fh::NO_VALUE)) == Applied::ok);
    CHECK_EQ(book.bids().size(), 2U);
    CHECK(book.apply(level(Side::bid, Action::add, 12, 1)) == Applied::ok);
    CHECK(book.crossed());
    CHECK(book.apply(level(Side::bid, Action::add, 12, -1)) == Applied::bad_level);
    CHECK(book.apply(level(Side::none, Action::add, 12, 1)) == Applied::bad_level);
    CHECK(book.apply(level(Side::bid, Action::add, fh::NO_VALUE, 1)) == Applied::bad_level);
}

void positions_cut_from_either_end() {
    fh::Book book(false, 0);
    for (int i = 1; i <= 6; ++i) book.apply(level(Side::ask, Action::add, i, 1));
    CHECK(book.apply(level(Side::ask, Action::remove_through, fh::NO_VALUE, fh::NO_VALUE, 0, 2)) == Applied::ok);
    CHECK_EQ(book.asks().at(0).price, 3.0);
    CHECK(book.apply(level(Side::ask, Action::remove_from, fh::NO_VALUE, fh::NO_VALUE, 0, 3)) == Applied::ok);
    CHECK_EQ(book.asks().size(), 2U);
    CHECK(book.apply(level(Side::ask, Action::overlay, 3.5, 2, 0, 1)) == Applied::ok);
    CHECK_EQ(book.asks().at(0).price, 3.5);
    CHECK_EQ(book.asks().size(), 2U);
    CHECK(book.apply(level(Side::ask, Action::remove_through, fh::NO_VALUE, fh::NO_VALUE, 0, 0)) == Applied::bad_level);
}

// Sizes of entries at one price come back to exactly nothing: 0.1 + 0.2 - 0.1 - 0.2 is not 0 in binary.
void entries_sum_to_levels_and_back_to_zero() {
    fh::Book book(true, 2);
    book.apply(level(Side::bid, Action::add, 10, 0.1, 1));
    book.apply(level(Side::bid, Action::add, 10, 0.2, 2));
    CHECK_EQ(book.bids().at(0).size, 0.3);
    CHECK(book.apply(level(Side::none, Action::remove, fh::NO_VALUE, fh::NO_VALUE, 1)) == Applied::ok);
    CHECK_EQ(book.bids().at(0).size, 0.2);
    CHECK(book.apply(level(Side::bid, Action::change, 11, 0.2, 2)) == Applied::ok);
    CHECK_EQ(book.bids().size(), 1U);
    CHECK_EQ(book.bids().at(0).price, 11.0);
    CHECK(book.apply(level(Side::none, Action::remove, fh::NO_VALUE, fh::NO_VALUE, 2)) == Applied::ok);
    CHECK(book.bids().empty());
    CHECK(book.apply(level(Side::none, Action::remove, fh::NO_VALUE, fh::NO_VALUE, 2)) == Applied::unknown_delete);
}

void the_id_table_is_a_map() {
    fh::IdTable table;
    std::map<std::uint64_t, std::int64_t> model;
    std::mt19937_64 random(7);
    for (int i = 0; i < 200'000; ++i) {
        const std::uint64_t handle = random() % 500;
        if (random() % 3 == 0) {
            table.erase(handle);
            model.erase(handle);
        } else {
            table.put({handle, 1.0, i, Side::bid});
            model[handle] = i;
        }
    }
    CHECK_EQ(table.size(), model.size());
    for (std::uint64_t handle = 0; handle < 500; ++handle) {
        const auto* entry = table.find(handle);
        const auto found = model.find(handle);
        CHECK_EQ(entry != nullptr, found != model.end());
        if (entry != nullptr && found != model.end()) CHECK_EQ(entry->units, found->second);
    }
}

void a_random_book_is_a_map() {
    fh::Book book(false, 0);
    std::map<double, double> bids;
    std::map<double, double> asks;
    std::mt19937_64 random(11);
    for (int i = 0; i < 200'000; ++i) {
        const bool bid = random() % 2 == 0;
        auto& model = bid ? bids : asks;
        const double price = static_cast<double>(random() % 300);
        const double size = static_cast<double>(random() % 4);
        book.apply(level(bid ? Side::bid : Side::ask, size == 0 ? Action::remove : Action::add, price, size));
        if (size == 0)
            model.erase(price);
        else
            model[price] = size;
    }
    CHECK_EQ(book.bids().size(), bids.size());
    CHECK_EQ(book.asks().size(), asks.size());
    std::size_t i = 0;
    for (auto it = bids.rbegin(); it != bids.rend(); ++it, ++i)
        CHECK(book.bids().at(i) == (fh::Level{it->first, it->second}));
    i = 0;
    for (const auto& [price, size] : asks) CHECK(book.asks().at(i++) == (fh::Level{price, size}));
}

}  // namespace

int main() {
    levels_are_sorted_and_replaced();
    positions_cut_from_either_end();
    entries_sum_to_levels_and_back_to_zero();
    the_id_table_is_a_map();
    a_random_book_is_a_map();
    return check_failures;
}
