// Instrument directory: bulk append, opening and the three lookups at 100,000 instruments, beside std::unordered_map.
#include <cstring>
#include <string>
#include <unordered_map>
#include <vector>

#include "perf/micro/bench.hpp"
#include "shm/directory.hpp"

namespace {

constexpr std::uint32_t COUNT = 100'000;
constexpr std::size_t CHUNKS = 20;

std::vector<fh::DirectoryEntry> made(std::uint16_t source) {
    std::vector<fh::DirectoryEntry> entries(COUNT);
    for (std::uint32_t i = 0; i < COUNT; ++i) {
        entries[i].source = source;
        std::snprintf(entries[i].venue_symbol, sizeof entries[i].venue_symbol, "V%06u", i);
        std::snprintf(entries[i].symbol, sizeof entries[i].symbol, "S%06u/USD", i);
    }
    return entries;
}

void lookups(const fh::Directory& directory, const std::vector<std::string>& venues,
             const std::vector<std::string>& symbols) {
    std::unordered_map<std::string, std::uint32_t> peer;
    for (std::uint32_t i = 0; i < COUNT; ++i) peer.emplace(venues[i], i + 1);
    // Scattered, as the symbols of messages come: neighbours would find each other's cache lines.
    const auto scattered = [](std::uint32_t i) { return static_cast<std::size_t>(i) * 40'503 % COUNT; };
    bench::timed("find", CHUNKS, COUNT, [&] {
        for (std::uint32_t i = 0; i < COUNT; ++i) bench::keep(directory.find(1, venues[scattered(i)]));
    });
    bench::timed("of_symbol", CHUNKS, COUNT, [&] {
        for (std::uint32_t i = 0; i < COUNT; ++i) bench::keep(directory.first_of(symbols[scattered(i)]));
    });
    bench::timed("map", CHUNKS, COUNT, [&] {
        for (std::uint32_t i = 0; i < COUNT; ++i) bench::keep(peer.find(venues[scattered(i)])->second);
    });
    bench::timed("get", CHUNKS, COUNT, [&] {
        for (std::uint32_t i = 0; i < COUNT; ++i)
            bench::keep(directory.get(static_cast<std::uint32_t>(scattered(i) + 1))->price_decimals);
    });
}

}  // namespace

int main(int argc, char** argv) {
    const int runs = argc > 1 ? std::atoi(argv[1]) : 1;
    std::vector<std::string> venues, symbols;
    for (const auto& entry : made(1)) {
        venues.emplace_back(entry.venue_symbol);
        symbols.emplace_back(entry.symbol);
    }
    for (int run = 0; run < runs; ++run) {
        const bench::Folder folder;
        fh::Directory directory(folder.path + "/instruments.dir", true);
        const auto entries = made(directory.add_source("s"));
        std::vector<std::uint32_t> ids(COUNT);
        bench::timed("add_many", 1, COUNT, [&] { directory.add_many(entries, ids.data()); });
        bench::timed("open", 3, COUNT, [&] { const fh::Directory again(folder.path + "/instruments.dir", false); });
        lookups(directory, venues, symbols);
    }
    return 0;
}
