// A file descriptor that is readable while rings have something to read: for epoll, asyncio, any event loop.
//
// One thread parks in the reader's place and writes an eventfd. It looks at the rings only between arm() and the next
// record: while the reader is busy it sleeps on a word of its own, and neither the reader nor the writer pays for it.
#pragma once

#include <signal.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "shm/ring_place.hpp"
#include "shm/wait_any.hpp"

namespace fh {

class RingWatch {
public:
    // Throws std::system_error where the system gives no descriptor or no thread.
    RingWatch() : event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
        if (!event_.ok()) fail("eventfd");
        sigset_t all;
        sigset_t before;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before);  // the program's signals are for its own threads
        thread_ = std::thread([this] { work(); });
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
    RingWatch(const RingWatch&) = delete;
    RingWatch& operator=(const RingWatch&) = delete;
    ~RingWatch() {
        give({}, 0, true);
        thread_.join();
    }

    // Readable from the first record behind an arm() on, until the next arm(). Wait for it; never read or close it.
    [[nodiscard]] int fd() const noexcept { return event_.fd(); }

    // It was readable since the last arm(): the reader that finds nothing now arms it again.
    [[nodiscard]] bool spent() const noexcept { return load(spent_, std::memory_order_relaxed) != 0; }

    // The reader found nothing to read; `rings` say where it stands. At `due_ns` (monotonic, 0: never) the descriptor
    // becomes readable in any case. Costs a read of the descriptor and a wake-up of the thread.
    void arm(std::vector<RingPlace> rings, std::int64_t due_ns) { give(std::move(rings), due_ns, false); }

private:
    static constexpr std::int64_t NEVER_NS = 3'600'000'000'000;

    void give(std::vector<RingPlace> rings, std::int64_t due_ns, bool stop) {
        {
            const std::lock_guard guard(mutex_);
            std::uint64_t count = 0;
            [[maybe_unused]] const auto got = ::read(event_.fd(), &count, sizeof count);
            rings_ = std::move(rings);
            due_ns_ = due_ns;
            stop_ = stop;
            store(spent_, 0U, std::memory_order_relaxed);
            store(orders_, orders_ + 1, std::memory_order_release);  // SYNC watch.order: pairs with work()
        }
        wake_parked(own_);
    }

    void work() {
        std::uint64_t seen = 0;
        const auto ordered = [this, &seen] {
            return load(orders_, std::memory_order_acquire) != seen;  // SYNC watch.order: pairs with give()
        };
        std::vector<RingPlace> rings;
        for (;;) {
            wait_until(&own_, WaitPolicy::park, ordered, NEVER_NS);
            std::int64_t due = 0;
            {
                const std::lock_guard guard(mutex_);
                if (stop_) return;
                if (seen == orders_) continue;
                seen = orders_;
                rings = rings_;
                due = due_ns_;
            }
            watch(rings, due, ordered);
            const std::lock_guard guard(mutex_);
            if (seen != orders_) continue;  // other orders meanwhile
            rings_.clear();                 // what nobody reads any more need not stay mapped
            rings.clear();
            store(spent_, 1U, std::memory_order_relaxed);
            const std::uint64_t one = 1;
            [[maybe_unused]] const auto put = ::write(event_.fd(), &one, sizeof one);
        }
    }

    // Until a ring has something, the time is due, or other orders came.
    template <class Ordered>
    void watch(const std::vector<RingPlace>& rings, std::int64_t due, const Ordered& ordered) {
        pages_.assign(1, &own_);
        for (const RingPlace& ring : rings)
            if (ring.wait.page != nullptr) pages_.push_back(ring.wait.page);
        if (pages_.size() <= rings.size()) pages_.clear();  // one of them cannot wake us: timed waits for all
        const auto ready = [&rings, &ordered] {
            return ordered() || std::any_of(rings.begin(), rings.end(), [](const auto& ring) { return ring.ready(); });
        };
        while (!ready()) {
            const auto left = due == 0 ? NEVER_NS : due - monotonic_ns();
            if (left <= 0 || wait_any(pages_, WaitPolicy::park, ready, left)) return;
        }
    }

    File event_;
    std::mutex mutex_;
    std::vector<RingPlace> rings_;
    std::int64_t due_ns_ = 0;
    bool stop_ = false;
    std::uint64_t orders_ = 0;
    std::uint32_t spent_ = 0;
    WaitPage own_{};  // the protocol of the rings' pages, between two threads
    std::vector<WaitPage*> pages_;
    std::thread thread_;
};

}  // namespace fh
