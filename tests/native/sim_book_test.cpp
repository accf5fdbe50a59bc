// The venue's book, decimals and clock text, each against the plainest other way of getting the same.
#include "feedhandler/native/sim_book.hpp"

#include <map>
#include <string>

#include "feedhandler/native/sim_bbo_log.hpp"
#include "feedhandler/native/sim_encode.hpp"
#include "feedhandler/native/sim_random.hpp"
#include "tests/native/check.hpp"

namespace {

using namespace fh::sim;

void a_price_keyed_book_equals_a_map() {
    Random random(5);
    Book book;
    std::map<std::int64_t, std::int64_t> plain;
    for (int i = 0; i < 20'000; ++i) {
        Entry entry;
        entry.price = static_cast<std::int64_t>(random.below(300));
        const bool known = plain.contains(entry.price);
        if (known && random.chance(0.5)) {
            entry.action = EntryAction::remove;
            plain.erase(entry.price);
        } else {
            entry.action = known ? EntryAction::change : EntryAction::add;
            entry.size = plain[entry.price] = 1 + i;
        }
        CHECK(book.apply(entry));
        CHECK_EQ(book.bids().size(), plain.size());
        if (!plain.empty()) CHECK((book.bids().best() == Best{plain.rbegin()->first, plain.rbegin()->second}));
    }
    auto at = plain.begin();
    for (const Quote& quote : book.bids().quotes()) {
        CHECK(quote.price == at->first && quote.size == at->second);
        ++at;
    }
}

void misfits_are_told() {
    Book book;
    CHECK(!book.apply({5, 1, 0, EntryType::ask, EntryAction::change}));
    CHECK(!book.apply({5, 2, 0, EntryType::ask, EntryAction::add}));
    CHECK(!book.apply({6, 0, 0, EntryType::ask, EntryAction::remove}));
    CHECK(book.apply({6, 0, 0, EntryType::trade, EntryAction::remove}));
    CHECK(!book.crossed());
    CHECK(book.apply({5, 1, 0, EntryType::bid, EntryAction::add}));
    CHECK(book.crossed());
}

void quotes_by_id_share_prices_and_move() {
    Book book(true);
    CHECK(book.apply({100, 3, 1, EntryType::ask, EntryAction::add}));
    CHECK(book.apply({100, 4, 2, EntryType::ask, EntryAction::add}));
    CHECK(book.apply({101, 9, 3, EntryType::ask, EntryAction::add}));
    CHECK((book.asks().best() == Best{100, 7}));
    CHECK(book.apply({102, 5, 1, EntryType::ask, EntryAction::change}));
    CHECK((book.asks().best() == Best{100, 4}));
    CHECK(book.apply({0, 0, 2, EntryType::ask, EntryAction::remove}));
    CHECK((book.asks().best() == Best{101, 9}));
    CHECK_EQ(book.asks().from_best(1).id, 1U);
}

std::string fixed(std::int64_t value, unsigned decimals) {
    Text text;
    text.reserve(64);
    text.fixed(value, decimals);
    return std::string(text.view());
}

void decimals_are_exact() {
    CHECK_EQ(fixed(0, 0), std::string("0"));
    CHECK_EQ(fixed(0, 3), std::string("0.000"));
    CHECK_EQ(fixed(5, 3), std::string("0.005"));
    CHECK_EQ(fixed(-5, 1), std::string("-0.5"));
    CHECK_EQ(fixed(108501, 5), std::string("1.08501"));
    CHECK_EQ(fixed(INT64_MAX, 18), std::string("9.223372036854775807"));
    CHECK_EQ(fixed(INT64_MIN, 0), std::string("-9223372036854775808"));
    CHECK_EQ(as_double(108501, 5), 1.08501);
    CHECK_EQ(as_double(6173763000000, 8), 61737.63);
    Random random(6);
    for (int i = 0; i < 10'000; ++i) {
        const auto value = static_cast<std::int64_t>(random.bits() >> 12);
        CHECK_EQ(as_double(value, 9), std::stod(fixed(value, 9)));
    }
}

void clock_text_is_exact() {
    TimeText time;
    time.set(1'732'190'321'000'000'042);
    CHECK_EQ(time.view(), std::string_view("20241121-11:58:41.000000042"));
    time.set(1'732'190'321'999'999'999);
    CHECK_EQ(time.view(), std::string_view("20241121-11:58:41.999999999"));
    time.set(1'709'251'199'000'000'000 + 1'000'000'000);
    CHECK_EQ(time.date(), std::string_view("20240301"));
    CHECK_EQ(time.time(), std::string_view("00:00:00.000000000"));
}

}  // namespace

int main() {
    a_price_keyed_book_equals_a_map();
    misfits_are_told();
    quotes_by_id_share_prices_and_move();
    decimals_are_exact();
    clock_text_is_exact();
    return check_failures;
}
