// Parking on several rings at once: each wait page by the protocol of wait.hpp, one sleep on all their words.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <span>

#include "shm/wait.hpp"

namespace fh {

inline constexpr std::size_t WAIT_PAGES_MAX = 128;  // what the kernel takes at once

// The kernel's struct futex_waitv and the call's number, on every architecture; headers before Linux 5.16 lack them.
struct FutexWaiter {
    std::uint64_t expected;
    std::uint64_t address;
    std::uint32_t flags;
    std::uint32_t reserved;
};
inline constexpr long FUTEX_WAITV_CALL = 449;
inline constexpr std::uint32_t FUTEX_WAITER_U32 = 2;  // a 32-bit word, shared between processes

// False where this kernel, or the container's filter, does not know the call.
inline bool futex_wait_any(std::span<FutexWaiter> words, std::int64_t deadline_ns) noexcept {
    const timespec deadline{static_cast<time_t>(deadline_ns / 1'000'000'000), deadline_ns % 1'000'000'000};
    const auto result =
        ::syscall(FUTEX_WAITV_CALL, words.data(), static_cast<unsigned>(words.size()), 0U, &deadline, CLOCK_MONOTONIC);
    return result >= 0 || (errno != ENOSYS && errno != EPERM);
}

// Reader side, on every page what park() does on one: intent on all pages, one fence, the cursors once more, sleep
// until any word changes. A page on which nobody woke us stays `parked`: its next publication wakes for nothing, once.
template <class Ready>
inline void park_any(std::span<WaitPage* const> pages, const Ready& ready, std::int64_t timeout_ns) noexcept {
    static std::atomic<bool> refused = false;
    if (pages.empty() || pages.size() > WAIT_PAGES_MAX || refused.load(std::memory_order_relaxed))
        return nap(timeout_ns);
    std::array<FutexWaiter, WAIT_PAGES_MAX> words;
    for (std::size_t i = 0; i < pages.size(); ++i) {
        std::uint32_t& wake = pages[i]->wake;
        const auto seen = load(wake, std::memory_order_acquire);  // SYNC ring.wake: pairs with wake_parked()
        words[i] = {seen, reinterpret_cast<std::uintptr_t>(&wake), FUTEX_WAITER_U32, 0};
        FH_POINT("park.wake_read");
        store(pages[i]->parked, 1U, std::memory_order_relaxed);
    }
    std::atomic_thread_fence(
        std::memory_order_seq_cst);  // SYNC ring.park: parked before published is read; pairs with wake_parked()
    FH_POINT("park.parked_set");
    if (ready()) return;
    FH_POINT("park.checked");
    if (!futex_wait_any({words.data(), pages.size()}, monotonic_ns() + timeout_ns)) {
        refused.store(true, std::memory_order_relaxed);
        nap(timeout_ns);
    }
}

// Waits by policy until ready() or the timeout, woken by a publication on any of the pages. Without pages (or on
// kernels before 5.16) parking is a timed wait of at most 50 us a turn.
template <class Ready>
inline bool wait_any(std::span<WaitPage* const> pages, WaitPolicy policy, Ready ready,
                     std::int64_t timeout_ns) noexcept {
    const auto sleep = [pages](const Ready& look, std::int64_t left_ns) {
        if (pages.size() == 1)
            park(*pages[0], look, left_ns);
        else
            park_any(pages, look, left_ns);
    };
    return wait_by(policy, ready, sleep, timeout_ns);
}

}  // namespace fh
