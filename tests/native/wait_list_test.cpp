// WaitList: one sleep for board and rings, ended by whichever has something first.
#include "shm/wait_list.hpp"

#include <filesystem>
#include <string>
#include <thread>

#include "shm/board_writer.hpp"
#include "shm/ring_writer.hpp"
#include "tests/native/check.hpp"

namespace {

std::string folder() {
    char pattern[] = "/dev/shm/fh-wait-list-test-XXXXXX";
    return ::mkdtemp(pattern);
}

void publish(fh::RingWriter& ring) {
    ring.append(fh::Record{});
    ring.end_event();
    ring.publish(0);
}

void write(fh::BoardWriter& board) {
    fh::BoardRow row{};
    row.top.instrument = 1;
    const double levels[4] = {};
    CHECK(board.write(1, row, levels));
    board.wake();
}

// Waits in turns, as an engine does, until there is something; false where that takes more than 5 s.
bool comes(fh::WaitList& news, fh::WaitPolicy policy) {
    const auto deadline = fh::monotonic_ns() + 5'000'000'000;
    while (fh::monotonic_ns() < deadline)
        if (news.wait(policy, 1'000'000'000)) return true;
    return false;
}

void any_of_them_ends_the_wait(const std::string& dir, fh::WaitPolicy policy) {
    fh::BoardWriter board_writer(dir, 1, 4, static_cast<std::uint64_t>(fh::realtime_ns()));
    fh::RingWriter first(dir, dir, "first", 64);
    fh::RingWriter second(dir, dir, "second", 64);
    fh::BoardFollower board(dir);
    fh::RingFollower a(dir, "first");
    fh::RingFollower b(dir, "second");
    fh::RingFollower later(dir, "later");  // not there: waits for nobody, keeps nobody from sleeping
    CHECK(board.poll().board_changed && a.poll().epoch_changed && b.poll().epoch_changed && later.poll().news());
    fh::WaitList news;
    news.add(board);
    news.add(a);
    news.add(b);
    news.add(later);
    CHECK(!news.ready() && !news.wait(policy, 0) && !news.wait(policy, 1'000'000));

    publish(first);
    CHECK(news.wait(policy, 0) && a.ready() && !b.ready() && !board.ready());
    CHECK_EQ(a.poll().records.size(), 1U);

    std::thread rings([&] {
        fh::sleep_ns(30'000'000);
        publish(second);
    });
    CHECK(comes(news, policy) && b.ready());
    CHECK_EQ(b.poll().records.size(), 1U);
    rings.join();

    std::thread boards([&] {
        fh::sleep_ns(30'000'000);
        write(board_writer);
    });
    CHECK(comes(news, policy) && board.ready());
    CHECK_EQ(board.poll().ids.size(), 1U);
    boards.join();
    CHECK(!news.ready());
}

}  // namespace

int main() {
    for (const auto policy : {fh::WaitPolicy::park, fh::WaitPolicy::adaptive, fh::WaitPolicy::yield}) {
        const std::string dir = folder();
        any_of_them_ends_the_wait(dir, policy);
        std::filesystem::remove_all(dir);
    }
    return check_failures == 0 ? 0 : 1;
}
