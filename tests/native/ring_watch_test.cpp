// The descriptor that is readable while a ring has something: every record is announced, nothing is announced for ever.
#include "shm/ring_watch.hpp"

#include <poll.h>

#include <memory>
#include <string>
#include <thread>

#include "shm/ring_follower.hpp"
#include "shm/ring_writer.hpp"
#include "tests/native/check.hpp"

namespace {

constexpr int LONG_MS = 20'000;

bool readable(int fd, int timeout_ms) {
    pollfd wanted{fd, POLLIN, 0};
    return ::poll(&wanted, 1, timeout_ms) == 1;
}

void publish(fh::RingWriter& writer, double price = 0) {
    fh::Record record;
    record.price = price;
    writer.append(record);
    writer.end_event();
    writer.publish(0);
}

void readable_from_a_record_to_the_poll_that_finds_nothing(const std::string& dir) {
    fh::RingWriter writer(dir, dir, "a", 64);
    fh::RingFollower ring(dir, "a", {.max_records = 1});
    const int fd = ring.fd();
    while (ring.poll().state != fh::Attach::ok) CHECK(readable(fd, LONG_MS));  // no ring yet: by the clock
    while (ring.poll().news()) continue;
    CHECK(!readable(fd, 5));
    publish(writer, 1);
    publish(writer, 2);
    CHECK(readable(fd, LONG_MS));
    CHECK_EQ(ring.poll().records.size(), 1U);
    CHECK(readable(fd, LONG_MS));  // one is left
    CHECK_EQ(ring.poll().records.size(), 1U);
    CHECK(!ring.poll().news());
    CHECK(!readable(fd, 5));
}

// One record at a time, each answered before the next: one that is not announced would last LONG_MS.
void no_record_goes_unannounced(const std::string& dir) {
    constexpr std::uint64_t TURNS = 5'000;
    fh::RingWriter writer(dir, dir, "b", 64);
    fh::RingFollower ring(dir, "b");
    ring.attach();
    const int fd = ring.fd();
    alignas(fh::CACHE_LINE) std::uint64_t answered = 0;
    std::thread other([&] {
        for (std::uint64_t turn = 1; turn <= TURNS; ++turn) {
            publish(writer);
            while (fh::load(answered, std::memory_order_acquire) < turn) std::this_thread::yield();
        }
    });
    for (std::uint64_t turn = 1; turn <= TURNS; ++turn) {
        std::size_t taken = 0;
        while (taken == 0) {
            if (!readable(fd, LONG_MS)) ++check_failures;
            taken = ring.poll().records.size();
        }
        CHECK_EQ(taken, 1U);
        while (ring.poll().news()) ++check_failures;
        fh::store(answered, turn, std::memory_order_release);
    }
    other.join();
}

void a_restart_is_announced_and_followed(const std::string& dir) {
    auto writer = std::make_unique<fh::RingWriter>(dir, dir, "c", 64);
    fh::RingFollower ring(dir, "c");
    ring.attach();
    const int fd = ring.fd();
    while (ring.poll().news()) continue;
    writer.reset();
    writer = std::make_unique<fh::RingWriter>(dir, dir, "c", 64);
    publish(*writer, 7);
    double seen = 0;
    while (seen == 0) {
        if (!readable(fd, LONG_MS)) break;
        const auto batch = ring.poll();
        if (!batch.records.empty()) seen = batch.records[0].price;
    }
    CHECK_EQ(seen, 7.0);
    CHECK_EQ(ring.restarts(), 1U);
}

void one_that_does_not_follow_is_told_of_a_restart_and_then_left_alone(const std::string& dir) {
    auto writer = std::make_unique<fh::RingWriter>(dir, dir, "d", 64);
    fh::RingFollower ring(dir, "d", {.follow = false});
    ring.attach();
    const int fd = ring.fd();
    while (ring.poll().news()) continue;
    writer.reset();
    writer = std::make_unique<fh::RingWriter>(dir, dir, "d", 64);
    CHECK(readable(fd, LONG_MS));
    int told = 0;
    for (; told < 10 && readable(fd, 30); ++told) CHECK(ring.poll().records.empty());
    CHECK(told < 4);
    CHECK(ring.follow());
    publish(*writer);
    CHECK(readable(fd, LONG_MS));
    CHECK_EQ(ring.poll().records.size(), 1U);
}

void it_ends_with_its_reader(const std::string& dir) {
    const fh::RingWriter writer(dir, dir, "e", 64);
    for (int i = 0; i < 50; ++i) {
        fh::RingFollower ring(dir, "e");
        CHECK(ring.fd() >= 0);
    }
}

}  // namespace

int main() {
    char pattern[] = "/dev/shm/fh-watch-test-XXXXXX";
    const std::string dir = ::mkdtemp(pattern);
    readable_from_a_record_to_the_poll_that_finds_nothing(dir);
    no_record_goes_unannounced(dir);
    a_restart_is_announced_and_followed(dir);
    one_that_does_not_follow_is_told_of_a_restart_and_then_left_alone(dir);
    it_ends_with_its_reader(dir);
    std::filesystem::remove_all(dir);
    return check_failures;
}
