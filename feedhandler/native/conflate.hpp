// The conflator: ring records in; books, board, derived ring and messages out. One thread.
//
// Invariants: books change only by ring records, in ring order; what is published of a book was true
// at the end of an event; a book that is not good is published once, flagged, and then no more.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "feedhandler/native/conflate_input.hpp"
#include "feedhandler/native/conflate_publish.hpp"
#include "shm/ring_writer.hpp"

namespace fh {

struct Resnapshot {
    std::uint16_t source;
    std::uint32_t instrument;  // 0 = all of the source
};

class Conflator {
public:
    Conflator(const std::string& shm_dir, const std::string& state_dir, const std::string& directory_path,
              std::vector<std::string> rings, std::vector<std::vector<std::string>> ring_sources, std::uint32_t depth,
              std::uint64_t derived_capacity, std::uint32_t board_rows, Counters& counters)
        : clock_(shm_dir),
          counters_(counters),
          directory_(directory_path, false),
          derived_(shm_dir, state_dir, "derived", derived_capacity),
          publisher_epoch_(derived_.epoch()),
          board_(shm_dir, depth, board_rows, derived_.epoch()),
          publisher_(clock_, counters, depth),
          depth_(depth),
          ring_names_(std::move(rings)),
          ring_sources_(std::move(ring_sources)) {
        publisher_.output().set_ring_names(&ring_names_);
        for (std::uint32_t i = 0; i < ring_names_.size(); ++i) inputs_.emplace_back(shm_dir, ring_names_[i], i);
        board_levels_.resize(std::size_t{depth} * 4);
        touched_.reserve(4096);
        dirty_.reserve(4096);
        derived_state(0, 0, State::epoch, derived_.previous_epoch(), {});
    }

    // Attaches all rings that are there and that no checkpoint has placed.
    void start() {
        load_directory();
        for (Input& input : inputs_)
            if (!input.reader.attached()) attach(input);
    }

    // One duty cycle: waits for records at most `timeout_ns`, applies what there is (a batch a ring) and
    // encodes what is due. Returns records applied or lost. The caller sends output().messages() and clears them.
    std::size_t run(WaitPolicy policy, std::int64_t timeout_ns, std::int64_t min_interval_ns) {
        const auto now = monotonic_ns();
        if (now >= next_look_ || restarted()) look_around(now);
        if (!dirty_.empty()) timeout_ns = std::min(timeout_ns, last_flush_ + min_interval_ns - now);
        wait_any(inputs_, policy, timeout_ns);
        std::size_t records = 0;
        for (Input& input : inputs_) records += take(input);
        if (!dirty_.empty() && (min_interval_ns == 0 || monotonic_ns() - last_flush_ >= min_interval_ns)) flush();
        derived_.publish(clock_.now_ns());
        return records;
    }

    void heartbeat() {
        publisher_.heartbeat(publisher_epoch_);
        board_.heartbeat(monotonic_ns());
        derived_.heartbeat(monotonic_ns());
    }

    // Channels with subscribers. One that was just switched on gets what changed while nobody listened.
    void enable(Channel channel, bool on) {
        if (!publisher_.enable(channel, on) || channel > channel_book) return;
        for (auto& state : instruments_)
            if (state) make_dirty(*state);
    }

    // Appends the published state of every topic whose name starts with `prefix` to the output. Returns how many.
    std::size_t snapshot(std::string_view prefix) {
        const auto before = publisher_.output().messages().size();
        const auto wanted = [&](const Topic& topic) {
            const std::size_t length = std::min(prefix.size(), topic.name.size());
            return topic.name.compare(0, length, prefix.substr(0, length)) == 0 && prefix.size() <= topic.name.size();
        };
        for (auto& state : instruments_) {
            if (!state) continue;
            for (const Channel channel : {channel_bbo, channel_book, channel_trade, channel_state})
                if (wanted(state->topics[channel])) publisher_.snapshot(*state, channel);
        }
        for (auto& source : sources_)
            if (source && source->state != State::none && wanted(source->state_topic)) publisher_.snapshot(*source);
        return publisher_.output().messages().size() - before;
    }

