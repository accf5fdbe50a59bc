// Board: writing and reading rows of ten levels, and finding what changed, each beside the copy or the scan that would
// do without. Rows are written and read in turns, so that each finds the caches as the other left them.
#include <cstring>

#include "perf/micro/bench.hpp"
#include "shm/board.hpp"

namespace {

constexpr std::uint32_t DEPTH = 10;
constexpr std::uint32_t ROWS = 1000;
constexpr std::size_t CHUNKS = 100;
constexpr std::uint32_t CHANGED = 64;

struct Samples {
    std::vector<double> ns;
    template <class Work>
    void time(std::size_t items, Work work) {
        const auto begin = fh::monotonic_ns();
        work();
        ns.push_back(static_cast<double>(fh::monotonic_ns() - begin) / static_cast<double>(items));
    }
};

struct Bench {
    explicit Bench(const std::string& dir)
        : writer(dir, DEPTH, ROWS, 1),
          reader(dir),
          bytes(reader.row_bytes()),
          out(bytes * (ROWS + 1)),
          plain(out.size()) {
        row.top.bid = row.top.ask = 1.5;
        for (std::uint32_t id = 1; id <= ROWS; ++id) ids.push_back(id);
    }

    fh::BoardWriter writer;
    fh::BoardReader reader;
    std::size_t bytes;
    std::vector<std::uint8_t> out;
    std::vector<std::uint8_t> plain;
    std::vector<std::uint32_t> ids;
    std::vector<std::uint32_t> found = std::vector<std::uint32_t>(ROWS);
    fh::BoardRow row{};
    double levels[DEPTH * 4] = {};
};

void rows(Bench& bench) {
    Samples write, read, many, top, copy_in, copy_out;
    for (std::size_t chunk = 0; chunk < CHUNKS; ++chunk) {
        write.time(ROWS, [&] {
            for (const auto id : bench.ids) bench.writer.write(id, bench.row, bench.levels);
            bench.writer.wake();
        });
        read.time(ROWS, [&] {
            for (const auto id : bench.ids) bench::keep(bench.reader.read(id, &bench.out[bench.bytes * id]));
        });
        many.time(ROWS, [&] { bench::keep(bench.reader.read_many(bench.ids.data(), ROWS, bench.out.data())); });
        top.time(ROWS, [&] {
            fh::BoardTop line;
            for (const auto id : bench.ids) {
                bench::keep(bench.reader.read_top(id, line));
                bench::keep(line);
            }
        });
        copy_in.time(ROWS, [&] {
            for (const auto id : bench.ids) {
                std::memcpy(&bench.plain[bench.bytes * id], bench.out.data(), bench.bytes);
                bench::keep(bench.plain[bench.bytes * id]);
            }
        });
        copy_out.time(ROWS, [&] {
            for (const auto id : bench.ids) {
                std::memcpy(&bench.out[bench.bytes * id], &bench.plain[bench.bytes * id], bench.bytes);
                bench::keep(bench.out[bench.bytes * id]);
            }
        });
    }
    bench::report("write_row", "ns", write.ns);
    bench::report("read_row", "ns", read.ns);
    bench::report("read_many", "ns", many.ns);
    bench::report("read_top", "ns", top.ns);
    bench::report("copy_in", "ns", copy_in.ns);
    bench::report("copy_out", "ns", copy_out.ns);
}

// What an engine does that has no log: it keeps the number of each row's last change and looks at all of them.
std::size_t scan(Bench& bench, std::vector<std::uint64_t>& held) {
    std::size_t count = 0;
    for (const auto id : bench.ids) {
        fh::BoardTop line;
        if (!bench.reader.read_top(id, line) || line.change == held[id]) continue;
        held[id] = line.change;
        bench.found[count++] = id;
    }
    return count;
}

void changes(Bench& bench) {
    Samples log, all, none;
    std::vector<std::uint64_t> held(ROWS + 1);
    std::uint64_t cursor = bench.writer.changes();
    scan(bench, held);
    for (std::size_t chunk = 0; chunk < 10 * CHUNKS; ++chunk) {
        for (std::uint32_t i = 0; i < CHANGED; ++i)
            bench.writer.write(1 + static_cast<std::uint32_t>(chunk * 17 + i * 5) % ROWS, bench.row, bench.levels);
        log.time(1, [&] {
            const auto found = bench.reader.changes(cursor, bench.found.data());
            if (found.count != CHANGED) std::abort();
            cursor = found.cursor;
        });
        all.time(1, [&] {
            if (scan(bench, held) != CHANGED) std::abort();
        });
        none.time(100, [&] {
            for (int i = 0; i < 100; ++i) bench::keep(bench.reader.changes(cursor, bench.found.data()).count);
        });
    }
    bench::report("changes_64", "ns", log.ns);
    bench::report("scan_1000", "ns", all.ns);
    bench::report("changes_none", "ns", none.ns);
}

}  // namespace

int main(int argc, char** argv) {
    const int runs = argc > 1 ? std::atoi(argv[1]) : 5;
    const bench::Folder folder;
    Bench bench(folder.path);
    for (int run = 0; run < runs; ++run) rows(bench);
    for (int run = 0; run < runs; ++run) changes(bench);
    return 0;
}
