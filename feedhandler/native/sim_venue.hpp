// The venue: applies each event to its own book when its time comes, encodes it, and writes it to who subscribed.
//
// What stays true:
// - open loop: an event's intended time is start + offset / speed and never moves, however late we are;
// - a book changes exactly when its event is published, so books, counts and bytes agree;
// - a tick counts as sent when the kernel has taken the last byte of its message, once, on first transmission.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "feedhandler/native/sim_bbo_log.hpp"
#include "feedhandler/native/sim_connections.hpp"
#include "feedhandler/native/sim_feed.hpp"
#include "feedhandler/native/sim_flow.hpp"
#include "shm/clock.hpp"

namespace fh::sim {

struct InstrumentCounts {
    std::uint64_t sent = 0;     // entries the kernel took, first transmissions
    std::uint64_t resent = 0;   // entries handed out again (43=Y)
    std::uint64_t skipped = 0;  // entries numbered and dropped on demand
    std::uint64_t cut = 0;      // entries numbered, then lost with their connection's buffer; a resend can bring them
    std::uint64_t unsent = 0;   // entries nobody was subscribed to; never numbered
};

struct Instrument {
    WireInstrument wire;
    std::string symbol;
    Book book;
    std::uint64_t rpt_seq = 0;
    InstrumentCounts counts;
};

struct VenueCounts {
    std::uint64_t events = 0;
    std::uint64_t entries = 0;
    std::uint64_t messages_sent = 0;
    std::uint64_t crossed = 0;
    std::uint64_t misfits = 0;  // entries that did not fit the book they were meant for
};

class Venue {
public:
    Venue(std::string sender, bool by_id, std::int64_t realtime_offset_ns, std::size_t backlog_max)
        : sender_(std::move(sender)),
          by_id_(by_id),
          realtime_offset_ns_(realtime_offset_ns),
          backlog_max_(backlog_max),
          encoder_(by_id) {}

    Flow flow;
    VenueCounts counts;

    std::uint32_t add_instrument(const std::string& symbol, unsigned price_decimals, unsigned size_decimals) {
        if (symbol.empty() || symbol.size() > 64) throw std::invalid_argument("symbol must have 1 to 64 characters");
        if (price_decimals > DECIMALS_MAX || size_decimals > DECIMALS_MAX)
            throw std::invalid_argument("an instrument has at most 18 decimals");
        instruments_.push_back({{"55=" + symbol + "\x01", price_decimals, size_decimals}, symbol, Book(by_id_), 0, {}});
        return static_cast<std::uint32_t>(instruments_.size() - 1);
    }
    const Connections& connections() const noexcept { return connections_; }
    const std::vector<Instrument>& instruments() const noexcept { return instruments_; }
    Instrument& instrument(std::size_t index) { return instruments_.at(index); }

    InstrumentCounts sum() const noexcept {
        InstrumentCounts all;
        for (const Instrument& one : instruments_) {
            all.sent += one.counts.sent;
            all.resent += one.counts.resent;
            all.skipped += one.counts.skipped;
            all.cut += one.counts.cut;
            all.unsent += one.counts.unsent;
        }
        return all;
    }

    void set_feed(std::unique_ptr<Feed> feed) { feed_ = std::move(feed); }
    void set_bbo_log(std::unique_ptr<BboLog> log) { log_ = std::move(log); }
    BboLog* bbo_log() noexcept { return log_.get(); }
    // Books that stand before the flow; nothing is sent.
    void open_books(const Batch& opening) {
        for (const Event& event : opening.events)
            for (std::uint32_t i = 0; i < event.count; ++i)
                instruments_.at(event.instrument).book.apply(opening.entries[event.first + i]);
    }

    std::uint32_t attach(int fd) { return connections_.add(fd); }
    Connection& connection(std::uint32_t slot) { return connections_.at(slot); }
    void log_on(std::uint32_t slot, std::shared_ptr<SentStore> store, const std::string& target) {
        connection(slot).log_on(std::move(store), sender_, target, instruments_.size());
    }
    // Forgets the connection; what its buffer still held was never sent.
    void detach(std::uint32_t slot) {
        for (const Mark& mark : connection(slot).unsent_marks())
            instruments_[mark.instrument].counts.cut += mark.entries;
        connections_.remove(slot);
    }

    void subscribe(std::uint32_t slot, std::uint32_t index, bool on) {
        Connection& one = connection(slot);
        if (!one.logged_on() || index >= instruments_.size()) throw std::out_of_range("no session or no instrument");
        one.subscribe(index, on);
    }

    // The book as it is, at once.
    void send_snapshot(std::uint32_t slot, std::uint32_t index, std::string_view request_id) {
        if (!connection(slot).logged_on() || index >= instruments_.size())
            throw std::out_of_range("no session or no instrument");
        const std::int64_t now = realtime(monotonic_ns());
        sending_.set(now);
        snapshot_to(connection(slot), index, request_id, now);
    }

    // True when every instrument has a subscriber.
    bool all_subscribed() const noexcept {
        for (std::uint32_t index = 0; index < instruments_.size(); ++index)
            if (!connections_.any([&](const Connection& one) { return one.subscribed(index); })) return false;
        return true;
    }