    Output& output() noexcept { return publisher_.output(); }
    [[nodiscard]] std::uint64_t publisher_epoch() const noexcept { return publisher_epoch_; }
    std::vector<Resnapshot>& resnapshots() noexcept { return resnapshots_; }
    [[nodiscard]] const std::vector<std::string>& ring_names() const noexcept { return ring_names_; }
    [[nodiscard]] std::vector<Input>& inputs() noexcept { return inputs_; }
    [[nodiscard]] std::vector<std::unique_ptr<InstrumentState>>& instruments() noexcept { return instruments_; }
    [[nodiscard]] const std::vector<std::unique_ptr<SourceState>>& sources() const noexcept { return sources_; }
    [[nodiscard]] const SharedClock& clock() const noexcept { return clock_; }

    // The state of an instrument, made on first sight. Null where the directory does not know it.
    InstrumentState* instrument(std::uint32_t id) {
        if (id < instruments_.size() && instruments_[id]) return instruments_[id].get();
        if (directory_.get(id) == nullptr) load_directory();
        const DirectoryEntry* entry = directory_.get(id);
        if (entry == nullptr) return nullptr;
        if (id >= instruments_.size()) instruments_.resize(id + 1);
        instruments_[id] = std::make_unique<InstrumentState>(*entry, directory_.source_name(entry->source), depth_);
        return instruments_[id].get();
    }

    // Reads names and ids anew; must precede instrument() and start().
    void load_names() { load_directory(); }

    // A book that a checkpoint brought back: current, not yet published.
    void restored(InstrumentState& state) {
        refresh_bbo(state, state.bbo_stamp);
        make_dirty(state);
    }

private:
    void load_directory() {
        directory_.refresh();
        for (std::uint16_t id = static_cast<std::uint16_t>(sources_.size()); id <= directory_.source_count(); ++id) {
            auto state = std::make_unique<SourceState>();
            state->name = directory_.source_name(id);
            state->state_topic.name = "state|*|" + state->name;
            state->tick_topic.name = "tick|*|" + state->name;
            for (std::uint32_t ring = 0; ring < ring_sources_.size(); ++ring) {
                const auto& names = ring_sources_[ring];
                if (std::find(names.begin(), names.end(), state->name) == names.end()) continue;
                state->ring = ring;
                inputs_[ring].sources.push_back(id);
            }
            sources_.push_back(std::move(state));  // index 0 is nobody's
        }
    }
    SourceState* source(std::uint16_t id) {
        if (id >= sources_.size()) load_directory();
        return id < sources_.size() && id != 0 ? sources_[id].get() : nullptr;
    }

    void attach(Input& input) {
        if (input.reader.attach(0, true) != Attach::ok) return;
        input.writer = Writer::alive;
        if (input.reader.next() > 1) lost(input, input.reader.next() - 1);
    }

    // A drained ring whose writer came back under a new epoch is followed at once.
    [[nodiscard]] bool restarted() const noexcept {
        for (const Input& input : inputs_)
            if (input.reader.attached() && !input.ready() && input.reader.newer_epoch()) return true;
        return false;
    }

    // Every 20 ms: writers that died, restarted or came; clock; directory.
    void look_around(std::int64_t now) {
        next_look_ = now + 20'000'000;
        for (Input& input : inputs_) {
            if (!input.reader.attached()) {
                attach(input);
                continue;
            }
            const Writer before = input.writer;
            const Followed followed = follow(input);
            if (followed.lost != 0) lost(input, followed.lost);
            if (input.writer == before && !followed.moved) continue;
            if (input.writer == Writer::dead && !input.ready())
                writer_state(input, State::disconnected, static_cast<std::uint64_t>(Attach::writer_dead));
            if (input.writer == Writer::dead && input.ready()) input.writer = before;  // told once the ring is drained
            if (input.writer == Writer::stalled)
                writer_state(input, State::stale, static_cast<std::uint64_t>(Attach::stalled));
            if (input.writer == Writer::alive && before == Writer::stalled) writer_state(input, State::synced, 0);
        }
    }

    void writer_state(Input& input, State code, std::uint64_t reason) {
        Record record;
        record.kind = Kind::state;
        record.level = static_cast<std::uint16_t>(code);
        record.ref = reason;
        record.ts_recv = clock_.now_ns();
        const Stamp stamp{0, record.ts_recv, input.reader.epoch(), input.reader.next() - 1, input.index};
        for (const auto id : input.sources) {
            record.source = id;
            source_state(record, stamp);
            derived_state(0, id, code, reason, stamp);
        }
    }

