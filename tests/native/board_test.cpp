// The board: rows, changes behind a cursor, writers that die at each step, readers beside a fast writer.
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <string_view>

namespace {

// What is to happen at a place in the code under test, and at which passing of it.
std::string_view point;
thread_local int turn = 0;
std::function<void()> event;

void at_point(std::string_view name) {
    if (turn > 0 && name == point && --turn == 0) event();
}

void expect_at(std::string_view name, int passing, std::function<void()> what) {
    point = name;
    turn = passing;
    event = std::move(what);
}

}  // namespace

#define FH_POINT(name) at_point(name)

#include <atomic>
#include <filesystem>
#include <thread>

#include "shm/board.hpp"
#include "tests/native/check.hpp"

namespace {

constexpr std::uint32_t DEPTH = 3;
constexpr std::uint32_t ROWS = 20;
constexpr std::uint32_t LOG = fh::BOARD_LOG_MIN;
using Words = std::vector<std::uint64_t>;

std::string folder() {
    char pattern[] = "/dev/shm/fh-board-test-XXXXXX";
    return ::mkdtemp(pattern);
}

// Every word of the row is `value`, so that a mixture of two writes shows.
void write(fh::BoardWriter& board, std::uint32_t instrument, std::uint64_t value) {
    fh::BoardRow row;
    auto* words = reinterpret_cast<std::uint64_t*>(&row);
    std::fill(words, words + sizeof row / 8, value);
    std::uint64_t levels[DEPTH * 4];
    std::fill(levels, levels + DEPTH * 4, value);
    CHECK(board.write(instrument, row, reinterpret_cast<const double*>(levels)));
}

// The value that fills a row; ~0 where the row is a mixture.
std::uint64_t whole(const std::uint64_t* row) {
    for (std::size_t i = 3; i < sizeof(fh::BoardRow) / 8 + DEPTH * 4; ++i)
        if (row[i] != row[2]) return ~0ULL;
    return row[2];
}

std::uint64_t value_of(const fh::BoardReader& board, std::uint32_t instrument) {
    Words row(board.row_bytes() / 8);
    return board.read(instrument, row.data()) ? whole(row.data()) : ~1ULL;
}

std::vector<std::uint32_t> ids(fh::BoardReader& board, std::uint64_t& cursor, bool* rescanned = nullptr) {
    std::vector<std::uint32_t> found(board.rows());
    const auto changes = board.changes(cursor, found.data());
    found.resize(changes.count);
    cursor = changes.cursor;
    if (rescanned != nullptr) *rescanned = changes.rescanned;
    return found;
}

// A writer process that writes rows 1, 2, 3 and dies at the nth passing of a point.
void die_at(const std::string& dir, std::string_view name, int passing, std::uint64_t epoch) {
    const pid_t child = ::fork();
    if (child == 0) {
        expect_at(name, passing, [] { ::raise(SIGKILL); });
        fh::BoardWriter board(dir, DEPTH, ROWS, epoch, LOG);
        for (std::uint32_t instrument = 1; instrument <= 3; ++instrument) write(board, instrument, 100 + instrument);
        board.wake();
        ::_exit(1);  // the point was not met
    }
    int status = 0;
    CHECK(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

struct Outcome {
    const char* point;
    int turn;
    std::uint64_t row_2;  // ~1: half written
    std::vector<std::uint32_t> told;
};

// Allowed: the row before the dying write or after it, and no more told than was written. Forbidden: a mixture read as
// a row, a row that keeps others from being read, a change told of a row that cannot be read.
void a_writer_that_dies_costs_at_most_the_row_it_was_in(const std::string& dir) {
    constexpr std::uint64_t HALF = ~1ULL;
    const int words = sizeof(fh::BoardRow) / 8 - 2 + DEPTH * 4;
    const Outcome outcomes[] = {
        {"board.opened", 2, HALF, {1}},          {"words.stored", words + 1, HALF, {1}},
        {"words.stored", words + 20, HALF, {1}}, {"words.stored", 2 * words, HALF, {1}},
        {"board.closed", 2, 102, {1}},           {"board.logged", 2, 102, {1}},
        {"board.told", 2, 102, {1, 2}},
    };
    std::uint64_t epoch = 10;
    for (const Outcome& outcome : outcomes) {
        die_at(dir, outcome.point, outcome.turn, ++epoch);
        fh::BoardReader board(dir);
        std::uint64_t cursor = epoch;
        cursor = std::max(cursor, board.cursor() - outcome.told.size());
        const auto begin = cursor;
        CHECK(!board.writer_alive());
        CHECK_EQ(value_of(board, 1), 101U);
        CHECK_EQ(value_of(board, 2), outcome.row_2);
        CHECK(ids(board, cursor) == outcome.told);
        CHECK_EQ(cursor, begin + outcome.told.size());
        Words table((ROWS + 1) * board.row_bytes() / 8);
        CHECK_EQ(board.read_all(table.data()), outcome.row_2 == HALF ? 1U : 0U);
        fh::BoardWriter successor(dir, DEPTH, ROWS, ++epoch, LOG);
        CHECK(board.superseded());
        board.attach();
        bool rescanned = false;
        write(successor, 7, 9);
        CHECK(ids(board, cursor, &rescanned) == std::vector<std::uint32_t>({7}));
        CHECK(rescanned);
    }
}

void a_writer_that_dies_at_its_start_leaves_the_old_board(const std::string& dir) {
    {
        fh::BoardWriter first(dir, DEPTH, ROWS, 1000, LOG);
        write(first, 5, 5);
    }
    fh::BoardReader board(dir);
    for (const char* name : {"board.created", "board.ready"}) {
        die_at(dir, name, 1, 1001);
        CHECK(!board.superseded() && !board.replaced());
        board.attach();
        CHECK_EQ(value_of(board, 5), 5U);
    }
    // Between rename and hint: the new file is there, and who asks the file system sees it.
    die_at(dir, "board.renamed", 1, 1002);
    CHECK(!board.superseded() && board.replaced() && !board.writer_alive());
    CHECK_EQ(value_of(board, 5), 5U);
    die_at(dir, "board.hinted", 1, 1003);
    CHECK(board.superseded());
    board.attach();
    CHECK_EQ(board.publisher_epoch(), 1003U);
}

void the_first_line_is_read_alone(const std::string& dir) {
    fh::BoardWriter writer(dir, DEPTH, ROWS, 2000);
    fh::BoardRow row{};
    row.top.bid = 1.5;
    row.top.state = static_cast<std::uint16_t>(fh::State::synced);
    const double levels[DEPTH * 4] = {};
    CHECK(writer.write(4, row, levels));
    const fh::BoardReader board(dir);
    fh::BoardTop top{};
    CHECK(board.read_top(4, top));
    CHECK(top.bid == 1.5 && top.state == 4 && top.version == 2 && top.change == board.cursor());
    CHECK(!board.read_top(0, top) && !board.read_top(ROWS + 1, top));
    CHECK(!writer.write(0, row, levels) && !writer.write(ROWS + 1, row, levels));
}

void a_row_that_is_written_while_it_is_copied_is_copied_again(const std::string& dir) {
    fh::BoardWriter writer(dir, DEPTH, ROWS, 2100);
    const fh::BoardReader board(dir);
    write(writer, 1, 5);
    expect_at("board.copied", 1, [&writer] { write(writer, 1, 6); });
    CHECK_EQ(value_of(board, 1), 6U);
    expect_at("words.stored", 9, [&board] { CHECK_EQ(value_of(board, 1), ~1ULL); });  // in the midst of a row
    write(writer, 1, 7);
    CHECK_EQ(turn, 0);
    CHECK_EQ(value_of(board, 1), 7U);
}

// The writer goes on while a reader is between the ids and its second look at the cursor.
void a_reader_that_is_overtaken_while_it_looks_notices(const std::string& dir) {
    fh::BoardWriter writer(dir, DEPTH, ROWS, 2200, LOG);
    fh::BoardReader board(dir);
    for (const std::uint32_t more : {LOG - 6, LOG - 5}) {
        std::uint64_t cursor = board.cursor();
        const auto begin = cursor;
        for (const std::uint32_t instrument : {3, 4, 3, 5, 3}) write(writer, instrument, 1);
        expect_at("board.listed", 1, [&writer, more] {
            for (std::uint32_t i = 0; i < more; ++i) write(writer, 6, i);
        });
        bool rescanned = false;
        const auto found = ids(board, cursor, &rescanned);
        CHECK_EQ(turn, 0);
        CHECK_EQ(cursor, begin + 5);
        CHECK_EQ(rescanned, more == LOG - 5);
        CHECK(found == (rescanned ? std::vector<std::uint32_t>({3, 4, 5, 6}) : std::vector<std::uint32_t>({3, 4, 5})));
        CHECK(ids(board, cursor) == std::vector<std::uint32_t>({6}));
    }
}

// A reader of everything it is told, until it has the last value of every row.
struct Follower {
    std::vector<std::uint64_t> held = std::vector<std::uint64_t>(ROWS + 1, 0);
    std::size_t mixtures = 0;
    std::size_t backwards = 0;
    std::size_t rescans = 0;
    std::size_t turns = 0;

    void run(const std::string& dir, std::uint64_t last, int pause_us) {
        fh::BoardReader board(dir);
        std::vector<std::uint32_t> found(ROWS);
        Words rows(ROWS * board.row_bytes() / 8);
        std::uint64_t cursor = 0;
        const auto deadline = fh::monotonic_ns() + 60'000'000'000;
        while (cursor < last && fh::monotonic_ns() < deadline) {
            if (!board.wait(cursor, fh::WaitPolicy::park, 1'000'000'000)) continue;
            const auto changes = board.changes(cursor, found.data());
            mixtures += board.read_many(found.data(), changes.count, rows.data());
            for (std::size_t i = 0; i < changes.count; ++i) {
                const auto value = whole(&rows[i * board.row_bytes() / 8]);
                if (value == ~0ULL)
                    ++mixtures;
                else if (value < held[found[i]])
                    ++backwards;
                else
                    held[found[i]] = value;
            }
            cursor = changes.cursor;
            rescans += changes.rescanned;
            ++turns;
            if (pause_us > 0) fh::sleep_ns(pause_us * 1000);
        }
    }
};

// Allowed: whole rows, never older than the one held before, in the end the last of each. Forbidden: anything else.
void readers_beside_a_fast_writer_end_with_its_last_word(const std::string& dir) {
    constexpr std::uint64_t WRITES = 300'000;
    fh::BoardWriter writer(dir, DEPTH, ROWS, 3000, LOG);
    const auto last = writer.changes() + WRITES;
    Follower followers[3];
    const int pauses[3] = {0, 50, 20'000};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) threads.emplace_back([&, i] { followers[i].run(dir, last, pauses[i]); });
    std::vector<std::uint64_t> expected(ROWS + 1, 0);
    for (std::uint64_t n = 1; n <= WRITES; ++n) {
        // Nine of ten go to three rows; some rows change early and never again.
        const auto instrument = n < 1000 ? 1 + n % ROWS : n % 10 == 0 ? 4 + n / 10 % (ROWS / 2) : 1 + n % 3;
        write(writer, static_cast<std::uint32_t>(instrument), n);
        expected[instrument] = n;
        if (n % 64 == 0) writer.wake();
        if (n % 4096 == 0) fh::sleep_ns(100'000);  // so that three readers have a turn on two cores
    }
    writer.wake();
    for (auto& thread : threads) thread.join();
    for (const Follower& follower : followers) {
        CHECK(follower.held == expected);
        CHECK_EQ(follower.mixtures, 0U);
        CHECK_EQ(follower.backwards, 0U);
        CHECK(follower.turns > 3);
    }
    CHECK(followers[2].rescans > 1);  // it sleeps through more than the log holds
}

}  // namespace

int main() {
    const std::string dir = folder();
    a_writer_that_dies_costs_at_most_the_row_it_was_in(dir);
    a_writer_that_dies_at_its_start_leaves_the_old_board(dir);
    the_first_line_is_read_alone(dir);
    a_row_that_is_written_while_it_is_copied_is_copied_again(dir);
    a_reader_that_is_overtaken_while_it_looks_notices(dir);
    readers_beside_a_fast_writer_end_with_its_last_word(dir);
    std::filesystem::remove_all(dir);
    return check_failures == 0 ? 0 : 1;
}
