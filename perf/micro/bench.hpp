// What the native benchmarks share: chunks are timed, a run is the median and the 99th percentile of its chunks.
// Output, one line a run: `name<TAB>unit<TAB>median<TAB>p99`; perf/micro/native.py reads it.
#pragma once

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "shm/clock.hpp"

namespace bench {

// Keeps a value, and what led to it, from being optimized away.
template <class T>
inline void keep(const T& value) {
    asm volatile("" : : "r,m"(value) : "memory");
}

inline void report(const char* name, const char* unit, std::vector<double>& samples) {
    if (samples.empty()) return;
    std::sort(samples.begin(), samples.end());
    const auto tail = std::min(samples.size() - 1, samples.size() * 99 / 100);
    std::printf("%s\t%s\t%.6g\t%.6g\n", name, unit, samples[samples.size() / 2], samples[tail]);
    std::fflush(stdout);
}

// Times `chunks` calls of `chunk`, which handles `items`; ns per item.
template <class Chunk>
void timed(const char* name, std::size_t chunks, std::size_t items, Chunk chunk) {
    std::vector<double> samples;
    samples.reserve(chunks);
    for (std::size_t i = 0; i < chunks; ++i) {
        const auto begin = fh::monotonic_ns();
        chunk();
        samples.push_back(static_cast<double>(fh::monotonic_ns() - begin) / static_cast<double>(items));
    }
    report(name, "ns", samples);
}

// A folder in shared memory that goes with its owner.
struct Folder {
    std::string path;
    Folder() {
        char pattern[] = "/dev/shm/fh-bench-XXXXXX";
        if (::mkdtemp(pattern) == nullptr) std::abort();
        path = pattern;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path); }
};

// Cores this process may use.
inline std::vector<int> cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<int> found;
    if (::sched_getaffinity(0, sizeof set, &set) != 0) return found;
    for (int core = 0; core < CPU_SETSIZE; ++core)
        if (CPU_ISSET(core, &set)) found.push_back(core);
    return found;
}

inline void pin(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    if (::sched_setaffinity(0, sizeof set, &set) != 0) std::perror("sched_setaffinity");
}

}  // namespace bench
