// BoardFollower: waiting for a board, changes, restarts of its writer and states, as one loop sees them.
#include "shm/board_follower.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "shm/board_writer.hpp"
#include "tests/native/check.hpp"

namespace {

using Writer = std::unique_ptr<fh::BoardWriter>;
using Ids = std::vector<std::uint32_t>;
constexpr std::int64_t WAIT_NS = 5'000'000'000;

std::string folder() {
    char pattern[] = "/dev/shm/fh-board-follower-test-XXXXXX";
    return ::mkdtemp(pattern);
}

Writer writer(const std::string& dir, std::uint64_t epoch, std::uint32_t rows = 10, std::uint32_t depth = 2) {
    auto made = std::make_unique<fh::BoardWriter>(dir, depth, rows, epoch);
    made->heartbeat(fh::monotonic_ns());
    return made;
}

void write(fh::BoardWriter& board, std::uint32_t id, double bid) {
    fh::BoardRow row{};
    fh::board_clear_prices(row);
    row.top.instrument = id;
    row.top.bid = bid;
    row.ts_recv = 7;
    const double levels[8] = {bid, 1, bid - 1, 2, bid + 1, 3, bid + 2, 4};
    CHECK(board.write(id, row, levels));
    board.wake();
}

Ids ids(const fh::BoardNews& news) { return {news.ids.begin(), news.ids.end()}; }

void a_board_that_comes_later_is_found_with_all_its_rows(const std::string& dir) {
    fh::BoardFollower board(dir);
    const auto before = board.poll();
    CHECK(before.state == fh::Attach::missing && before.state_changed && before.ids.empty());
    CHECK(!board.problem().empty());
    fh::BoardTop top;
    CHECK(!board.read_top(1, top) && board.row(1) == nullptr);
    CHECK(!board.next(0).any());
    const auto w = writer(dir, 1);
    write(*w, 3, 1.5);
    write(*w, 2, 2.5);
    const auto found = board.next(WAIT_NS);
    CHECK(found.state == fh::Attach::ok && found.state_changed && found.board_changed && found.all);
    CHECK(ids(found) == Ids({2, 3}));
    CHECK(board.problem().empty());
    CHECK(board.read_top(3, top) && top.bid == 1.5);
    const auto* row = board.row(2);
    CHECK(row != nullptr && row->top.bid == 2.5 && row->ts_recv == 7);
    CHECK(board.bids()[0] == 2.5 && board.bids()[2] == 1.5 && board.bids().size() == 4);
    CHECK(board.asks()[0] == 3.5 && board.asks()[3] == 4);
    CHECK(board.row(0) == nullptr && board.row(11) == nullptr);
}

void only_what_changes_is_named_each_once(const std::string& dir) {
    const auto w = writer(dir, 2);
    write(*w, 1, 1);
    fh::BoardFollower board(dir, {.from_now = true});
    const auto first = board.poll();
    CHECK(first.board_changed && first.ids.empty());
    write(*w, 4, 1);
    write(*w, 2, 1);
    write(*w, 4, 2);
    const auto news = board.next(WAIT_NS);
    CHECK(ids(news) == Ids({4, 2}));
    CHECK(!news.all && !news.state_changed && !news.board_changed);
    CHECK(!board.next(0).any());
}

void a_restarted_conflators_board_is_gone_over_to(const std::string& dir) {
    auto w = writer(dir, 3);
    fh::BoardFollower board(dir);
    write(*w, 1, 1);
    CHECK(ids(board.poll()) == Ids({1}));
    w.reset();
    const auto dead = board.next(WAIT_NS);
    CHECK(dead.state == fh::Attach::writer_dead && dead.state_changed);
    fh::BoardTop top;
    CHECK(board.read_top(1, top) && top.bid == 1);  // the last state stays readable
    w = writer(dir, 4, 20, 5);
    {
        fh::BoardRow row{};
        row.top.instrument = 15;
        row.top.bid = 9;
        const std::vector<double> levels(20, 0.5);
        CHECK(w->write(15, row, levels.data()));
    }
    Ids named;
    bool changed = false;
    while (named.empty()) {
        const auto news = board.next(WAIT_NS);
        if (!news.any()) break;
        changed = changed || news.board_changed;
        const auto some = ids(news);
        named.insert(named.end(), some.begin(), some.end());
    }
    CHECK(changed && named == Ids({15}));
    CHECK(board.state() == fh::Attach::ok);
    CHECK_EQ(board.restarts(), 1U);
    CHECK_EQ(board.depth(), 5U);
    CHECK(board.row(15) != nullptr && board.bids().size() == 10 && board.asks()[9] == 0.5);
}

void a_conflator_that_stands_still_is_stalled(const std::string& dir) {
    const auto w = writer(dir, 5);
    w->heartbeat(fh::monotonic_ns() + 600'000'000'000);
    fh::BoardFollower board(dir, {.stall_ns = 1'000'000'000});
    CHECK(board.poll().state == fh::Attach::ok);
    w->heartbeat(fh::monotonic_ns() - 2'000'000'000);
    const auto stalled = board.next(WAIT_NS);
    CHECK(stalled.state == fh::Attach::stalled && stalled.state_changed);
    w->heartbeat(fh::monotonic_ns() + 600'000'000'000);
    write(*w, 1, 1);
    CHECK(board.next(WAIT_NS).state == fh::Attach::ok);
}

void what_is_no_board_is_said_so_until_there_is_one(const std::string& dir) {
    std::filesystem::remove(dir + "/board");
    {
        const fh::File file = fh::File::open(dir + "/board", O_RDWR | O_CREAT);
        CHECK(::ftruncate(file.fd(), 100'000) == 0);
    }
    fh::BoardFollower board(dir);
    const auto refused = board.poll();
    CHECK(refused.state != fh::Attach::ok && refused.state != fh::Attach::missing);
    CHECK(board.problem().find(dir + "/board") != std::string::npos);
    const auto w = writer(dir, 6);
    write(*w, 1, 1);
    CHECK(ids(board.next(WAIT_NS)) == Ids({1}));
}

}  // namespace

int main() {
    const std::string dir = folder();
    a_board_that_comes_later_is_found_with_all_its_rows(dir);
    only_what_changes_is_named_each_once(dir);
    a_restarted_conflators_board_is_gone_over_to(dir);
    a_conflator_that_stands_still_is_stalled(dir);
    what_is_no_board_is_said_so_until_there_is_one(dir);
    std::filesystem::remove_all(dir);
    return check_failures == 0 ? 0 : 1;
}
