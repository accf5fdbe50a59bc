// The engine's process: options, signals, the loop, the summary. Exit codes: 0 done, 1 failed, 2 wrong usage.
#include "engine.hpp"

#include <sched.h>

#include <csignal>
#include <cstdio>
#include <exception>

namespace {

volatile std::sig_atomic_t stopping = 0;

void stop(int) { stopping = 1; }

void catch_signals() {
    struct sigaction action{};
    action.sa_handler = stop;
    for (const int number : {SIGINT, SIGTERM}) ::sigaction(number, &action, nullptr);
}

bool pin(int core) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(static_cast<std::size_t>(core), &cores);
    return ::sched_setaffinity(0, sizeof cores, &cores) == 0;
}

void run(const Options& options) {
    Engine engine(options);
    const auto end_ns = options.seconds == 0 ? INT64_MAX : fh::monotonic_ns() + options.seconds * 1'000'000'000;
    while (stopping == 0 && fh::monotonic_ns() < end_ns &&
           (options.reactions == 0 || engine.reactions() < options.reactions))
        engine.turn();
    if (options.json)
        print_json(engine.summary());
    else
        print_text(engine.summary());
}

}  // namespace

int main(int count, char** words) {
    Options options;
    if (const auto wrong = parse(count, words, options)) {
        std::fprintf(stderr, "engine: %s\n%s", wrong->c_str(), USAGE);
        return 2;
    }
    if (options.core >= 0 && !pin(options.core)) {
        std::fprintf(stderr, "engine: there is no core %d for this process\n", options.core);
        return 1;
    }
    catch_signals();
    try {
        run(options);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "engine: %s\n", error.what());
        return 1;
    }
    return 0;
}
