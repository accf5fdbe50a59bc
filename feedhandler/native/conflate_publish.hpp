// From changed instruments to messages: what is due, in which order, and what a snapshot repeats.
//
// Invariants: the published state of a topic (sent_*) is what a subscriber holds that received every
// message up to the topic's seq; it never changes without the seq changing; a pending bbo leaves
// before the instrument's next trade.
#pragma once

#include "feedhandler/native/conflate_digest.hpp"
#include "feedhandler/native/conflate_output.hpp"
#include "feedhandler/native/zmq_socket.hpp"
#include "shm/counters.hpp"

namespace fh {

class Publisher {
public:
    Publisher(const SharedClock& clock, Counters& counters, std::size_t depth)
        : counters_(counters), depth_(depth), output_(clock) {
        heartbeat_topic_.name = "hb|*|*";
        change_bids_.reserve(depth * 2);
        change_asks_.reserve(depth * 2);
    }

    Output& output() noexcept { return output_; }
    [[nodiscard]] bool enabled(Channel channel) const noexcept { return enabled_[channel]; }
    // A channel nobody subscribed to is neither encoded nor sent. Returns true where it was just switched on.
    bool enable(Channel channel, bool on) noexcept {
        const bool risen = on && !enabled_[channel];
        enabled_[channel] = on;
        return risen;
    }

    // From now on messages leave through this socket; without one they wait in output().
    void leave_through(const ZmqSocket* socket) noexcept { socket_ = socket; }

    // What is encoded leaves, but for batches of ticks: they would hold up what is encoded next.
    void send_first() {
        if (socket_ == nullptr) return;
        for (const Message& message : output_.messages()) send(message);
        output_.clear_messages();
    }
    void send_all() {
        if (socket_ == nullptr) return;
        send_first();
        for (const Message& message : output_.batches()) send(message);
        output_.clear();
    }

    void bbo(InstrumentState& state) {
        // Prices that changed and came back between two flushes are sent too: they are confirmed as of a newer time.
        if (state.pending == 0 && state.bbo == state.sent_bbo) return;
        if (!enabled_[channel_bbo]) return;
        output_.bbo(mark(state.topics[channel_bbo]), state.bbo, state.bbo_stamp,
                    state.oldest != 0 ? state.oldest : state.bbo_stamp.ts_event);
        if (state.pending > 1) counters_.add(Counter::publish_conflated, 0, state.pending - 1);
        counters_.add(Counter::publish_bbo, 0, 1);
        state.sent_bbo = state.bbo;
        state.pending = 0;
        state.oldest = 0;
    }

    void book(InstrumentState& state) {
        if (!enabled_[channel_book] || !good(state.state)) return;
        if (!window_changes(state)) return;
        output_.book(mark(state.topics[channel_book]), true, change_bids_, change_asks_, state.bbo.flags,
                     state.book_stamp);
        counters_.add(Counter::publish_book, 0, 1);
        take_window(state);
    }

    void trade(InstrumentState& state, const Record& record, const Stamp& stamp) {
        if (!enabled_[channel_trade]) return;
        if (state.pending != 0) bbo(state);
        output_.trade(mark(state.topics[channel_trade]), record, stamp);
        counters_.add(Counter::publish_trade, 0, 1);
    }

    void ticks(SourceState& source, const Record* records, std::size_t count, const Stamp& stamp) {
        if (!enabled_[channel_tick] || count == 0) return;
        output_.ticks(mark(source.tick_topic), records, count, stamp);
        counters_.add(Counter::publish_tick_batches, 0, 1);
        counters_.add(Counter::publish_ticks, 0, count);
    }

    void state(Topic& topic, State code, std::uint64_t reason, const Stamp& stamp) {
        output_.state(mark(topic), code, reason, stamp);
        counters_.add(Counter::publish_state, 0, 1);
    }

    // Call Digest::SLICES times an interval.
    void heartbeat(std::uint64_t publisher_epoch) {
        const auto topics = digest_.due();
        if (topics.empty() && !digest_.interval_over()) return;
        output_.heartbeat(heartbeat_topic_, publisher_epoch, topics);
        digest_.named();
    }

