// Appends to an instrument directory until it is killed. What entry `n` of an appender says follows from its name.
//
//   path name=a count=1000 batch=1 die=point:turn:signal
//
// Adds `batch` at once. Prints each id as it gets it: what is printed was appended.
#ifdef FH_STRESS_POINTS
#include "tests/stress/kill_point.hpp"
#endif
#include <cstring>
#include <vector>

#include "shm/directory.hpp"
#include "tests/stress/options.hpp"

namespace {

template <std::size_t N>
void put(char (&to)[N], const std::string& text) {
    std::memcpy(to, text.c_str(), std::min(text.size() + 1, N));
}

}  // namespace

int main(int argc, char** argv) {
    const stress::Options options(argc, argv);
#ifdef FH_STRESS_POINTS
    stress::arm(options.text("die"));
#endif
    const std::string name = options.text("name", "a");
    fh::Directory directory(options.text("path"), true);
    const auto source = directory.add_source(name);
    std::vector<fh::DirectoryEntry> entries;
    std::vector<std::uint32_t> ids;
    const auto count = options.number("count", 1000);
    for (std::uint64_t n = 1; n <= count; ++n) {
        fh::DirectoryEntry entry{};
        const std::string symbol = name + "-" + std::to_string(n);
        entry.source = source;
        entry.tick = static_cast<double>(n);
        entry.lot = 1.0 / static_cast<double>(n);
        entry.price_decimals = static_cast<std::uint8_t>(n % 9);
        put(entry.venue_symbol, symbol);
        put(entry.symbol, symbol + "/" + std::string(40, 'x'));
        put(entry.currency, "EUR");
        put(entry.calendar, "always");
        entries.push_back(entry);
        if (entries.size() < options.number("batch", 1) && n < count) continue;
        ids.resize(entries.size());
        directory.add_many(entries, ids.data());
        for (const auto id : ids) std::printf("%u\n", id);
        std::fflush(stdout);
        entries.clear();
    }
    return 0;
}
