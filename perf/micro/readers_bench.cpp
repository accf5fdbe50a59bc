// What readers cost a writer: eight that poll a thousand times a second, and one that is parked.
// The writer has a core of its own; all readers share another.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>

#include "perf/micro/bench.hpp"
#include "shm/ring_reader.hpp"
#include "shm/ring_writer.hpp"

namespace {

constexpr std::size_t CAPACITY = 1 << 16;
constexpr std::size_t BATCH = 64;
constexpr std::size_t BURST = 16;  // batches that are timed together, one burst a millisecond: a million records/s
constexpr std::size_t BURSTS = 1500;
constexpr std::size_t PARKED_BATCHES = 2000;
constexpr int READERS = 8;
constexpr std::int64_t MILLISECOND = 1'000'000;

struct Shared {
    alignas(fh::CACHE_LINE) std::uint32_t ready;
    alignas(fh::CACHE_LINE) std::uint32_t done;
    alignas(fh::CACHE_LINE) std::uint64_t records;
    std::uint64_t sleeps;  // voluntary context switches of the parked reader
};

Shared* shared_page() {
    void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) std::abort();
    return static_cast<Shared*>(page);
}

template <class Work>
pid_t child(int core, Work work) {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    bench::pin(core);
    work();
    ::_exit(0);
}

void write_batch(fh::RingWriter& writer) {
    fh::Record record{};
    record.kind = fh::Kind::level;
    for (std::size_t i = 0; i < BATCH; ++i) writer.append(record);
    writer.end_event();
    writer.publish(1);
}

void await(const std::uint32_t& word, std::uint32_t value) {
    while (fh::load(const_cast<std::uint32_t&>(word), std::memory_order_acquire) < value) fh::sleep_ns(100'000);
}

// Time in append() and publish() a record, at a million records/s, while `readers` poll every millisecond.
void polled(const char* name, const std::vector<int>& cores, int readers) {
    const bench::Folder folder;
    Shared* page = shared_page();
    fh::RingWriter writer(folder.path, folder.path, "bench", CAPACITY);
    std::vector<pid_t> children;
    for (int i = 0; i < readers; ++i)
        children.push_back(child(cores[1], [&] {
            fh::RingReader reader(folder.path, "bench");
            if (reader.attach() != fh::Attach::ok) ::_exit(2);
            std::vector<fh::Record> out(CAPACITY);
            std::atomic_ref(page->ready).fetch_add(1);
            std::uint64_t records = 0;
            while (fh::load(page->done, std::memory_order_relaxed) == 0) {
                records += reader.read(out.data(), out.size()).count;
                fh::sleep_ns(MILLISECOND);
            }
            std::atomic_ref(page->records).fetch_add(records);
        }));
    await(page->ready, static_cast<std::uint32_t>(readers));
    std::vector<double> samples;
    auto due = fh::monotonic_ns();
    for (std::size_t burst = 0; burst < BURSTS; ++burst) {
        while (fh::monotonic_ns() < due) fh::cpu_relax();
        due += MILLISECOND;
        const auto begin = fh::monotonic_ns();
        for (std::size_t i = 0; i < BURST; ++i) write_batch(writer);
        const auto took = fh::monotonic_ns() - begin;
        if (burst >= BURSTS / 10) samples.push_back(static_cast<double>(took) / (BURST * BATCH));
    }
    fh::store(page->done, 1U, std::memory_order_relaxed);
    int failed = 0;
    for (const pid_t pid : children) {
        int status = 0;
        ::waitpid(pid, &status, 0);
        failed |= status;
    }
    if (failed != 0 || (readers != 0 && page->records == 0)) std::exit(3);
    bench::report(name, "ns", samples);
    ::munmap(page, sizeof *page);
}

// How often a parked reader is woken, counted by the ring's own word and by the kernel's count of its sleeps.
void parked(const std::vector<int>& cores) {
    const bench::Folder folder;
    Shared* page = shared_page();
    fh::RingWriter writer(folder.path, folder.path, "bench", CAPACITY);
    const pid_t reader = child(cores[1], [&] {
        fh::RingReader ring(folder.path, "bench");
        if (ring.attach() != fh::Attach::ok) ::_exit(2);
        std::vector<fh::Record> out(CAPACITY);
        rusage before{};
        ::getrusage(RUSAGE_SELF, &before);
        fh::store(page->ready, 1U, std::memory_order_release);
        std::uint64_t records = 0;
        while (records < PARKED_BATCHES * BATCH) {
            if (!ring.wait(fh::WaitPolicy::park, 5'000 * MILLISECOND)) ::_exit(3);
            records += ring.read(out.data(), out.size()).count;
        }
        rusage after{};
        ::getrusage(RUSAGE_SELF, &after);
        page->sleeps = static_cast<std::uint64_t>(after.ru_nvcsw - before.ru_nvcsw);
    });
    fh::RingReader look(folder.path, "bench");
    if (look.attach() != fh::Attach::ok || look.wait_page() == nullptr) std::exit(2);
    await(page->ready, 1);
    const auto before = fh::load(look.wait_page()->wake, std::memory_order_relaxed);
    for (std::size_t i = 0; i < PARKED_BATCHES; ++i) {
        fh::sleep_ns(200'000);
        write_batch(writer);
    }
    int status = 0;
    ::waitpid(reader, &status, 0);
    if (status != 0) std::exit(3);
    const auto wakes = fh::load(look.wait_page()->wake, std::memory_order_relaxed) - before;
    std::vector<double> by_word{static_cast<double>(wakes) / PARKED_BATCHES};
    std::vector<double> by_kernel{static_cast<double>(page->sleeps) / PARKED_BATCHES};
    bench::report("wakes", "wakes/batch", by_word);
    bench::report("sleeps", "sleeps/batch", by_kernel);
    ::munmap(page, sizeof *page);
}

}  // namespace

int main(int argc, char** argv) {
    const int runs = argc > 1 ? std::atoi(argv[1]) : 5;
    const auto cores = bench::cores();
    if (cores.size() < 2) {
        std::fprintf(stderr, "writer and readers need a core each, this process may use %zu\n", cores.size());
        return 2;
    }
    bench::pin(cores[0]);
    for (int run = 0; run < runs; ++run) {
        polled("alone", cores, 0);
        polled("polled", cores, READERS);
        parked(cores);
    }
    return 0;
}