    // Repeats the published state under its seq. Where nobody was subscribed the published state is
    // first moved to the current one, with a seq of its own, so that an earlier snapshot shows as old.
    void snapshot(InstrumentState& state, Channel channel) {
        if (channel == channel_bbo && !enabled_[channel_bbo] && !(state.bbo == state.sent_bbo)) {
            ++state.topics[channel_bbo].seq;
            state.sent_bbo = state.bbo;
            state.pending = 0;
            state.oldest = 0;
        }
        if (channel == channel_book && !enabled_[channel_book] && good(state.state) && window_changes(state)) {
            ++state.topics[channel_book].seq;
            take_window(state);
        }
        output_.repeat_seq(true);
        if (channel == channel_bbo)
            output_.bbo(state.topics[channel], state.sent_bbo, state.bbo_stamp, state.bbo_stamp.ts_event);
        else if (channel == channel_book)
            output_.book(state.topics[channel], false, state.sent_bids, state.sent_asks, state.bbo.flags,
                         state.book_stamp);
        else if (channel == channel_trade && state.last_trade.kind == Kind::trade)
            output_.trade(state.topics[channel], state.last_trade, state.trade_stamp);
        else if (channel == channel_state && state.state != State::none)
            output_.state(state.topics[channel], state.state, state.state_reason, state.book_stamp);
        output_.repeat_seq(false);
    }

    void snapshot(SourceState& source) {
        output_.repeat_seq(true);
        output_.state(source.state_topic, source.state, source.reason, source.stamp);
        output_.repeat_seq(false);
    }

private:
    void send(const Message& message) {
        const std::uint8_t* data = output_.data();
        const bool has_extra = message.extra_bytes != 0;
        socket_->send(message.topic->name.data(), message.topic->name.size(), true);
        socket_->send(data + message.payload, message.payload_bytes, has_extra);
        if (has_extra) socket_->send(data + message.extra, message.extra_bytes, false);
        counters_.add(Counter::publish_messages, 0, 1);
        counters_.add(Counter::publish_bytes, 0, message.payload_bytes + message.extra_bytes);
    }

    Topic& mark(Topic& topic) {
        digest_.add(topic);
        return topic;
    }

    // Differences between the published window and the best `depth` levels now.
    bool window_changes(const InstrumentState& state) {
        side_changes(state.book.bids(), state.sent_bids, true, change_bids_);
        side_changes(state.book.asks(), state.sent_asks, false, change_asks_);
        return !change_bids_.empty() || !change_asks_.empty();
    }

    // Both lists are best first; a merge finds what went, came and changed.
    void side_changes(const BookSide& side, const std::vector<Level>& sent, bool is_bid,
                      std::vector<Level>& changes) const {
        changes.clear();
        const std::size_t now = std::min(depth_, side.size());
        std::size_t i = 0;
        std::size_t j = 0;
        while (i < now || j < sent.size()) {
            const bool only_sent =
                i == now ||
                (j < sent.size() && (is_bid ? sent[j].price > side.at(i).price : sent[j].price < side.at(i).price));
            if (only_sent) {
                changes.push_back({sent[j++].price, 0.0});
            } else if (j == sent.size() || sent[j].price != side.at(i).price) {
                changes.push_back(side.at(i++));
            } else {
                if (sent[j].size != side.at(i).size) changes.push_back(side.at(i));
                ++i;
                ++j;
            }
        }
    }

    void take_window(InstrumentState& state) const {
        take_side(state.book.bids(), state.sent_bids);
        take_side(state.book.asks(), state.sent_asks);
    }
    void take_side(const BookSide& side, std::vector<Level>& sent) const {
        sent.clear();
        for (std::size_t i = 0; i < std::min(depth_, side.size()); ++i) sent.push_back(side.at(i));
    }

    Counters& counters_;
    std::size_t depth_;
    Output output_;
    const ZmqSocket* socket_ = nullptr;
    bool enabled_[channel_count] = {};
    Topic heartbeat_topic_;
    Digest digest_;
    std::vector<Level> change_bids_;
    std::vector<Level> change_asks_;
};

}  // namespace fh
