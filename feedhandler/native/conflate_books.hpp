// Records into books and states: what the conflator knows after each event.
//
// Invariants: a book changes only by records, in ring order, each once; nothing of it is looked at inside
// an event; a book that is not good shows its last good best prices, flagged.
#pragma once

#include <vector>

#include "feedhandler/native/conflate_publish.hpp"
#include "feedhandler/native/conflate_registry.hpp"
#include "shm/ring_writer.hpp"

namespace fh {

class BookKeeper {
public:
    BookKeeper(Registry& registry, Publisher& publisher, RingWriter& derived, Counters& counters,
               const SharedClock& clock)
        : registry_(registry), publisher_(publisher), derived_(derived), counters_(counters), clock_(clock) {
        touched_.reserve(4096);
        dirty_.reserve(4096);
    }

    void apply(const Input& input, const Record& record) {
        const Stamp stamp{record.ts_event, record.ts_recv, input.reader.epoch(), record.seq, input.index};
        if (record.instrument == 0) {
            if (record.kind == Kind::state) {
                registry_.heard_in(record.source, input.index);
                source_state(record, stamp, /*from_ring=*/true);
            }
            return;
        }
        InstrumentState* state = registry_.instrument(record.instrument);
        if (state == nullptr || state->applied.covers(stamp.epoch, stamp.seq)) return;
        state->applied = {stamp.epoch, stamp.seq};
        state->heard = record.ts_recv;
        ++state->updates;
        if (state->session.begin_ns == 0) state->session.begin_ns = time_of(stamp);
        switch (record.kind) {
            case Kind::level:
                count(input, state->book.apply(record));
                state->book_stamp = stamp;
                touch(*state);
                break;
            case Kind::trade:
                trade(input, *state, record, stamp);
                break;
            case Kind::book_clear:
                state->book.clear();
                state->book_stamp = stamp;
                touch(*state);
                if (state->state != State::synced) synced_.push_back(state);
                break;
            case Kind::state:
                set_state(*state, static_cast<State>(record.level), record.ref, stamp);
                break;
            default:
                break;
        }
    }

    // Nothing is looked at inside an event: a delete and a new of the same level are one change.
    void end_event(const Input& input) {
        for (InstrumentState* state : synced_) set_state(*state, State::synced, 0, state->book_stamp);
        synced_.clear();
        for (InstrumentState* state : touched_) {
            state->touched = false;
            if (state->book.crossed()) counters_.add(Counter::conflate_crossed, input.index, 1);
            refresh_bbo(*state, state->book_stamp);
            make_dirty(*state);
        }
        touched_.clear();
    }

    // The rest of an event is gone: the snapshots in it make no book good.
    void forget_unfinished() noexcept { synced_.clear(); }

    // A source's state is its books' state, but for `synced`: that repairs only what was recovering. A record
    // read again after a restart does not touch books that are past it.
    void source_state(const Record& record, const Stamp& stamp, bool from_ring) {
        SourceState* state = registry_.source(record.source);
        const auto code = static_cast<State>(record.level);
        if (state == nullptr || code == State::epoch || code == State::clock_step) return;
        if (code == State::unknown_interval) return unknown_interval(record, stamp);
        state->state = code;
        state->reason = record.ref;
        state->stamp = stamp;
        publisher_.state(state->state_topic, code, record.ref, stamp);
        if (code == State::connected) return;
        for (auto& each : registry_.instruments()) {
            if (!each || each->source != record.source) continue;
            if (from_ring && each->applied.covers(stamp.epoch, stamp.seq)) continue;
            // The source says `synced` of what it resent; a writer that goes on, of what stood still with it.
            const State repaired = from_ring ? State::recovering : State::stale;
            const bool concerned = code == State::synced  ? each->state == repaired
                                   : code == State::stale ? good(each->state)
                                                          : true;
            if (concerned) quiet_state(*each, code, record.ref, stamp);
        }
    }

    void set_state(InstrumentState& state, State code, std::uint64_t reason, const Stamp& stamp) {
        if (state.state == code) {
            if (loses_trades(code) && code != State::disconnected) count_gap(state);
            return;
        }
        quiet_state(state, code, reason, stamp);
        publisher_.state(state.topics[channel_state], code, reason, stamp);
        derived_state(state.id, state.source, code, reason, stamp);
    }

