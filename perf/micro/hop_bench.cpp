// One record from process to process and back, spinning and parked, beside a bare cache line, futex and pipe.
// A hop is half a round trip. Each process has a core of its own.
#include <sys/mman.h>
#include <sys/wait.h>

#include <csignal>

#include "perf/micro/bench.hpp"
#include "shm/ring_reader.hpp"
#include "shm/ring_writer.hpp"

namespace {

constexpr std::int64_t SECOND = 1'000'000'000;
constexpr std::size_t CAPACITY = 4096;

// Two flags on cache lines of their own, in memory that parent and child share.
struct Shared {
    alignas(fh::CACHE_LINE) std::uint32_t ping;
    alignas(fh::CACHE_LINE) std::uint32_t pong;
};

Shared* shared_page() {
    void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) std::abort();
    return static_cast<Shared*>(page);
}

// Runs `echo(trips)` in a child on another core and times `trip()` here.
template <class Echo, class Trip>
void hops(const char* name, std::size_t trips, const std::vector<int>& cores, Echo echo, Trip trip) {
    const pid_t child = ::fork();
    if (child == 0) {
        bench::pin(cores[1]);
        echo(trips);
        ::_exit(0);
    }
    bench::pin(cores[0]);
    std::vector<double> samples;
    samples.reserve(trips);
    for (std::size_t i = 0; i < trips; ++i) {
        const auto begin = fh::monotonic_ns();
        if (!trip(static_cast<std::uint32_t>(i + 1))) {
            std::fprintf(stderr, "%s: no answer within a second\n", name);
            ::kill(child, SIGKILL);
            break;
        }
        const auto took = fh::monotonic_ns() - begin;
        if (i >= trips / 10) samples.push_back(static_cast<double>(took) / 2);  // a tenth warms up
    }
    ::waitpid(child, nullptr, 0);
    bench::report(name, "ns", samples);
}

bool take(fh::RingReader& reader, fh::WaitPolicy policy) {
    fh::Record record;
    while (reader.read(&record, 1).count == 0)
        if (!reader.wait(policy, SECOND)) return false;
    return true;
}

void give(fh::RingWriter& writer) {
    fh::Record record{};
    record.kind = fh::Kind::level;
    writer.append(record);
    writer.end_event();
    writer.publish(1);
}

void ring(const char* name, std::size_t trips, const std::vector<int>& cores, fh::WaitPolicy policy) {
    const bench::Folder folder;
    // Each writer lives in its own process, as it must; both rings are there before the child is.
    fh::RingWriter there(folder.path, folder.path, "there", CAPACITY);
    fh::RingWriter back(folder.path, folder.path, "back", CAPACITY);
    fh::RingReader from_there(folder.path, "there");
    fh::RingReader from_back(folder.path, "back");
    if (from_there.attach() != fh::Attach::ok || from_back.attach() != fh::Attach::ok) std::abort();
    hops(
        name, trips, cores,
        [&](std::size_t count) {
            for (std::size_t i = 0; i < count && take(from_there, policy); ++i) give(back);
        },
        [&](std::uint32_t) {
            give(there);
            return take(from_back, policy);
        });
}

void bare_line(std::size_t trips, const std::vector<int>& cores) {
    Shared* page = shared_page();
    const auto await = [](std::uint32_t& word, std::uint32_t value) {
        while (fh::load(word, std::memory_order_acquire) != value) fh::cpu_relax();
    };
    hops(
        "cache_line", trips, cores,
        [&](std::size_t count) {
            for (std::uint32_t i = 1; i <= count; ++i) {
                await(page->ping, i);
                fh::store(page->pong, i, std::memory_order_release);
            }
        },
        [&](std::uint32_t i) {
            fh::store(page->ping, i, std::memory_order_release);
            await(page->pong, i);
            return true;
        });
    ::munmap(page, 4096);
}

void bare_futex(std::size_t trips, const std::vector<int>& cores) {
    Shared* page = shared_page();
    const auto give_word = [](std::uint32_t& word, std::uint32_t value) {
        fh::store(word, value, std::memory_order_release);
        fh::futex_wake_all(word);
    };
    const auto await = [](std::uint32_t& word, std::uint32_t value) {
        for (std::uint32_t now; (now = fh::load(word, std::memory_order_acquire)) != value;)
            fh::futex_wait(word, now, SECOND);
    };
    hops(
        "futex", trips, cores,
        [&](std::size_t count) {
            for (std::uint32_t i = 1; i <= count; ++i) {
                await(page->ping, i);
                give_word(page->pong, i);
            }
        },
        [&](std::uint32_t i) {
            give_word(page->ping, i);
            await(page->pong, i);
            return true;
        });
    ::munmap(page, 4096);
}

void bare_pipe(std::size_t trips, const std::vector<int>& cores) {
    int there[2];
    int back[2];
    if (::pipe(there) != 0 || ::pipe(back) != 0) std::abort();
    char byte = 0;
    hops(
        "pipe", trips, cores,
        [&](std::size_t count) {
            for (std::size_t i = 0; i < count && ::read(there[0], &byte, 1) == 1; ++i)
                if (::write(back[1], &byte, 1) != 1) return;
        },
        [&](std::uint32_t) { return ::write(there[1], &byte, 1) == 1 && ::read(back[0], &byte, 1) == 1; });
    for (const int fd : {there[0], there[1], back[0], back[1]}) ::close(fd);
}

}  // namespace

int main(int argc, char** argv) {
    const int runs = argc > 1 ? std::atoi(argv[1]) : 5;
    const auto cores = bench::cores();
    if (cores.size() < 2) {
        std::fprintf(stderr, "a hop needs two cores, this process may use %zu\n", cores.size());
        return 2;
    }
    for (int run = 0; run < runs; ++run) {
        ring("ring_spin", 100'000, cores, fh::WaitPolicy::spin);
        bare_line(100'000, cores);
        ring("ring_park", 10'000, cores, fh::WaitPolicy::park);
        bare_futex(10'000, cores);
        bare_pipe(10'000, cores);
    }
    return 0;
}
