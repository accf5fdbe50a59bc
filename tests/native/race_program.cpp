// Writer and reader as two threads of one process, for ThreadSanitizer: `race_program DIR ring|board|directory|counters
// [late]`. Beside each thing that is shared lies a plain word, stored before it is shared and loaded by who has got it.
// So TSan sees whether getting it comes after sharing it, and with `late`, where the word is stored afterwards, must
// report.
#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "shm/board_reader.hpp"
#include "shm/board_writer.hpp"
#include "shm/counters.hpp"
#include "shm/directory.hpp"
#include "shm/ring_follower.hpp"
#include "shm/ring_writer.hpp"

namespace {

bool late = false;
std::uint64_t wrong = 0;

// The plain words, by the number of what they lie beside.
class Beside {
public:
    explicit Beside(std::size_t size) : words_(size + 1) {}
    template <class Share>
    void with(std::uint64_t number, const Share& share) {
        if (!late) words_[number] = number * 3;
        share();
        if (late) words_[number] = number * 3;
    }
    void check(std::uint64_t number) const { wrong += words_[number] != number * 3 && !late; }

private:
    std::vector<std::uint64_t> words_;
};

// Two epochs one behind the other; the ring is lapped now and then, and the reader parks when it has all.
void ring(const std::string& dir) {
    constexpr std::uint64_t EVENTS = 20'000;
    constexpr std::uint64_t EPOCHS = 2;
    Beside beside(EPOCHS * EVENTS);
    auto writer = std::make_unique<fh::RingWriter>(dir, dir, "r", 1024);
    fh::RingFollowerOptions options;
    options.from_oldest = true;
    options.wait = fh::WaitPolicy::park;
    fh::RingFollower follower(dir, "r", options);
    (void)follower.poll();
    std::thread writing([&] {
        for (std::uint64_t n = 1; n <= EPOCHS * EVENTS; ++n) {
            if (n == EVENTS + 1) {
                writer.reset();
                writer = std::make_unique<fh::RingWriter>(dir, dir, "r", 1024);
            }
            beside.with(n, [&] {
                fh::Record record{};
                record.ref = n;
                record.ts_event = static_cast<std::int64_t>(n);
                writer->append(record);
                writer->end_event();
                writer->publish(0);
            });
            if (n % 50 == 0) fh::sleep_ns(20'000);
        }
    });
    std::uint64_t slept = 0;
    for (std::uint64_t last = 0; last < EPOCHS * EVENTS;) {
        const fh::RingBatch batch = follower.next(1'000'000'000);
        for (const fh::Record& record : batch.records) {
            wrong += record.ref <= last || record.ts_event != static_cast<std::int64_t>(record.ref);
            last = record.ref;
            beside.check(last);
        }
        if (last > slept + 2'000) {
            slept = last;
            fh::sleep_ns(3'000'000);  // long enough to be lapped
        }
    }
    writing.join();
    std::printf("%lu records, %lu lost\n", follower.records(), follower.lost());
}

void board(const std::string& dir) {
    constexpr std::uint32_t ROWS = 3;
    constexpr std::uint64_t CHANGES = 20'000;
    Beside beside(CHANGES + 1);
    fh::BoardWriter writer(dir, 1, ROWS, 1);
    fh::BoardReader reader(dir);
    auto since = reader.cursor();
    const auto first = since;
    std::thread writing([&] {
        for (std::uint64_t n = 1; n <= CHANGES; ++n) {
            beside.with(n, [&] {
                fh::BoardRow row{};
                row.updates = row.trades = n;
                const std::array<double, 4> levels{};
                writer.write(static_cast<std::uint32_t>(n % ROWS) + 1, row, levels.data());
            });
            writer.wake();
            if (n % 50 == 0) fh::sleep_ns(20'000);
        }
    });
    std::array<std::uint32_t, ROWS + 1> ids{};
    std::vector<std::uint64_t> bytes(reader.row_bytes() / 8);
    while (since - first < CHANGES) {
        reader.wait(since, fh::WaitPolicy::park, 1'000'000'000);
        const auto changed = reader.changes(since, ids.data());
        since = changed.cursor;
        if (since != first) beside.check(since - first);
        for (std::size_t i = 0; i < changed.count; ++i) {
            if (!reader.read(ids[i], bytes.data())) continue;
            const auto* row = reinterpret_cast<const fh::BoardRow*>(bytes.data());
            wrong += row->updates != row->trades || row->top.change != first + row->updates;
            beside.check(row->updates);
        }
    }
    writing.join();
    std::printf("%lu changes\n", since - first);
}

// Entries are plain bytes to readers: `count` alone says that they are there.
void directory(const std::string& dir) {
    constexpr std::uint32_t ENTRIES = 2'000;
    Beside beside(ENTRIES);
    const std::string path = dir + "/instruments.dir";
    fh::Directory appender(path, true);
    fh::Directory reader(path, true);
    std::thread writing([&] {
        for (std::uint32_t n = 1; n <= ENTRIES; ++n) {
            fh::DirectoryEntry entry{};
            entry.source = 1;
            entry.tick = n;
            std::snprintf(entry.venue_symbol, sizeof entry.venue_symbol, "S%u", n);
            beside.with(n, [&] { appender.add(entry); });
        }
    });
    for (std::uint32_t known = 0; known < ENTRIES;) {
        const auto now = reader.refresh();
        for (; known < now; ++known) {
            wrong += reader.get(known + 1)->tick != known + 1;
            beside.check(known + 1);
        }
    }
    writing.join();
    std::printf("%u entries\n", reader.size());
}

// Each cell is a word by itself and nothing lies beside it: there is no `late`.
void counters(const std::string& dir) {
    constexpr std::uint64_t COUNTS = 20'000;
    fh::Counters cells(dir, "p", 0);
    std::vector<std::thread> writing;
    for (std::size_t slot = 1; slot <= 2; ++slot)
        writing.emplace_back([&cells, slot] {
            for (std::uint64_t n = 0; n < COUNTS; ++n) cells.add(fh::Counter::fix_reads, slot, 1);
        });
    std::uint64_t last = 0;
    while (last < 2 * COUNTS) {
        const auto sum = cells.get(fh::Counter::fix_reads, 1) + cells.get(fh::Counter::fix_reads, 2);
        wrong += sum < last;
        last = sum;
    }
    for (auto& thread : writing) thread.join();
    std::printf("%lu counted\n", last);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) return 2;
    const std::string what = argv[2];
    late = argc > 3;
    if (what == "ring") ring(argv[1]);
    if (what == "board") board(argv[1]);
    if (what == "directory") directory(argv[1]);
    if (what == "counters") counters(argv[1]);
    if (wrong != 0) std::printf("%lu wrong\n", wrong);
    return wrong == 0 ? 0 : 1;
}
