// Payloads of the topics, encoded as docs/contracts/topics.md says, in one arena that is reused.
// In steady state nothing is allocated: the arena and the lists keep what they grew to.
#pragma once

#include <span>
#include <vector>

#include "feedhandler/native/conflate_state.hpp"
#include "feedhandler/native/msgpack.hpp"
#include "shm/clock.hpp"

namespace fh {

inline constexpr std::uint64_t TOPIC_VERSION = 1;

struct Message {
    const Topic* topic;
    std::size_t payload;
    std::size_t payload_bytes;
    std::size_t extra;
    std::size_t extra_bytes;  // 0 where the message has two frames
};

class Output {
public:
    explicit Output(const SharedClock& clock) : clock_(clock), arena_(1 << 20) { messages_.reserve(8192); }

    void clear() noexcept {
        messages_.clear();
        batches_.clear();
        used_ = 0;
    }
    // The messages stay where they are in the arena until clear().
    void clear_messages() noexcept { messages_.clear(); }
    // All but the batches of ticks, which are long and leave last.
    [[nodiscard]] const std::vector<Message>& messages() const noexcept { return messages_; }
    [[nodiscard]] const std::vector<Message>& batches() const noexcept { return batches_; }
    [[nodiscard]] const std::uint8_t* data() const noexcept { return arena_.data(); }
    [[nodiscard]] std::size_t bytes() const noexcept { return used_; }
    void set_ring_names(const std::vector<std::string>* names) noexcept { ring_names_ = names; }

    void bbo(Topic& topic, const Bbo& bbo, const Stamp& stamp, std::int64_t oldest) {
        Msgpack out = begin(topic, stamp, 6, 128);
        out.number(bbo.bid);
        out.number(bbo.bid_size);
        out.number(bbo.ask);
        out.number(bbo.ask_size);
        out.unsigned_(bbo.flags);
        out.signed_(oldest);
        end(topic, out);
    }

    void trade(Topic& topic, const Record& trade, const Stamp& stamp) {
        Msgpack out = begin(topic, stamp, 5, 128);
        out.number(trade.price);
        out.number(trade.size);
        out.unsigned_(static_cast<std::uint64_t>(trade.side));
        out.unsigned_(trade.ref);
        out.unsigned_(trade.flags);
        end(topic, out);
    }

    void book(Topic& topic, bool changes, std::span<const Level> bids, std::span<const Level> asks, std::uint8_t flags,
              const Stamp& stamp) {
        Msgpack out = begin(topic, stamp, 4, 64 + (bids.size() + asks.size()) * 24);
        out.unsigned_(changes ? 1 : 0);
        levels(out, bids);
        levels(out, asks);
        out.unsigned_(flags);
        end(topic, out);
    }

    void state(Topic& topic, State code, std::uint64_t reason, const Stamp& stamp) {
        Msgpack out = begin(topic, stamp, 3, 64);
        out.unsigned_(static_cast<std::uint64_t>(code));
        out.unsigned_(reason);
        out.unsigned_(0);
        end(topic, out);
    }

    // Raw records in a frame of their own; the stamp is the first record's.
    void ticks(Topic& topic, const Record* records, std::size_t count, const Stamp& stamp) {
        Msgpack out = begin(topic, stamp, 1, 32);
        out.unsigned_(count);
        end(topic, out);
        ensure(count * sizeof(Record));
        std::memcpy(arena_.data() + used_, records, count * sizeof(Record));
        batches_.push_back(messages_.back());
        messages_.pop_back();
        batches_.back().extra = used_;
        batches_.back().extra_bytes = count * sizeof(Record);
        used_ += count * sizeof(Record);
    }

    void heartbeat(Topic& topic, std::uint64_t publisher_epoch, std::span<Topic* const> changed) {
        std::size_t bytes = 64;
        for (const Topic* each : changed) bytes += each->name.size() + 16;
        Msgpack out = begin(topic, Stamp{}, 2, bytes);
        out.unsigned_(publisher_epoch);
        out.map(changed.size());
        for (const Topic* each : changed) {
            out.text(each->name);
            out.unsigned_(each->seq);
        }
        end(topic, out);
    }

    // The next message repeats the topic's last seq (a snapshot) instead of taking a new one.
    void repeat_seq(bool on) noexcept { repeat_ = on; }

private:
    Msgpack begin(Topic& topic, const Stamp& stamp, std::size_t more, std::size_t bytes) {
        ensure(bytes + 128);
        if (!repeat_) ++topic.seq;
        Msgpack out(arena_.data() + used_);
        out.array(8 + more);
        out.unsigned_(TOPIC_VERSION);
        out.unsigned_(topic.seq);
        out.signed_(stamp.ts_event);
        out.signed_(stamp.ts_recv);
        out.signed_(clock_.now_ns());
        out.text(stamp.epoch == 0 ? std::string_view() : std::string_view((*ring_names_)[stamp.ring]));
        out.unsigned_(stamp.epoch);
        out.unsigned_(stamp.seq);
        return out;
    }
    void end(const Topic& topic, const Msgpack& out) {
        const auto bytes = static_cast<std::size_t>(out.end() - (arena_.data() + used_));
        messages_.push_back({&topic, used_, bytes, 0, 0});
        used_ += bytes;
    }
    static void levels(Msgpack& out, std::span<const Level> levels) {
        out.array(levels.size());
        for (const Level& level : levels) {
            out.array(2);
            out.number(level.price);
            out.number(level.size);
        }
    }
    void ensure(std::size_t bytes) {
        if (used_ + bytes > arena_.size()) arena_.resize((used_ + bytes) * 2);
    }

    const SharedClock& clock_;
    const std::vector<std::string>* ring_names_ = nullptr;
    std::vector<std::uint8_t> arena_;
    std::vector<Message> messages_;
    std::vector<Message> batches_;
    std::size_t used_ = 0;
    bool repeat_ = false;
};

}  // namespace fh
