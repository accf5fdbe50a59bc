// The native receive loop of a handler process: sockets of N sessions -> Inbound -> ring, one publish a read.
//
// It returns to its caller for what is not market data: a message for the session, a closed socket, the
// deadline. Time is CLOCK_MONOTONIC plus the shared offset, read once after each read, and never runs back.
#pragma once

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <stdexcept>
#include <vector>

#include "feedhandler/native/fix_inbound.hpp"
#include "shm/clock.hpp"
#include "shm/region.hpp"

namespace fh {

enum class LoopCode : std::uint8_t {
    idle = 0,      // the deadline, or a signal
    message = 1,   // session's message() is the session's to handle; run() goes on behind it
    closed = 2,    // the peer closed, or the socket failed (error)
    readable = 3,  // a socket that its owner reads (attach) has bytes or has ended; the owner calls feed()
};

struct LoopResult {
    LoopCode code = LoopCode::idle;
    std::size_t session = 0;
    int error = 0;
};

class FixLoop {
public:
    // coalesce_ns > 0: no socket is read sooner than that after the last read, so that under load many messages share
    // a read, a publish and a wake. What comes after a pause is read at once.
    FixLoop(RingWriter& ring, bool spin, std::int64_t coalesce_ns = 0)
        : ring_(ring), spin_(spin), coalesce_ns_(coalesce_ns), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
        if (!epoll_.ok()) fail("epoll_create1");
        if (coalesce_ns_ > 0) ::prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);  // of this thread, which runs the loop
    }
    FixLoop(const FixLoop&) = delete;
    FixLoop& operator=(const FixLoop&) = delete;

    // In the place of one that was removed, or behind the last.
    std::size_t add_session(const FixTable& table, const Inbound::Options& options) {
        const auto free = std::find_if(lines_.begin(), lines_.end(), [](const Line& line) { return !line.inbound; });
        const auto place = free == lines_.end() ? lines_.emplace(lines_.end()) : free;
        place->inbound = std::make_unique<Inbound>(table, ring_, options);
        return static_cast<std::size_t>(place - lines_.begin());
    }
    // The others keep their numbers, places and bytes.
    void remove_session(std::size_t i) {
        (void)session(i);
        detach(i);
        lines_[i].inbound.reset();
    }
    [[nodiscard]] Inbound& session(std::size_t i) {
        Inbound* inbound = lines_.at(i).inbound.get();
        if (inbound == nullptr) throw std::out_of_range("this session was removed");
        return *inbound;
    }
    [[nodiscard]] std::size_t sessions() const noexcept { return lines_.size(); }

    // The socket stays the caller's; it must be non-blocking and be detached before it is closed. `foreign`: nothing is
    // read here, run() returns `readable`; for what is not FIX on the wire, such as TLS.
    void attach(std::size_t i, int fd, bool foreign = false) {
        detach(i);
        Line& line = lines_.at(i);
        epoll_event event{};
        event.events = EPOLLIN | EPOLLRDHUP;
        event.data.u64 = i;
        if (::epoll_ctl(epoll_.fd(), EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
        line.fd = fd;
        line.foreign = foreign;
        line.inbound->forget_bytes();
        line.resume = false;
    }
    void detach(std::size_t i) {
        Line& line = lines_[i];
        if (line.fd >= 0) ::epoll_ctl(epoll_.fd(), EPOLL_CTL_DEL, line.fd, nullptr);
        line.fd = -1;
        line.resume = false;
        line.inbound->abandon_event();
    }

    // Works for at most timeout_ns.
    LoopResult run(std::int64_t timeout_ns) {
        const std::int64_t deadline = monotonic_ns() + timeout_ns;
        for (std::size_t i = 0; i < lines_.size(); ++i)
            if (lines_[i].resume && work(i)) return {LoopCode::message, i, 0};
        for (;;) {
            const std::int64_t now = monotonic_ns();
            ring_.heartbeat(now);
            const std::int64_t left = deadline - now;
            if (const auto early = last_read_ + coalesce_ns_ - now; early > 0) {
                sleep_until(now + std::min(early, std::max<std::int64_t>(left, 0)));
                if (early >= left) return {};
            }
            epoll_event ready[32];
            const int n = ::epoll_wait(epoll_.fd(), ready, 32, wait_ms(left));
            if (n < 0 && errno != EINTR) fail("epoll_wait");
            if (n < 0) return {};
            if (n > 0 && coalesce_ns_ > 0) last_read_ = monotonic_ns();
            for (int k = 0; k < n; ++k) {
                const LoopResult result = read(static_cast<std::size_t>(ready[k].data.u64));
                if (result.code != LoopCode::idle) return result;
            }
            if (left <= 0) return {};
        }
    }

    // The same without a socket: tests, TLS, a wire capture. True: session(i).message() is waiting;
    // call again with no bytes, or run(), to go on.
    bool feed(std::size_t i, const char* p, std::size_t n, std::int64_t now_ns) {
        Inbound& inbound = session(i);
        if (n > 0) {
            std::copy(p, p + n, inbound.room(n));
            inbound.filled(n, last_ns_ = std::max(last_ns_, now_ns));
        }
        const bool waiting = inbound.work();
        lines_[i].resume = waiting;
        inbound.note();
        ring_.publish(last_ns_);
        return waiting;
    }

    // One message that the session took itself, into the ring now.
    bool decode(std::size_t i, std::string_view message) {
        const bool decoded = session(i).decode(message);
        ring_.publish(now_ns());
        return decoded;
    }

    [[nodiscard]] std::int64_t now_ns() noexcept { return last_ns_ = std::max(last_ns_, monotonic_ns() + offset_ns); }

    std::int64_t offset_ns = 0;  // of the shared clock

private:
    struct Line {
        std::unique_ptr<Inbound> inbound;
        int fd = -1;
        bool resume = false;   // bytes are buffered behind a message that was handed out
        bool foreign = false;  // the owner reads
    };

    static constexpr std::int64_t HEARTBEAT_MS = 50;  // the longest sleep: the ring's heartbeat must stay fresh

    [[nodiscard]] int wait_ms(std::int64_t left_ns) const noexcept {
        if (spin_ || left_ns <= 0) return 0;
        return static_cast<int>(std::min(HEARTBEAT_MS, (left_ns + 999'999) / 1'000'000));
    }

    void sleep_until(std::int64_t then_ns) const noexcept {
        if (spin_) {
            while (monotonic_ns() < then_ns) cpu_relax();
            return;
        }
        const timespec then{static_cast<std::time_t>(then_ns / 1'000'000'000),
                            static_cast<long>(then_ns % 1'000'000'000)};
        ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &then, nullptr);  // ended early by a signal: no harm
    }

    bool work(std::size_t i) {
        Line& line = lines_[i];
        line.resume = line.inbound->work();
        line.inbound->note();
        ring_.publish(now_ns());
        return line.resume;
    }

    LoopResult read(std::size_t i) {
        Line& line = lines_[i];
        if (line.fd < 0) return {};
        if (line.foreign) return {LoopCode::readable, i, 0};
        char* room = line.inbound->room(std::max(Inbound::READ_BYTES / 4, line.inbound->missing()));
        const ssize_t got = ::recv(line.fd, room, line.inbound->space(), 0);
        if (got > 0) {
            line.inbound->filled(static_cast<std::size_t>(got), now_ns());
            return work(i) ? LoopResult{LoopCode::message, i, 0} : LoopResult{};
        }
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return {};
        const int error = got < 0 ? errno : 0;
        detach(i);
        return {LoopCode::closed, i, error};
    }

    RingWriter& ring_;
    bool spin_;
    std::int64_t coalesce_ns_;
    std::int64_t last_read_ = 0;
    File epoll_;
    std::vector<Line> lines_;
    std::int64_t last_ns_ = 0;
};

}  // namespace fh