    // Records of this ring are gone: its books are not good until the venue sends them again.
    void lost(Input& input, std::uint64_t count) {
        counters_.add(Counter::conflate_lapped, input.index, count);
        counters_.add(Counter::conflate_laps, input.index, 1);
        for (std::uint32_t id = 1; id <= directory_.size(); ++id) {
            const auto* entry = directory_.get(id);
            const SourceState* owner = source(entry->source);
            if (owner == nullptr || owner->ring != input.index) continue;
            if (InstrumentState* state = instrument(id); state != nullptr)
                set_state(*state, State::lapped, count,
                          Stamp{0, clock_.now_ns(), input.reader.epoch(), input.reader.next(), input.index});
        }
        for (const auto id : input.sources) resnapshots_.push_back({id, 0});
    }

    std::size_t take(Input& input) {
        if (!input.ready()) return 0;
        const auto result = input.reader.read(input.batch.data(), INPUT_BATCH);
        if (result.lost != 0) {
            lost(input, result.lost);
            return static_cast<std::size_t>(result.lost);
        }
        const Stamp first{input.batch[0].ts_event, input.batch[0].ts_recv, input.reader.epoch(), input.batch[0].seq,
                          input.index};
        std::size_t ticks = 0;
        for (std::size_t i = 0; i < result.count; ++i) {
            const Record& record = input.batch[i];
            ticks += record.kind == Kind::level || record.kind == Kind::trade;
            apply(input, record);
            if ((record.flags & flag::last) != 0) end_event(input);
        }
        publish_ticks(input, result.count, first);
        counters_.add(Counter::conflate_records, input.index, result.count);
        counters_.add(Counter::conflate_ticks, input.index, ticks);
        counters_.add(Counter::conflate_batches, input.index, 1);
        return result.count;
    }

    // Runs of one source leave as one message each: a ring of one source is one run.
    void publish_ticks(Input& input, std::size_t count, Stamp stamp) {
        if (!publisher_.enabled(channel_tick)) return;
        std::size_t begin = 0;
        while (begin < count && input.silent(input.batch[begin].seq)) ++begin;
        while (begin < count) {
            const auto id = input.batch[begin].source;
            std::size_t end = begin + 1;
            while (end < count && input.batch[end].source == id) ++end;
            stamp.ts_event = input.batch[begin].ts_event;
            stamp.ts_recv = input.batch[begin].ts_recv;
            stamp.seq = input.batch[begin].seq;
            if (SourceState* state = source(id); state != nullptr)
                publisher_.ticks(*state, &input.batch[begin], end - begin, stamp);
            begin = end;
        }
    }

