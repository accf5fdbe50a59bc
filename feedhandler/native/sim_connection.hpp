// One accepted socket: a bounded outgoing buffer, and marks that say which messages the kernel has taken whole.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "feedhandler/native/sim_encode.hpp"
#include "feedhandler/native/sim_store.hpp"

namespace fh::sim {

// The end of a W or X in the outgoing stream: what was counted as sent once the stream has been taken that far.
struct Mark {
    std::uint64_t end = 0;
    std::uint64_t seq = 0;
    std::uint32_t instrument = 0;
    std::uint32_t entries = 0;
};

class Connection {
public:
    static constexpr std::size_t KEEP_BYTES = 1U << 20U;  // a buffer that grew beyond this is given back when empty

    explicit Connection(int fd) noexcept : fd_(fd) {}
    ~Connection() { close(); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    int fd() const noexcept { return fd_; }
    bool open() const noexcept { return fd_ >= 0; }
    void close() noexcept {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }

    // From the accepted logon on: whose numbers it uses and how its headers begin.
    void log_on(std::shared_ptr<SentStore> store, const std::string& sender, const std::string& target,
                std::size_t instruments) {
        store_ = std::move(store);
        sender_field_ =
            "\x01"
            "49=" +
            sender +
            "\x01"
            "52=";
        target_field_ =
            "\x01"
            "56=" +
            target + "\x01";
        subscribed_.assign(instruments, 0);
        subscriptions_ = 0;
    }
    void log_off() noexcept {
        store_.reset();
        subscribed_.clear();
        subscriptions_ = 0;
    }
    bool logged_on() const noexcept { return store_ != nullptr; }
    SentStore& store() noexcept { return *store_; }

    bool subscribed(std::uint32_t instrument) const noexcept { return logged_on() && subscribed_[instrument] != 0; }
    void subscribe(std::uint32_t instrument, bool on) noexcept {
        subscriptions_ += (on ? 1U : 0U) - static_cast<std::size_t>(subscribed_[instrument]);
        subscribed_[instrument] = on ? 1 : 0;
    }
    std::size_t subscriptions() const noexcept { return subscriptions_; }

    std::size_t backlog() const noexcept { return out_.size() - head_; }
    const std::deque<Mark>& unsent_marks() const noexcept { return marks_; }

    void write(std::string_view bytes) {
        out_.insert(out_.end(), bytes.begin(), bytes.end());
        stream_end_ += bytes.size();
    }

    // Numbers, stores and queues one market data message. False: numbered and stored, but dropped on demand.
    bool publish(char type, const Body& body, std::string_view sending_time, std::uint32_t instrument,
                 std::uint32_t entries) {
        const std::uint64_t seq = store_->next_out();
        frame(type, body, sending_time, seq);
        store_->append(seq, instrument, entries, head_text_.view(), tail_text_.view());
        store_->set_next_out(seq + 1);
        if (store_->skip_next > 0) {
            --store_->skip_next;
            return false;
        }
        write(head_text_.view());
        write(tail_text_.view());
        marks_.push_back({stream_end_, seq, instrument, entries});
        return true;
    }

    // Hands the kernel what it takes; `sent` is called for each market data message it has now taken whole.
    // False when the connection is dead.
    template <class Sent>
    bool flush(Sent&& sent) {
        while (backlog() > 0) {
            const ssize_t n = ::send(fd_, out_.data() + head_, backlog(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
            head_ += static_cast<std::size_t>(n);
            settle(sent);
        }
        return true;
    }

private:
    template <class Sent>
    void settle(Sent&& sent) {
        const std::uint64_t taken = stream_end_ - backlog();
        while (!marks_.empty() && marks_.front().end <= taken) {
            if (store_) {
                store_->last_seq_sent = marks_.front().seq;
                store_->entries_sent += marks_.front().entries;
                ++store_->messages_sent;
            }
            sent(marks_.front());
            marks_.pop_front();
        }
        if (head_ == out_.size()) {
            if (out_.capacity() > KEEP_BYTES) std::vector<char>().swap(out_);
            out_.clear();
            head_ = 0;
        } else if (head_ > KEEP_BYTES && head_ > out_.size() / 2) {
            out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(head_));
            head_ = 0;
        }
    }

    void frame(char type, const Body& body, std::string_view sending_time, std::uint64_t seq) {
        inner_.clear();
        inner_.reserve(64 + sender_field_.size() + target_field_.size() + sending_time.size());
        inner_.put("35=");
        inner_.put(type);
        inner_.put(
            "\x01"
            "34=");
        inner_.unsigned_number(seq);
        inner_.put(sender_field_);
        inner_.put(sending_time);
        inner_.put(target_field_);
        head_text_.clear();
        head_text_.reserve(64 + inner_.view().size());
        head_text_.put(
            "8=FIX.4.4\x01"
            "9=");
        head_text_.unsigned_number(inner_.view().size() + body.text.view().size());
        head_text_.put('\x01');
        head_text_.put(inner_.view());
        const std::uint32_t sum = (byte_sum(head_text_.view()) + body.sum) % 256;
        const char trailer[] = {'1', '0', '=', digit(sum / 100), digit(sum / 10), digit(sum), '\x01'};
        tail_text_.clear();
        tail_text_.reserve(sizeof trailer + body.text.view().size());
        tail_text_.put(body.text.view());
        tail_text_.put({trailer, sizeof trailer});
    }

    static char digit(std::uint32_t value) noexcept { return static_cast<char>('0' + value % 10); }

    int fd_;
    std::shared_ptr<SentStore> store_;
    std::string sender_field_;
    std::string target_field_;
    std::vector<std::uint8_t> subscribed_;
    std::size_t subscriptions_ = 0;
    std::vector<char> out_;
    std::size_t head_ = 0;
    std::uint64_t stream_end_ = 0;
    std::deque<Mark> marks_;
    Text inner_;
    Text head_text_;
    Text tail_text_;
};

}  // namespace fh::sim
