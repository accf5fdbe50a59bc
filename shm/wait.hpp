// Parking and waking on the `<ring>.wait` page. Shared futexes: the waiters are other processes.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>

#include "shm/atomics.hpp"
#include "shm/clock.hpp"
#include "shm/layout.hpp"
#include "shm/point.hpp"

namespace fh {

enum class WaitPolicy : std::uint8_t { spin = 0, yield = 1, park = 2, adaptive = 3 };

inline void cpu_relax() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

inline void futex_wait(std::uint32_t& word, std::uint32_t expected, std::int64_t timeout_ns) noexcept {
    const timespec timeout{static_cast<time_t>(timeout_ns / 1'000'000'000), timeout_ns % 1'000'000'000};
    ::syscall(SYS_futex, &word, FUTEX_WAIT, expected, &timeout, nullptr, 0);
}

inline void futex_wake_all(std::uint32_t& word) noexcept {
    ::syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

// Writer side, once a batch, after publishing.
inline void wake_parked(WaitPage& page) noexcept {
    std::atomic_thread_fence(
        std::memory_order_seq_cst);  // SYNC ring.park: published before parked is read; pairs with park()
    if (load(page.parked, std::memory_order_relaxed) == 0) return;
    FH_POINT("wake.parked_seen");
    store(page.parked, 0U, std::memory_order_relaxed);
    FH_POINT("wake.parked_cleared");
    // Release: a reader that sees the new wake and then parks must not have its `parked` undone by the store above.
    store(page.wake, load(page.wake, std::memory_order_relaxed) + 1,
          std::memory_order_release);  // SYNC ring.wake: parked = 0 before wake; pairs with park()
    FH_POINT("wake.raised");
    futex_wake_all(page.wake);
    FH_POINT("wake.called");
}

// Reader side. `ready` re-checks the cursor after the intent to park is visible, so that either the
// reader sees the publication or the writer sees the parked reader.
template <class Ready>
inline void park(WaitPage& page, Ready ready, std::int64_t timeout_ns) noexcept {
    const auto wake = load(page.wake, std::memory_order_acquire);  // SYNC ring.wake: pairs with wake_parked()
    FH_POINT("park.wake_read");
    store(page.parked, 1U, std::memory_order_relaxed);
    std::atomic_thread_fence(
        std::memory_order_seq_cst);  // SYNC ring.park: parked before published is read; pairs with wake_parked()
    FH_POINT("park.parked_set");
    if (ready()) return;
    FH_POINT("park.checked");
    futex_wait(page.wake, wake, timeout_ns);
}

inline void sleep_ns(std::int64_t ns) noexcept {
    const timespec t{static_cast<time_t>(ns / 1'000'000'000), ns % 1'000'000'000};
    ::nanosleep(&t, nullptr);
}

// For those whom nobody can wake: so long is a wake-up late then.
inline void nap(std::int64_t left_ns) noexcept { sleep_ns(left_ns < 50'000 ? left_ns : 50'000); }

// Waits by policy until ready() or the timeout. `sleep(ready, left_ns)` is what parking means here: it may end early,
// and looks at ready() once more when its intent to sleep is visible.
template <class Ready, class Sleep>
inline bool wait_by(WaitPolicy policy, Ready ready, Sleep sleep, std::int64_t timeout_ns) noexcept {
    if (ready()) return true;
    if (timeout_ns <= 0) return false;
    const auto deadline = monotonic_ns() + timeout_ns;
    int spins = 0;
    for (;;) {
        const bool spin = policy == WaitPolicy::spin || (policy == WaitPolicy::adaptive && spins < 2000);
        if (spin) {
            for (int i = 0; i < 64; ++i) {
                cpu_relax();
                if (ready()) return true;
            }
            spins += 64;
        } else if (policy == WaitPolicy::yield) {
            ::syscall(SYS_sched_yield);
        } else if (const auto left = deadline - monotonic_ns(); left > 0) {
            sleep(ready, left);
        }
        if (ready()) return true;
        if (monotonic_ns() >= deadline) return false;
    }
}

// The same on one wait page. `page` is null where the reader may not write it: then parking is a timed wait.
template <class Ready>
inline bool wait_until(WaitPage* page, WaitPolicy policy, Ready ready, std::int64_t timeout_ns) noexcept {
    const auto sleep = [page](const Ready& look, std::int64_t left_ns) {
        if (page != nullptr)
            park(*page, look, left_ns);
        else
            nap(left_ns);
    };
    return wait_by(policy, ready, sleep, timeout_ns);
}

}  // namespace fh