    // Runs the venue until something needs Python or the time is up. `listener` < 0: none. Returns true when the
    // listener has a caller; what arrived on connections is in `inbound`.
    bool run(int listener, std::int64_t until_ns, std::vector<Inbound>& inbound) {
        for (;;) {
            const std::int64_t now = monotonic_ns();
            publish_due(now);
            connections_.flush(backlog_max_, inbound, [&](const Mark& mark) {
                instruments_[mark.instrument].counts.sent += mark.entries;
                ++counts.messages_sent;
            });
            const std::int64_t wake = next_wake(now, until_ns);
            while (feed_ && monotonic_ns() + SLICE_COST_NS < wake && feed_->prepare()) continue;
            const bool caller = connections_.wait(listener, inbound.empty() ? wake : now, inbound);
            if (caller || !inbound.empty() || monotonic_ns() >= until_ns) return caller;
        }
    }

private:
    static constexpr std::int64_t SLICE_COST_NS = 60'000;
    static constexpr std::size_t BURST_EVENTS = 4096;           // then sockets are looked at, however late we are
    static constexpr std::size_t FLAT_BACKLOG_MAX = 1U << 18U;  // flat out: the socket's back-pressure is the clock

    std::int64_t next_wake(std::int64_t now, std::int64_t until_ns) {
        if (feed_ && flow.running() && flow.flat() && room()) return now;
        return std::min(until_ns, flow.next_wake(now, feed_ ? feed_->peek() : nullptr));
    }

    std::int64_t realtime(std::int64_t monotonic) const noexcept { return monotonic + realtime_offset_ns_; }

    void publish_due(std::int64_t now) {
        if (!feed_ || !flow.running()) return;
        sending_.set(realtime(now));
        for (std::size_t done = 0; done < BURST_EVENTS; ++done) {
            const Event* event = feed_->peek();
            if (event == nullptr || flow.over(*event, now)) {
                flow.finish(now);
                if (log_) log_->flush();
                return;
            }
            if (flow.flat() ? !room() : flow.intended(*event) > now) return;
            publish(*event, flow.flat() ? now : flow.intended(*event));
            flow.published(*event, now);
            feed_->pop();
        }
    }

    // Flat out, nobody to send to or a buffer not yet drained means: not yet.
    bool room() const noexcept {
        bool any = false;
        for (const auto& one : connections_) {
            if (!one || !one->logged_on()) continue;
            any = any || one->subscriptions() > 0;
            if (one->backlog() > FLAT_BACKLOG_MAX) return false;
        }
        return any;
    }

    void publish(const Event& event, std::int64_t intended_ns) {
        Instrument& instrument = instruments_[event.instrument];
        const Entry* entries = feed_->entries(event);
        const Best bid = instrument.book.bids().best();
        const Best ask = instrument.book.asks().best();
        if (event.kind == EventKind::snapshot) instrument.book.clear();
        for (std::uint32_t i = 0; i < event.count; ++i) counts.misfits += instrument.book.apply(entries[i]) ? 0U : 1U;
        if (event.rpt_seq != 0) instrument.rpt_seq = event.rpt_seq;
        ++counts.events;
        counts.entries += event.count;
        counts.crossed += instrument.book.crossed() ? 1U : 0U;
        if (log_) log_change(event.instrument, bid, ask, intended_ns);
        send_event(event, entries, realtime(intended_ns));
    }

    void send_event(const Event& event, const Entry* entries, std::int64_t intended_realtime_ns) {
        Instrument& instrument = instruments_[event.instrument];
        bool encoded = false;
        for (const auto& one : connections_) {
            if (!one || !one->subscribed(event.instrument)) continue;
            if (!std::exchange(encoded, true)) {
                if (event.kind == EventKind::snapshot)
                    encoder_.snapshot(body_, instrument.wire, instrument.book, {}, instrument.rpt_seq,
                                      intended_realtime_ns);
                else
                    encoder_.incremental(body_, instrument.wire, entries, event.count, event.rpt_seq,
                                         intended_realtime_ns);
            }
            const char type = event.kind == EventKind::snapshot ? 'W' : 'X';
            if (!one->publish(type, body_, sending_.view(), event.instrument, event.count))
                instrument.counts.skipped += event.count;
        }
        if (!encoded) instrument.counts.unsent += event.count;
    }

    void snapshot_to(Connection& one, std::uint32_t index, std::string_view request_id, std::int64_t now) {
        Instrument& instrument = instruments_[index];
        encoder_.snapshot(body_, instrument.wire, instrument.book, request_id, instrument.rpt_seq, now);
        const auto entries = static_cast<std::uint32_t>(instrument.book.bids().size() + instrument.book.asks().size());
        if (!one.publish('W', body_, sending_.view(), index, entries)) instrument.counts.skipped += entries;
    }

    void log_change(std::uint32_t index, const Best& bid, const Best& ask, std::int64_t intended_ns) {
        const Instrument& instrument = instruments_[index];
        const Best new_bid = instrument.book.bids().best();
        const Best new_ask = instrument.book.asks().best();
        if (new_bid == bid && new_ask == ask) return;
        const auto price = [&](const BookSide& side, const Best& best) {
            return side.size() > 0 ? as_double(best.price, instrument.wire.price_decimals) : NAN;
        };
        const auto size = [&](const BookSide& side, const Best& best) {
            return side.size() > 0 ? as_double(best.size, instrument.wire.size_decimals) : NAN;
        };
        const BookSide& bids = instrument.book.bids();
        const BookSide& asks = instrument.book.asks();
        log_->add({realtime(intended_ns), index, 0, price(bids, new_bid), size(bids, new_bid), price(asks, new_ask),
                   size(asks, new_ask)});
    }

    std::string sender_;
    bool by_id_;
    std::int64_t realtime_offset_ns_;
    std::size_t backlog_max_;
    BodyEncoder encoder_;
    Body body_;
    TimeText sending_;
    std::vector<Instrument> instruments_;
    Connections connections_;
    std::unique_ptr<Feed> feed_;
    std::unique_ptr<BboLog> log_;
};

}  // namespace fh::sim
