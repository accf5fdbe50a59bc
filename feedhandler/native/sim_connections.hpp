// All accepted sockets: reading, writing and waiting on them. What they say and how they end goes to Python.
#pragma once

#include <poll.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "feedhandler/native/sim_connection.hpp"
#include "shm/clock.hpp"

namespace fh::sim {

// Bytes or the end of a connection, for Python.
struct Inbound {
    std::uint32_t slot = 0;
    bool closed = false;
    std::string data;  // or why it closed
};

class Connections {
public:
    std::uint64_t bytes_sent = 0;
    std::uint64_t slow_consumers = 0;

    auto begin() const noexcept { return slots_.begin(); }
    auto end() const noexcept { return slots_.end(); }

    std::uint32_t add(int fd) {
        std::uint32_t slot = 0;
        while (slot < slots_.size() && slots_[slot]) ++slot;
        if (slot == slots_.size()) slots_.emplace_back();
        slots_[slot] = std::make_unique<Connection>(fd);
        return slot;
    }
    Connection& at(std::uint32_t slot) const {
        if (slot >= slots_.size() || !slots_[slot]) throw std::out_of_range("no such connection");
        return *slots_[slot];
    }
    void remove(std::uint32_t slot) noexcept { slots_[slot].reset(); }

    template <class Predicate>
    bool any(Predicate&& predicate) const {
        return std::any_of(slots_.begin(), slots_.end(), [&](const auto& one) { return one && predicate(*one); });
    }

    // Hands every socket what it takes. `sent` is called for each message that the kernel now has in full.
    template <class Sent>
    void flush(std::size_t backlog_max, std::vector<Inbound>& inbound, Sent&& sent) {
        for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) {
            Connection* one = slots_[slot].get();
            if (one == nullptr || !one->open() || one->backlog() == 0) continue;
            const std::size_t before = one->backlog();
            const bool alive = one->flush(sent);
            bytes_sent += before - one->backlog();
            if (!alive) {
                fail(slot, "write failed", inbound);
            } else if (one->backlog() > backlog_max) {
                ++slow_consumers;
                fail(slot, "slow consumer", inbound);
            }
        }
    }

    // Sleeps until `wake_ns`, or until a socket has something. `listener` < 0: none. True: the listener has a caller.
    bool wait(int listener, std::int64_t wake_ns, std::vector<Inbound>& inbound) {
        gather(listener);
        const std::int64_t left = std::max<std::int64_t>(wake_ns - monotonic_ns(), 0);
        const timespec timeout{static_cast<time_t>(left / 1'000'000'000), static_cast<long>(left % 1'000'000'000)};
        if (::ppoll(polled_.data(), polled_.size(), &timeout, nullptr) <= 0) return false;
        const std::size_t skip = listener >= 0 ? 1 : 0;
        for (std::size_t i = skip; i < polled_.size(); ++i)
            if ((polled_[i].revents & ~POLLOUT) != 0) read(polled_slots_[i - skip], inbound);
        return skip == 1 && polled_[0].revents != 0;
    }

    // Sleeps of this thread end when asked, not up to 50 us later.
    static void sharpen_timers() noexcept { ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); }

private:
    void gather(int listener) {
        polled_.clear();
        polled_slots_.clear();
        if (listener >= 0) polled_.push_back({listener, POLLIN, 0});
        for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) {
            const auto& one = slots_[slot];
            if (!one || !one->open()) continue;
            polled_.push_back({one->fd(), static_cast<short>(one->backlog() > 0 ? POLLIN | POLLOUT : POLLIN), 0});
            polled_slots_.push_back(slot);
        }
    }

    void read(std::uint32_t slot, std::vector<Inbound>& inbound) {
        char bytes[65536];
        const ssize_t n = ::recv(slots_[slot]->fd(), bytes, sizeof bytes, MSG_DONTWAIT);
        if (n > 0) {
            inbound.push_back({slot, false, std::string(bytes, static_cast<std::size_t>(n))});
        } else if (n == 0) {
            fail(slot, "closed by the client", inbound);
        } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            fail(slot, "read failed", inbound);
        }
    }

    // The connection stays until Python has heard of it and removes it; it takes no more events.
    void fail(std::uint32_t slot, const char* why, std::vector<Inbound>& inbound) {
        slots_[slot]->close();
        slots_[slot]->log_off();
        inbound.push_back({slot, true, why});
    }

    std::vector<std::unique_ptr<Connection>> slots_;
    std::vector<pollfd> polled_;
    std::vector<std::uint32_t> polled_slots_;
};

}  // namespace fh::sim
