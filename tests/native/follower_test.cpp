// RingFollower: waiting for a ring, restarts, laps and states, as one loop sees them.
#include "shm/ring_follower.hpp"

#include <memory>
#include <string>
#include <vector>

#include "shm/ring_writer.hpp"
#include "tests/native/check.hpp"

namespace {

using Writer = std::unique_ptr<fh::RingWriter>;
constexpr std::int64_t WAIT_NS = 5'000'000'000;

std::string folder() {
    char pattern[] = "/dev/shm/fh-follower-test-XXXXXX";
    return ::mkdtemp(pattern);
}

Writer writer(const std::string& dir, const std::string& ring) {
    return std::make_unique<fh::RingWriter>(dir, dir, ring, 64);
}

void publish(fh::RingWriter& ring, double price, int records = 1) {
    for (int i = 0; i < records; ++i) {
        fh::Record record;
        record.kind = fh::Kind::level;
        record.price = price;
        ring.append(record);
        ring.end_event();
    }
    ring.publish(0);
}

// Reads until nothing new comes: what happened, in words.
std::string story(fh::RingFollower& ring, std::size_t records) {
    std::string told;
    std::size_t seen = 0;
    while (true) {
        const auto batch = ring.next(seen < records ? WAIT_NS : 0);
        if (!batch.news()) return told;
        if (batch.epoch_changed) told += "epoch ";
        if (batch.state_changed) told += "state" + std::to_string(static_cast<int>(batch.state)) + " ";
        if (batch.lost != 0) told += "lost" + std::to_string(batch.lost) + " ";
        for (const auto& record : batch.records) told += std::to_string(static_cast<int>(record.price)) + " ";
        seen += batch.records.size();
    }
}

void a_ring_that_comes_later_is_read_from_its_first_record(const std::string& dir) {
    fh::RingFollower ring(dir, "late");
    auto batch = ring.poll();
    CHECK(batch.state == fh::Attach::missing && batch.state_changed && batch.records.empty());
    CHECK(!ring.next(0).news());
    const auto w = writer(dir, "late");
    publish(*w, 1);
    publish(*w, 2);
    CHECK_EQ(story(ring, 2), std::string("epoch state0 1 2 "));
    CHECK_EQ(ring.records(), 2U);
}

void one_that_is_there_is_read_from_the_next_record_or_the_oldest(const std::string& dir) {
    const auto w = writer(dir, "there");
    publish(*w, 1);
    fh::RingFollower next(dir, "there");
    fh::RingFollower oldest(dir, "there", {.from_oldest = true});
    CHECK_EQ(story(next, 0), std::string("epoch state0 "));
    publish(*w, 2);
    CHECK_EQ(story(next, 1), std::string("2 "));
    CHECK_EQ(story(oldest, 2), std::string("epoch state0 1 2 "));
}

void restarts_are_followed_one_by_one_after_the_drain(const std::string& dir) {
    auto w = writer(dir, "again");
    fh::RingFollower ring(dir, "again");
    CHECK(ring.poll().state == fh::Attach::ok);
    publish(*w, 1);
    w.reset();
    w = writer(dir, "again");
    publish(*w, 2);
    w.reset();
    w = writer(dir, "again");
    publish(*w, 3);
    CHECK_EQ(story(ring, 3), std::string("1 epoch state4 2 epoch state0 3 "));
    CHECK_EQ(ring.restarts(), 2U);
    CHECK_EQ(ring.lost(), 0U);
    w.reset();
    const auto dead = ring.next(WAIT_NS);
    CHECK(dead.state == fh::Attach::writer_dead && dead.state_changed && !dead.epoch_changed);
}

void an_epoch_that_is_gone_counts_one(const std::string& dir) {
    auto w = writer(dir, "gone");
    fh::RingFollower ring(dir, "gone");
    CHECK(ring.poll().state == fh::Attach::ok);
    w.reset();
    w = writer(dir, "gone");
    publish(*w, 1);
    const auto gone = w->epoch();
    w.reset();
    w = writer(dir, "gone");
    publish(*w, 2);
    ::unlink(fh::ring_path(dir, "gone", gone).c_str());
    CHECK(ring.follow() && ring.loss_pending());
    const auto batch = ring.poll();
    CHECK(batch.lost == 1 && batch.epochs_gone && !ring.loss_pending());
    CHECK_EQ(story(ring, 1), std::string("2 "));
    CHECK_EQ(ring.lost(), 1U);
    CHECK_EQ(ring.epochs_gone(), 1U);
}

void an_epoch_of_another_version_is_told_and_passed_when_a_later_one_fits(const std::string& dir) {
    auto w = writer(dir, "other");
    fh::RingFollower ring(dir, "other");
    CHECK(ring.poll().state == fh::Attach::ok);
    w.reset();
    w = writer(dir, "other");
    {
        const fh::File file = fh::File::open(fh::ring_path(dir, "other", w->epoch()), O_RDWR);
        const std::uint32_t version = 77;
        CHECK(::pwrite(file.fd(), &version, sizeof version, 8) == sizeof version);
    }
    const auto refused = ring.next(WAIT_NS);
    CHECK(refused.state == fh::Attach::version_mismatch && refused.state_changed);
    try {
        ring.demand();
        CHECK(false);
    } catch (const fh::SegmentVersion& error) {
        CHECK_EQ(error.found, 77U);
    }
    w.reset();
    w = writer(dir, "other");
    publish(*w, 3);
    CHECK_EQ(story(ring, 1), std::string("epoch state0 lost1 3 "));
    ring.demand();
}

void a_lap_is_told_once_and_counted_exactly(const std::string& dir) {
    const auto w = writer(dir, "lap");
    fh::RingFollower ring(dir, "lap");
    CHECK(ring.poll().state == fh::Attach::ok);
    for (int i = 0; i < 10; ++i) publish(*w, i, 20);
    std::uint64_t read = 0;
    std::uint64_t lost = 0;
    std::uint64_t next = 1;
    while (true) {
        const auto batch = ring.next(0);
        if (!batch.news()) break;
        CHECK(batch.lost == 0 || batch.records.empty());
        lost += batch.lost;
        next += batch.lost;
        for (const auto& record : batch.records) CHECK_EQ(record.seq, next++);
        read += batch.records.size();
    }
    CHECK_EQ(read + lost, 200U);
    CHECK(lost > 0);
    CHECK_EQ(ring.lost(), lost);
    CHECK_EQ(ring.records(), read);
    CHECK_EQ(ring.laps(), 1U);
}

void a_writer_that_stands_still_is_stalled_and_comes_back(const std::string& dir) {
    const auto w = writer(dir, "still");
    fh::RingFollower ring(dir, "still", {.stall_ns = 1'000'000'000});
    w->heartbeat(fh::monotonic_ns());
    CHECK(ring.poll().state == fh::Attach::ok);
    w->heartbeat(fh::monotonic_ns() - 2'000'000'000);
    const auto stalled = ring.next(WAIT_NS);
    CHECK(stalled.state == fh::Attach::stalled && stalled.state_changed);
    w->heartbeat(fh::monotonic_ns());
    publish(*w, 1);
    const auto back = ring.next(WAIT_NS);
    CHECK(back.state == fh::Attach::ok && back.state_changed && back.records.size() == 1);
}

}  // namespace

int main() {
    const std::string dir = folder();
    a_ring_that_comes_later_is_read_from_its_first_record(dir);
    one_that_is_there_is_read_from_the_next_record_or_the_oldest(dir);
    restarts_are_followed_one_by_one_after_the_drain(dir);
    an_epoch_that_is_gone_counts_one(dir);
    an_epoch_of_another_version_is_told_and_passed_when_a_later_one_fits(dir);
    a_lap_is_told_once_and_counted_exactly(dir);
    a_writer_that_stands_still_is_stalled_and_comes_back(dir);
    std::filesystem::remove_all(dir);
    return check_failures == 0 ? 0 : 1;
}
