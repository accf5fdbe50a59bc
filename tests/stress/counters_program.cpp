// A process that counts until it is killed: every cell of two counters in turn, each one ahead of the next.
//
//   dir report process=p die=point:turn:signal adds=0 (0: until it is killed)
#ifdef FH_STRESS_POINTS
#include "tests/stress/kill_point.hpp"
#endif
#include "shm/clock.hpp"
#include "shm/counters.hpp"
#include "tests/stress/options.hpp"

namespace {

// `begun` before an addition, `done` behind it.
struct Report {
    std::uint64_t begun;
    std::uint64_t done;
};

}  // namespace

int main(int argc, char** argv) {
    const stress::Options options(argc, argv);
#ifdef FH_STRESS_POINTS
    stress::arm(options.text("die"));
#endif
    stress::Figures<Report> report(options.text("report"), true);
    fh::Counters counters(options.text("dir"), options.text("process", "p"), fh::realtime_ns());
    const auto adds = options.number("adds");
    for (std::uint64_t i = 0; adds == 0 || i < adds; ++i) {
        fh::store(report->begun, i + 1, std::memory_order_release);
        counters.add(i % 2 == 0 ? fh::Counter::fix_reads : fh::Counter::fix_bytes, i / 2 % fh::COUNTER_SLOTS, 1);
        fh::store(report->done, i + 1, std::memory_order_release);
    }
    return 0;
}