    void derived_state(std::uint32_t id, std::uint16_t source_id, State code, std::uint64_t reason,
                       const Stamp& stamp) {
        Record record;
        record.kind = Kind::state;
        record.instrument = id;
        record.source = source_id;
        record.level = static_cast<std::uint16_t>(code);
        record.ref = reason;
        record.ts_event = stamp.ts_event;
        record.ts_recv = time_of(stamp);
        if (code == State::epoch) record.size = static_cast<double>(derived_.previous_last());
        derived_.append(record);
        derived_.end_event();
    }

    void make_dirty(InstrumentState& state) {
        if (state.dirty) return;
        state.dirty = true;
        dirty_.push_back(&state);
    }

    // A book that a checkpoint brought back: current, not yet published.
    void restored(InstrumentState& state) {
        refresh_bbo(state, state.bbo_stamp);
        make_dirty(state);
    }
    // Instruments changed since they were last taken out of here.
    std::vector<InstrumentState*>& dirty() noexcept { return dirty_; }

private:
    void trade(const Input& input, InstrumentState& state, const Record& record, const Stamp& stamp) {
        if ((record.flags & flag::suspect) != 0)
            counters_.add(Counter::conflate_suspect, input.index, 1);
        else if (state.session.add(record, stamp.epoch) == Traded::unusable)
            counters_.add(Counter::conflate_bad_trade, input.index, 1);
        state.last_trade = record;
        state.trade_stamp = stamp;
        make_dirty(state);
        if (!input.silent(record.seq)) publisher_.trade(state, record, stamp);
    }

    void count(const Input& input, Applied applied) noexcept {
        if (applied == Applied::unknown_delete) counters_.add(Counter::conflate_unknown_delete, input.index, 1);
        if (applied == Applied::bad_level) counters_.add(Counter::conflate_bad_level, input.index, 1);
    }

    void touch(InstrumentState& state) {
        if (state.touched) return;
        state.touched = true;
        touched_.push_back(&state);
    }

    void refresh_bbo(InstrumentState& state, const Stamp& stamp) {
        Bbo now;
        if (!good(state.state)) {
            now = state.bbo;
            now.flags = flag::maybe_bad_book;
        } else {
            if (!state.book.bids().empty())
                now.bid = state.book.bids().at(0).price, now.bid_size = state.book.bids().at(0).size;
            if (!state.book.asks().empty())
                now.ask = state.book.asks().at(0).price, now.ask_size = state.book.asks().at(0).size;
            if (state.book.crossed()) now.flags = flag::maybe_bad_book;
        }
        if (now == state.bbo) return;
        state.bbo = now;
        state.bbo_stamp = stamp;
        if (state.pending++ == 0) state.oldest = stamp.ts_event;
    }

    // As set_state, but told once for the whole source.
    void quiet_state(InstrumentState& state, State code, std::uint64_t reason, const Stamp& stamp) {
        if (state.state != code) {
            state.state_since = time_of(stamp);
            if (loses_trades(code)) count_gap(state);
        }
        state.state = code;
        state.state_reason = reason;
        refresh_bbo(state, stamp);
        make_dirty(state);
    }

    // The source's books go on; its statistics may lack what nobody can name.
    void unknown_interval(const Record& record, const Stamp& stamp) {
        for (auto& each : registry_.instruments())
            if (each && each->source == record.source && !each->applied.covers(stamp.epoch, stamp.seq))
                count_gap(*each);
    }

    // What was lost before the session began is not missing from it.
    void count_gap(InstrumentState& state) {
        if (state.session.begin_ns == 0) return;
        ++state.session.gaps;
        make_dirty(state);
    }

    [[nodiscard]] std::int64_t time_of(const Stamp& stamp) const noexcept {
        return stamp.ts_recv != 0 ? stamp.ts_recv : clock_.now_ns();
    }

    Registry& registry_;
    Publisher& publisher_;
    RingWriter& derived_;
    Counters& counters_;
    const SharedClock& clock_;
    std::vector<InstrumentState*> touched_;
    std::vector<InstrumentState*> synced_;
    std::vector<InstrumentState*> dirty_;
};

}  // namespace fh
