// The decode path allocates nothing per message in steady state: by price, by id, and by position with events over
// several messages and a checked book.
#include <atomic>
#include <new>

#include "tests/native/check.hpp"
#include "tests/native/fix_wire.hpp"

namespace {
std::atomic<std::uint64_t> allocations{0};
}

[[gnu::noinline]] void* operator new(std::size_t bytes) {
    allocations.fetch_add(1);
    if (void* memory = std::malloc(bytes)) return memory;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

void steady_state_allocates_nothing(bool id_keyed) {
    Wire wire(id_keyed);
    std::string stream;
    std::uint64_t seq = 1;
    const auto add = [&](const std::string& rest) {
        stream += fix_message((rest[0] == 'W' ? "35=W|34=" : "35=X|34=") + std::to_string(seq++) +
                              "|49=S|56=F|52=20261121-10:00:00.123456789|" + rest.substr(1));
    };
    add("W55=EURUSD|268=2|269=0|278=b|270=1.1|271=5|269=1|278=a|270=1.2|271=5|");
    for (int i = 0; i < 500; ++i) {
        const std::string id = std::to_string(i % 50);
        add("X268=3|279=0|269=0|278=" + id + "|55=EURUSD|270=1.123|271=10|279=0|269=2|55=USDJPY|270=150.1|271=3|278=" +
            id + "|54=1|279=1|269=0|278=" + id + "|55=EURUSD|270=1.124|271=12345678901234567890.5|");
        add("X268=2|279=2|269=0|278=" + id + "|55=EURUSD|270=1.124|279=0|269=1|55=NOBODY|270=x|271=1|");
    }
    wire.feed(stream.substr(0, stream.size() / 2));  // the buffer finds its size
    wire.loop.session(0).quarantine().clear();
    const std::string rest = stream.substr(stream.size() / 2);
    const auto before = allocations.load();
    for (std::size_t i = 0; i < rest.size(); i += 1000)
        wire.loop.feed(0, rest.data() + i, std::min<std::size_t>(1000, rest.size() - i), 5);
    CHECK_EQ(allocations.load() - before, 0U);
    CHECK_EQ(wire.count(fh::FixCount::market_data), 1001U);
    CHECK_EQ(wire.count(fh::FixCount::ticks), 2U + 500U * 4U);
    CHECK_EQ(wire.count(fh::FixCount::unknown_symbol), 500U);
}

void books_by_position_allocate_nothing() {
    fh::FixTable table = plain_table(false);
    table.set_role(1023, fh::Role::position);
    table.set_role(893, fh::Role::event_end);
    table.set_role(5041, fh::Role::book_check);
    table.keying = fh::Keying::position;
    table.position_depth = 10;
    table.gap_check = fh::GapCheck::entry;
    table.checks_book = true;
    Wire wire(table);
    wire.loop.session(0).decoder().writer().check().set_decimals(1, 2, 0);
    std::string stream;
    std::uint64_t seq = 1;
    const auto add = [&](const std::string& rest) {
        stream += fix_message("35=X|34=" + std::to_string(seq) +
                              "|49=S|56=F|52=20261121-10:00:00.123|83=" + std::to_string(seq) + "|55=EURUSD|" + rest);
        ++seq;
    };
    for (int i = 0; i < 500; ++i) {
        const std::string price = std::to_string(1000 + i % 7);
        add("893=N|268=1|279=0|269=0|1023=1|270=" + price + ".01|271=3|");
        add("268=2|279=0|269=1|1023=1|270=" + price + ".02|271=4|279=2|269=0|1023=1|893=Y|");
        add("268=1|279=2|269=1|1023=1|");
    }
    wire.feed(stream.substr(0, stream.size() / 2));  // books, lists and buffers find their size
    const std::string rest = stream.substr(stream.size() / 2);
    const auto before = allocations.load();
    for (std::size_t i = 0; i < rest.size(); i += 1000)
        wire.loop.feed(0, rest.data() + i, std::min<std::size_t>(1000, rest.size() - i), 5);
    CHECK_EQ(allocations.load() - before, 0U);
    CHECK_EQ(wire.count(fh::FixCount::market_data), 1500U);
    CHECK_EQ(wire.count(fh::FixCount::ticks), 500U * 4U);
    CHECK_EQ(wire.count(fh::FixCount::events), 500U * 2U);
    CHECK_EQ(wire.count(fh::FixCount::quarantined), 0U);
}

}  // namespace

int main() {
    books_by_position_allocate_nothing();
    steady_state_allocates_nothing(false);
    steady_state_allocates_nothing(true);
    return check_failures;
}