    void apply(Input& input, const Record& record) {
        const Stamp stamp{record.ts_event, record.ts_recv, input.reader.epoch(), record.seq, input.index};
        if (record.instrument == 0) {
            if (record.kind == Kind::state) source_state(record, stamp);
            return;
        }
        InstrumentState* state = instrument(record.instrument);
        if (state == nullptr || state->applied.covers(stamp.epoch, stamp.seq)) return;
        state->applied = {stamp.epoch, stamp.seq};
        ++state->updates;
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

    void trade(Input& input, InstrumentState& state, const Record& record, const Stamp& stamp) {
        if ((record.flags & flag::suspect) == 0)
            state.session.add(record);
        else
            counters_.add(Counter::conflate_suspect, input.index, 1);
        state.last_trade = record;
        state.trade_stamp = stamp;
        make_dirty(state);
        if (!input.silent(record.seq)) publisher_.trade(state, record, stamp);
    }

    void count(Input& input, Applied applied) noexcept {
        if (applied == Applied::unknown_delete) counters_.add(Counter::conflate_unknown_delete, input.index, 1);
        if (applied == Applied::bad_level) counters_.add(Counter::conflate_bad_level, input.index, 1);
    }

    void touch(InstrumentState& state) {
        if (state.touched) return;
        state.touched = true;
        touched_.push_back(&state);
    }
    void make_dirty(InstrumentState& state) {
        if (state.dirty) return;
        state.dirty = true;
        dirty_.push_back(&state);
    }

    // Nothing is looked at inside an event: a delete and a new of the same level are one change.
    void end_event(Input& input) {
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

    void set_state(InstrumentState& state, State code, std::uint64_t reason, const Stamp& stamp) {
        if (state.state == code) return;
        state.state = code;
        state.state_reason = reason;
        refresh_bbo(state, stamp);
        make_dirty(state);
        publisher_.state(state.topics[channel_state], code, reason, stamp);
        derived_state(state.id, state.source, code, reason, stamp);
    }

    // A source's state is its books' state, but for `synced`: that repairs only what was recovering.
    void source_state(const Record& record, const Stamp& stamp) {
        SourceState* state = source(record.source);
        const auto code = static_cast<State>(record.level);
        if (state == nullptr || code == State::epoch || code == State::clock_step || code == State::unknown_interval)
            return;
        state->state = code;
        state->reason = record.ref;
        state->stamp = stamp;
        publisher_.state(state->state_topic, code, record.ref, stamp);
        if (code == State::connected) return;
        for (auto& each : instruments_) {
            if (!each || each->source != record.source) continue;
            if (code != State::synced)
                quiet_state(*each, code, record.ref, stamp);
            else if (each->state == State::recovering || each->state == State::stale)
                quiet_state(*each, code, record.ref, stamp);
        }
    }
    // As set_state, but told once for the whole source.
    void quiet_state(InstrumentState& state, State code, std::uint64_t reason, const Stamp& stamp) {
        state.state = code;
        state.state_reason = reason;
        refresh_bbo(state, stamp);
        make_dirty(state);
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
        record.ts_recv = stamp.ts_recv != 0 ? stamp.ts_recv : clock_.now_ns();
        if (code == State::epoch) record.size = static_cast<double>(derived_.previous_last());
        derived_.append(record);
        derived_.end_event();
    }

    void flush() {
        for (InstrumentState* state : dirty_) {
            state->dirty = false;
            publisher_.bbo(*state);
            publisher_.book(*state);
            write_board(*state);
        }
        dirty_.clear();
        last_flush_ = monotonic_ns();
    }

    void write_board(const InstrumentState& state) noexcept;

    SharedClock clock_;
    Counters& counters_;
    Directory directory_;
    RingWriter derived_;
    std::uint64_t publisher_epoch_;
    BoardWriter board_;
    Publisher publisher_;
    std::uint32_t depth_;
    std::vector<std::string> ring_names_;
    std::vector<std::vector<std::string>> ring_sources_;
    std::vector<Input> inputs_;
    std::vector<std::unique_ptr<InstrumentState>> instruments_;
    std::vector<std::unique_ptr<SourceState>> sources_;
    std::vector<InstrumentState*> touched_;
    std::vector<InstrumentState*> synced_;
    std::vector<InstrumentState*> dirty_;
    std::vector<Resnapshot> resnapshots_;
    std::vector<double> board_levels_;
    std::int64_t last_flush_ = 0;
    std::int64_t next_look_ = 0;
};

inline void Conflator::write_board(const InstrumentState& state) noexcept {
    BoardRow row{};
    row.ring_epoch = state.applied.epoch;
    row.ring_seq = state.applied.seq;
    row.ts_event = state.bbo_stamp.ts_event;
    row.ts_recv = state.bbo_stamp.ts_recv;
    row.ts_update = clock_.now_ns();
    row.bid = state.bbo.bid;
    row.bid_size = state.bbo.bid_size;
    row.ask = state.bbo.ask;
    row.ask_size = state.bbo.ask_size;
    row.last_price = state.session.last_price;
    row.last_size = state.session.last_size;
    row.last_ts = state.session.last_ts;
    row.open = state.session.open;
    row.high = state.session.high;
    row.low = state.session.low;
    row.volume = state.session.volume;
    row.turnover = state.session.turnover;
    row.trades = state.session.trades;
    row.updates = state.updates;
    row.instrument = state.id;
    row.source = state.source;
    row.state = static_cast<std::uint16_t>(state.state);
    row.last_side = state.session.last_side;
    row.flags = state.bbo.flags;
    double* out = board_levels_.data();
    const auto side = [&](const BookSide& levels) {
        for (std::size_t i = 0; i < depth_; ++i) {
            const bool there = i < levels.size();
            *out++ = there ? levels.at(i).price : NO_VALUE;
            *out++ = there ? levels.at(i).size : NO_VALUE;
        }
        return static_cast<std::uint16_t>(std::min<std::size_t>(depth_, levels.size()));
    };
    row.bid_levels = side(state.book.bids());
    row.ask_levels = side(state.book.asks());
    board_.write(state.id, row, board_levels_.data());
}

}  // namespace fh
