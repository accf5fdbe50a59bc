// A board whose every row says by itself whether it is whole: the writer, and a reader that looks all the time.
//
//   mode=write|read dir report rows=16 depth=3 epoch=1
//   die=point:turn:signal      where it ends or stops
//   runs=0                     write: ends behind so many writes (0: never)
//
// Writer and reader agree on every word of a row: it is noise made of the instrument and the count of its writes.
#ifdef FH_STRESS_POINTS
#include "tests/stress/kill_point.hpp"
#endif
#include <array>
#include <bit>
#include <cstring>
#include <vector>

#include "shm/board.hpp"
#include "tests/stress/options.hpp"

namespace {

constexpr std::size_t ROWS_MAX = 64;
constexpr std::size_t ROW_WORDS = sizeof(fh::BoardRow) / 8;

// Writer: intent and done are the writes of each row. Reader: done is the newest write it saw, torn what never may be.
struct Report {
    std::uint64_t intent[ROWS_MAX];
    std::uint64_t done[ROWS_MAX];
    std::uint64_t whole;
    std::uint64_t refused;
    std::uint64_t torn;
    std::uint64_t went_back;
    std::uint64_t attached;
};

std::uint64_t noise(std::uint64_t id, std::uint64_t write, std::uint64_t word) {
    return stress::mix(id << 48 ^ write << 8 ^ word);
}

// Everything but the board's own words (version, change); `updates` is the count of writes, `instrument` the id.
fh::BoardRow made(std::uint32_t id, std::uint64_t write) {
    std::array<std::uint64_t, ROW_WORDS> words;
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = noise(id, write, i);
    auto row = std::bit_cast<fh::BoardRow>(words);
    row.top.instrument = id;
    row.updates = write;
    return row;
}

int write(const stress::Options& options) {
    const auto rows = static_cast<std::uint32_t>(options.number("rows", 16));
    const auto depth = static_cast<std::uint32_t>(options.number("depth", 3));
    stress::Figures<Report> report(options.text("report"), true);
    fh::BoardWriter board(options.text("dir"), depth, rows, options.number("epoch", 1));
    std::vector<double> levels(std::size_t{depth} * 4);
    for (std::uint64_t run = 0; options.number("runs") == 0 || run < options.number("runs"); ++run) {
        const auto id = static_cast<std::uint32_t>(run % rows + 1);
        const auto count = report->done[id] + 1;
        const fh::BoardRow row = made(id, count);
        for (std::size_t i = 0; i < levels.size(); ++i) levels[i] = std::bit_cast<double>(noise(id, count, 1000 + i));
        fh::store(report->intent[id], count, std::memory_order_release);
        board.write(id, row, levels.data());
        fh::store(report->done[id], count, std::memory_order_release);
        if (id == rows) board.wake();
    }
    return 0;
}

void look(fh::BoardReader& board, Report& report, std::uint32_t id, std::vector<std::uint64_t>& words) {
    if (!board.read(id, words.data())) {
        ++report.refused;
        return;
    }
    fh::BoardRow row;
    std::memcpy(&row, words.data(), sizeof row);
    if (row.top.change == 0) return;  // never written
    fh::BoardRow wanted = made(id, row.updates);
    wanted.top.version = row.top.version;
    wanted.top.change = row.top.change;
    bool same = std::memcmp(&row, &wanted, sizeof row) == 0;
    for (std::size_t i = 0; i < std::size_t{board.depth()} * 4; ++i)
        same = same && words[ROW_WORDS + i] == noise(id, row.updates, 1000 + i);
    ++(same ? report.whole : report.torn);
    if (same && row.updates < report.done[id]) ++report.went_back;
    if (same) fh::store(report.done[id], row.updates, std::memory_order_release);
}

int read(const stress::Options& options) {
    stress::Figures<Report> report(options.text("report"), true);
    fh::BoardReader board(options.text("dir"));
    std::vector<std::uint64_t> words(board.row_bytes() / 8);
    for (;;) {
        ++report->attached;
        while (!board.replaced())
            for (std::uint32_t id = 1; id <= board.rows(); ++id) look(board, *report, id, words);
        board.attach();
        for (auto& done : report->done) done = 0;  // a new file, new counts
    }
}

}  // namespace

int main(int argc, char** argv) {
    const stress::Options options(argc, argv);
#ifdef FH_STRESS_POINTS
    stress::arm(options.text("die"));
#endif
    return options.text("mode") == "write" ? write(options) : read(options);
}
