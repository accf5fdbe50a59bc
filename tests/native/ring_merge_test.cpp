// One timeline of several rings: order, watermarks, the bound, what comes late, losses, restarts, and the count of all.
#include "shm/ring_merge.hpp"

#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "shm/ring_writer.hpp"
#include "tests/native/check.hpp"

namespace {

constexpr std::int64_t BOUND = 1'000'000;
constexpr std::int64_t LONG_NS = 20'000'000'000;
using Writer = std::unique_ptr<fh::RingWriter>;

// Rings and their merge. Times are given against `now`, which is the shared clock's.
struct Bench {
    std::string dir;
    std::vector<Writer> writers;
    std::unique_ptr<fh::RingMerge> merge;
    fh::SharedClock clock;
    std::int64_t mono = fh::monotonic_ns();
    std::int64_t now = mono + clock.offset_ns();
    std::vector<fh::Record> out = std::vector<fh::Record>(4096);
    std::vector<std::uint16_t> rings = std::vector<std::uint16_t>(4096);

    Bench(std::string folder, std::size_t count, std::int64_t bound = BOUND) : dir(std::move(folder)), clock(dir) {
        std::vector<std::string> names;
        for (std::size_t i = 0; i < count; ++i) {
            names.push_back(dir.substr(dir.size() - 6) + std::to_string(i));
            writers.push_back(std::make_unique<fh::RingWriter>(dir, dir, names.back(), 64));
            writers.back()->heartbeat(INT64_MIN / 2);  // nothing is known of when the next record comes
        }
        merge = std::make_unique<fh::RingMerge>(dir, names, fh::RingFollowerOptions{.from_oldest = true}, bound);
        CHECK_EQ(poll(), std::string(""));
    }
    void publish(std::size_t ring, std::int64_t after_now_ns, std::uint32_t instrument = 1) const {
        fh::Record record;
        record.ts_recv = now + after_now_ns;
        record.instrument = instrument;
        writers[ring]->append(record);
        writers[ring]->end_event();
        writers[ring]->publish(0);
    }
    // "ring:time", and "late2", "lost3", "filtered4" where there is such.
    [[nodiscard]] std::string told(const fh::MergedBatch& batch) const {
        std::string text;
        for (std::size_t i = 0; i < batch.count; ++i)
            text += std::to_string(rings[i]) + ":" + std::to_string(out[i].ts_recv - now) + " ";
        if (batch.late != 0) text += "late" + std::to_string(batch.late) + " ";
        if (batch.lost != 0) text += "lost" + std::to_string(batch.lost) + " ";
        if (batch.filtered != 0) text += "filtered" + std::to_string(batch.filtered) + " ";
        return text;
    }
    std::string poll(std::int64_t later_ns = 0, std::size_t max = 4096) {
        return told(merge->poll({out.data(), max}, {rings.data(), max}, mono + later_ns));
    }
};

std::string folder() {
    char pattern[] = "/dev/shm/fh-merge-test-XXXXXX";
    return ::mkdtemp(pattern);
}

void records_come_by_time_then_ring_then_seq() {
    Bench bench(folder(), 3);
    for (const std::int64_t time : {1, 5, 5, 9}) bench.publish(0, time);
    for (const std::int64_t time : {2, 5, 7}) bench.publish(1, time);
    for (const std::int64_t time : {0, 5, 8}) bench.publish(2, time);
    CHECK_EQ(bench.poll(), std::string("2:0 0:1 1:2 0:5 0:5 1:5 2:5 1:7 "));  // ring 1 may still bring one at 7
    CHECK_EQ(bench.poll(), std::string(""));
    bench.publish(1, 8);  // at 8, ring 1 is before ring 2
    CHECK_EQ(bench.poll(), std::string("1:8 "));
    bench.publish(1, 9);
    CHECK_EQ(bench.poll(), std::string("2:8 "));
    CHECK_EQ(bench.merge->waiting(0) + bench.merge->waiting(1), 2U);
    std::filesystem::remove_all(bench.dir);
}

void a_silent_ring_holds_the_others_up_for_the_bound_only() {
    Bench bench(folder(), 2);
    bench.publish(0, 10);
    CHECK_EQ(bench.poll(), std::string(""));
    CHECK_EQ(bench.poll(BOUND + 9), std::string(""));
    CHECK_EQ(bench.poll(BOUND + 10), std::string("0:10 "));
    bench.publish(1, 4);  // its place has passed
    bench.publish(1, 20);
    CHECK_EQ(bench.poll(BOUND + 10), std::string("1:4 late1 "));
    bench.publish(0, 30);
    CHECK_EQ(bench.poll(BOUND + 10), std::string("1:20 "));
    std::filesystem::remove_all(bench.dir);
}

void a_heartbeat_says_that_nothing_older_comes() {
    Bench bench(folder(), 2);
    bench.publish(0, 10);
    bench.writers[1]->heartbeat(bench.mono + 9);
    CHECK_EQ(bench.poll(), std::string(""));
    bench.writers[1]->heartbeat(bench.mono + 11);
    CHECK_EQ(bench.poll(), std::string("0:10 "));
    std::filesystem::remove_all(bench.dir);
}

void a_ring_without_a_writer_holds_nothing_up() {
    Bench bench(folder(), 3);
    bench.publish(1, 3);
    bench.writers[1].reset();
    bench.writers[2].reset();
    bench.publish(0, 10);
    std::string seen;
    // Whether a writer lives is looked at by the clock, so not at once.
    for (int turn = 0; turn < 1000 && seen != "1:3 0:10 "; ++turn) {
        seen += bench.poll();
        fh::sleep_ns(1'000'000);
    }
    CHECK_EQ(seen, std::string("1:3 0:10 "));
    std::filesystem::remove_all(bench.dir);
}

void a_restart_ends_a_batch_and_is_followed() {
    Bench bench(folder(), 1);
    bench.publish(0, 1);
    CHECK_EQ(bench.poll(), std::string("0:1 "));
    const auto first = bench.merge->epoch(0);
    bench.publish(0, 2);
    bench.writers[0].reset();
    bench.writers[0] = std::make_unique<fh::RingWriter>(bench.dir, bench.dir, bench.merge->ring(0).reader().name(), 64);
    bench.publish(0, 3);
    CHECK_EQ(bench.poll(), std::string("0:2 "));
    CHECK_EQ(bench.merge->epoch(0), first);
    std::string seen;
    for (int turn = 0; turn < 1000 && seen.empty(); ++turn) {
        seen = bench.poll();
        fh::sleep_ns(1'000'000);
    }
    CHECK_EQ(seen, std::string("0:3 "));
    CHECK_EQ(bench.merge->epoch(0), bench.writers[0]->epoch());
    std::filesystem::remove_all(bench.dir);
}

void losses_and_filters_are_counted() {
    Bench bench(folder(), 2);
    fh::RingFilter filter;
    filter.instruments(std::vector<std::uint32_t>{2});
    bench.merge->filter(filter);
    for (std::int64_t time = 1; time <= 100; ++time) bench.publish(0, time, time % 2 != 0 ? 1 : 2);
    for (std::int64_t time = 90; time <= 95; ++time) bench.publish(1, time, time % 2 != 0 ? 1 : 2);
    std::uint64_t read = 0, lost = 0, filtered = 0;
    for (int turn = 0; turn < 4; ++turn) {
        const auto batch = bench.merge->poll(bench.out, bench.rings, bench.mono + 100 + BOUND);
        read += batch.count, lost += batch.lost, filtered += batch.filtered;
    }
    CHECK(lost >= 36);
    CHECK_EQ(read + lost + filtered, 106U);
    CHECK_EQ(bench.merge->records(1), 3U);
    std::filesystem::remove_all(bench.dir);
}

void a_full_buffer_leaves_the_rest_for_later() {
    Bench bench(folder(), 2, 0);
    for (const std::int64_t time : {-9, -7, -5}) bench.publish(0, time);
    for (const std::int64_t time : {-8, -6}) bench.publish(1, time);
    CHECK_EQ(bench.poll(0, 2), std::string("0:-9 1:-8 "));
    CHECK_EQ(bench.poll(0, 2), std::string("0:-7 1:-6 "));
    CHECK_EQ(bench.poll(0, 2), std::string("0:-5 "));
    std::filesystem::remove_all(bench.dir);
}

// Writers in threads, stamping the shared clock: whatever the timing, each ring's records come once and in order, the
// whole is in order but for what is counted late, and a reader that waits gets them all.
void a_waiting_reader_gets_everything_once() {
    Bench bench(folder(), 3, 2'000'000);
    constexpr std::uint64_t EACH = 3000;
    std::vector<std::thread> threads;
    for (std::size_t ring = 0; ring < 3; ++ring)
        threads.emplace_back([&bench, ring] {
            std::mt19937 chance(static_cast<unsigned>(ring));
            for (std::uint64_t i = 0; i < EACH; ++i) {
                fh::Record record;
                record.ts_recv = bench.clock.now_ns();
                bench.writers[ring]->append(record);
                bench.writers[ring]->end_event();
                bench.writers[ring]->publish(0);
                if (chance() % 8 == 0) fh::sleep_ns(20'000);
            }
        });
    std::map<std::size_t, std::uint64_t> last;
    std::uint64_t taken = 0, late = 0, disorder = 0;
    std::int64_t latest = 0;
    const auto give_up = fh::monotonic_ns() + LONG_NS;
    while (taken < 3 * EACH && fh::monotonic_ns() < give_up) {
        const auto batch = bench.merge->next(bench.out, bench.rings, fh::WaitPolicy::park, LONG_NS);
        for (std::size_t i = 0; i < batch.count; ++i) {
            CHECK(bench.out[i].seq > last[bench.rings[i]]);
            last[bench.rings[i]] = bench.out[i].seq;
            disorder += bench.out[i].ts_recv < latest;
            latest = std::max(latest, bench.out[i].ts_recv);
        }
        taken += batch.count + batch.lost;
        late += batch.late;
    }
    CHECK_EQ(taken, 3 * EACH);
    CHECK(disorder <= late);
    for (auto& thread : threads) thread.join();
    std::filesystem::remove_all(bench.dir);
}

}  // namespace

int main() {
    records_come_by_time_then_ring_then_seq();
    a_silent_ring_holds_the_others_up_for_the_bound_only();
    a_heartbeat_says_that_nothing_older_comes();
    a_ring_without_a_writer_holds_nothing_up();
    a_restart_ends_a_batch_and_is_followed();
    losses_and_filters_are_counted();
    a_full_buffer_leaves_the_rest_for_later();
    a_waiting_reader_gets_everything_once();
    return check_failures;
}
