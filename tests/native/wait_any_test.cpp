// Parking on several rings: whichever publishes, the reader wakes; nothing published is ever slept over.
#include "shm/wait_any.hpp"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "shm/ring_reader.hpp"
#include "shm/ring_writer.hpp"
#include "tests/native/check.hpp"

namespace {

constexpr std::int64_t LONG_NS = 20'000'000'000;
constexpr std::size_t RINGS = 3;

// Three rings, their readers, and the pages to park on.
struct Bench {
    std::vector<std::unique_ptr<fh::RingWriter>> writers;
    std::vector<std::unique_ptr<fh::RingReader>> readers;
    std::vector<fh::WaitPage*> pages;

    explicit Bench(const std::string& dir) {
        for (std::size_t i = 0; i < RINGS; ++i) {
            const std::string name(1, static_cast<char>('a' + i));
            writers.push_back(std::make_unique<fh::RingWriter>(dir, dir, name, 64));
            readers.push_back(std::make_unique<fh::RingReader>(dir, name));
            CHECK(readers[i]->attach() == fh::Attach::ok);
            pages.push_back(readers[i]->wait_page());
        }
    }
    void publish(std::size_t ring) const {
        writers[ring]->append(fh::Record{});
        writers[ring]->end_event();
        writers[ring]->publish(0);
    }
    [[nodiscard]] bool ready() const {
        for (const auto& reader : readers)
            if (reader->next() <= reader->published()) return true;
        return false;
    }
    [[nodiscard]] bool wait(fh::WaitPolicy policy, std::int64_t timeout_ns) const {
        return fh::wait_any(pages, policy, [this] { return ready(); }, timeout_ns);
    }
    std::size_t take(std::size_t ring) const {
        fh::Record record;
        return readers[ring]->read(&record, 1).count;
    }
};

void a_wait_without_publications_ends_with_its_timeout(const Bench& bench) {
    for (const auto policy : {fh::WaitPolicy::park, fh::WaitPolicy::adaptive, fh::WaitPolicy::spin})
        CHECK(!bench.wait(policy, 1'000'000));
    CHECK(!bench.wait(fh::WaitPolicy::park, 0));
}

void what_is_there_needs_no_wait(const Bench& bench) {
    for (std::size_t ring = 0; ring < RINGS; ++ring) {
        bench.publish(ring);
        CHECK(bench.wait(fh::WaitPolicy::park, 0));
        CHECK_EQ(bench.take(ring), 1U);
    }
}

// One record at a time, on this ring or that, each answered before the next: a single lost wake-up would last LONG_NS.
void no_publication_is_slept_over(const Bench& bench, fh::WaitPolicy policy, std::span<fh::WaitPage* const> pages) {
    constexpr std::uint64_t TURNS = 20'000;
    alignas(fh::CACHE_LINE) std::uint64_t answered = 0;
    std::thread other([&] {
        std::uint64_t chance = 1;
        for (std::uint64_t turn = 1; turn <= TURNS; ++turn) {
            chance = chance * 6364136223846793005U + 1442695040888963407U;
            bench.publish((chance >> 33U) % RINGS);
            while (fh::load(answered, std::memory_order_acquire) < turn) std::this_thread::yield();
        }
    });
    const auto begin = fh::monotonic_ns();
    for (std::uint64_t turn = 1; turn <= TURNS; ++turn) {
        if (!fh::wait_any(pages, policy, [&] { return bench.ready(); }, LONG_NS)) ++check_failures;
        std::size_t taken = 0;
        for (std::size_t ring = 0; ring < RINGS; ++ring) taken += bench.take(ring);
        CHECK_EQ(taken, 1U);
        fh::store(answered, turn, std::memory_order_release);
    }
    other.join();
    // A wake-up that never came is a wait that went on to its end.
    CHECK(fh::monotonic_ns() - begin < LONG_NS);
}

}  // namespace

int main() {
    char pattern[] = "/dev/shm/fh-wait-any-test-XXXXXX";
    const std::string dir = ::mkdtemp(pattern);
    {
        const Bench bench(dir);
        a_wait_without_publications_ends_with_its_timeout(bench);
        what_is_there_needs_no_wait(bench);
        no_publication_is_slept_over(bench, fh::WaitPolicy::park, bench.pages);
        no_publication_is_slept_over(bench, fh::WaitPolicy::adaptive, bench.pages);
        // Without pages, as where they may not be written: late by a nap, but never lost.
        bench.publish(0);
        CHECK(fh::wait_any({}, fh::WaitPolicy::park, [&] { return bench.ready(); }, LONG_NS));
        CHECK_EQ(bench.take(0), 1U);
        CHECK(!fh::wait_any({}, fh::WaitPolicy::park, [&] { return bench.ready(); }, 1'000'000));
    }
    std::filesystem::remove_all(dir);
    return check_failures;
}
