// One counterparty's sequence numbers and the market data sent to it, kept for resends in a bounded arena.
// It outlives connections: a client that comes back finds its numbers where it left them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

namespace fh::sim {

struct SentMessage {
    std::uint64_t seq = 0;
    std::uint64_t at = 0;  // stream position in the arena; never runs back
    std::uint32_t length = 0;
    std::uint32_t instrument = 0;
    std::uint32_t entries = 0;
};

class SentStore {
public:
    explicit SentStore(std::size_t capacity) : capacity_(capacity) {}

    std::uint64_t next_in = 1;
    std::uint64_t last_seq_sent = 0;  // of the last W or X the kernel accepted in full
    std::uint64_t messages_sent = 0;  // W and X the kernel accepted in full, first transmissions
    std::uint64_t entries_sent = 0;
    std::uint64_t skip_next = 0;  // messages still to be dropped after numbering

    std::uint64_t next_out() const noexcept { return next_out_; }

    // A number that runs back makes what is stored another session's: it is forgotten.
    void set_next_out(std::uint64_t seq) noexcept {
        if (!messages_.empty() && seq <= messages_.back().seq) messages_.clear();
        if (seq <= last_seq_sent) last_seq_sent = 0;
        next_out_ = seq;
    }

    // Numbers must grow. The oldest messages make room; one larger than the arena is not kept and will be gap-filled.
    void append(std::uint64_t seq, std::uint32_t instrument, std::uint32_t entries, std::string_view first,
                std::string_view second) {
        const std::size_t length = first.size() + second.size();
        if (length > capacity_) return;
        if (arena_.empty()) arena_.resize(capacity_);
        if (end_ % capacity_ + length > capacity_)
            end_ += capacity_ - end_ % capacity_;  // never wraps inside a message
        while (!messages_.empty() && messages_.front().at + capacity_ < end_ + length) messages_.pop_front();
        char* to = arena_.data() + end_ % capacity_;
        std::copy(first.begin(), first.end(), to);
        std::copy(second.begin(), second.end(), to + first.size());
        messages_.push_back({seq, end_, static_cast<std::uint32_t>(length), instrument, entries});
        end_ += length;
    }

    const std::deque<SentMessage>& messages() const noexcept { return messages_; }
    std::string_view bytes(const SentMessage& message) const noexcept {
        return {arena_.data() + message.at % capacity_, message.length};
    }
    std::size_t first_from(std::uint64_t seq) const noexcept {
        const auto at = std::partition_point(messages_.begin(), messages_.end(),
                                             [&](const SentMessage& message) { return message.seq < seq; });
        return static_cast<std::size_t>(at - messages_.begin());
    }

private:
    std::size_t capacity_;
    std::uint64_t next_out_ = 1;
    std::uint64_t end_ = 0;
    std::vector<char> arena_;
    std::deque<SentMessage> messages_;
};

}  // namespace fh::sim
