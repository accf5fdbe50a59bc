// The conflator: ring records in; books, board, derived ring and messages out. One thread.
//
// Invariants: books change only by ring records, in ring order; what is published of a book was true
// at the end of an event; a book that is not good is published once, flagged, and then no more.
#pragma once

#include <string>
#include <vector>

#include "feedhandler/native/conflate_board.hpp"
#include "feedhandler/native/conflate_books.hpp"

namespace fh {

struct Resnapshot {
    std::uint16_t source;
    std::uint32_t instrument;  // 0 = all of the source
};

class Conflator {
public:
    Conflator(const std::string& shm_dir, const std::string& state_dir, const std::string& directory_path,
              std::vector<std::string> rings, std::vector<std::vector<std::string>> ring_sources, std::uint32_t depth,
              std::uint64_t derived_capacity, std::uint32_t board_rows, Counters& counters,
              const Placement& placement = {})
        : clock_(shm_dir, placement),
          counters_(counters),
          derived_(shm_dir, state_dir, "derived", derived_capacity, 3, placement),
          publisher_epoch_(derived_.epoch()),
          board_(shm_dir, depth, board_rows, derived_.epoch(), placement),
          registry_(directory_path, std::move(ring_sources), depth, inputs_),
          publisher_(clock_, counters, depth),
          books_(registry_, publisher_, derived_, counters, clock_),
          ring_names_(std::move(rings)) {
        publisher_.output().set_ring_names(&ring_names_);
        for (std::uint32_t i = 0; i < ring_names_.size(); ++i) inputs_.emplace_back(shm_dir, ring_names_[i], i);
        books_.derived_state(0, 0, State::epoch, derived_.previous_epoch(), {});
    }

    // Attaches all rings that are there and that no checkpoint has placed. What a checkpoint brought back stands on
    // the board before anybody sees it.
    void start() {
        registry_.refresh();
        for (Input& input : inputs_)
            if (!input.reader.attached()) attach(input);
        for (InstrumentState* state : books_.dirty()) write_row(*state, clock_.now_ns());
        board_.publish();
    }

    // One duty cycle: waits for records at most `timeout_ns`, applies what there is (a batch a ring) and
    // encodes what is due. Returns records applied or lost. Through a socket everything has left by then; without
    // one the caller takes what is in output() and clears it.
    std::size_t run(WaitPolicy policy, std::int64_t timeout_ns, std::int64_t min_interval_ns) {
        const auto now = monotonic_ns();
        if (now >= next_look_ || restarted()) look_around(now);
        if (!books_.dirty().empty()) timeout_ns = std::min(timeout_ns, last_flush_ + min_interval_ns - now);
        wait_.wait(inputs_, policy, timeout_ns);
        std::size_t records = 0;
        for (Input& input : inputs_) records += take(input);
        if (!books_.dirty().empty() && (min_interval_ns == 0 || monotonic_ns() - last_flush_ >= min_interval_ns))
            flush();
        publisher_.send_all();
        derived_.publish(clock_.now_ns());
        return records;
    }

    void leave_through(const ZmqSocket* socket) noexcept { publisher_.leave_through(socket); }
    // What is encoded leaves now.
    void send() { publisher_.send_all(); }

    void heartbeat() {
        publisher_.heartbeat(publisher_epoch_);
        publisher_.send_all();
        board_.heartbeat(monotonic_ns());
        derived_.heartbeat(monotonic_ns());
    }

    // Channels with subscribers. One that was just switched on gets what changed while nobody listened.
    void enable(Channel channel, bool on) {
        if (!publisher_.enable(channel, on) || channel > channel_book) return;
        for (auto& state : registry_.instruments())
            if (state) books_.make_dirty(*state);
    }

    // Appends the published state of every topic whose name starts with `prefix` to the output. Returns how many.
    std::size_t snapshot(std::string_view prefix) {
        const auto before = publisher_.output().messages().size();
        const auto wanted = [&](const Topic& topic) {
            const std::size_t length = std::min(prefix.size(), topic.name.size());
            return topic.name.compare(0, length, prefix.substr(0, length)) == 0 && prefix.size() <= topic.name.size();
        };
        for (auto& state : registry_.instruments()) {
            if (!state) continue;
            for (const Channel channel : {channel_bbo, channel_book, channel_trade, channel_state})
                if (wanted(state->topics[channel])) publisher_.snapshot(*state, channel);
        }
        for (auto& source : registry_.sources())
            if (source && source->state != State::none && wanted(source->state_topic)) publisher_.snapshot(*source);
        return publisher_.output().messages().size() - before;
    }

    Output& output() noexcept { return publisher_.output(); }
    [[nodiscard]] std::uint64_t publisher_epoch() const noexcept { return publisher_epoch_; }
    std::vector<Resnapshot>& resnapshots() noexcept { return resnapshots_; }
    [[nodiscard]] std::vector<Input>& inputs() noexcept { return inputs_; }
    [[nodiscard]] Registry& registry() noexcept { return registry_; }
    [[nodiscard]] const SharedClock& clock() const noexcept { return clock_; }

    BookKeeper& books() noexcept { return books_; }

    // Its ring is attached: what a checkpoint says of the book can be continued.
    [[nodiscard]] bool placed(const InstrumentState& state) {
        const SourceState* owner = registry_.source(state.source);
        return owner != nullptr && owner->ring < inputs_.size() && inputs_[owner->ring].reader.attached();
    }

    // A book that a checkpoint brought back. A lapped one still waits for its snapshot, and the request for
    // it may have died with our predecessor.
    void restored(InstrumentState& state) {
        if (state.state == State::lapped) resnapshots_.push_back({state.source, state.id});
        books_.restored(state);
    }

    // The ring that the checkpoint speaks of is gone, and with it what came after.
    void restored_without_ring(InstrumentState& state, const Session& session) {
        state.session = session;
        ++state.session.gaps;
        books_.make_dirty(state);
    }

private:
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
            books_.source_state(record, stamp, /*from_ring=*/false);
            books_.derived_state(0, id, code, reason, stamp);
        }
    }

    // Records of this ring are gone: its books are not good until the venue sends them again.
    void lost(Input& input, std::uint64_t count) {
        counters_.add(Counter::conflate_lapped, input.index, count);
        counters_.add(Counter::conflate_laps, input.index, 1);
        books_.forget_unfinished();
        const Stamp stamp{0, clock_.now_ns(), input.reader.epoch(), input.reader.next(), input.index};
        registry_.each_of_ring(input.index,
                               [&](InstrumentState& state) { books_.set_state(state, State::lapped, count, stamp); });
        for (const auto id : input.sources) resnapshots_.push_back({id, 0});
    }

    // A batch of whole events. One longer than a batch is taken to its end, so that nobody looks at half of it.
    std::size_t take(Input& input) {
        std::size_t records = 0;
        bool half = true;
        while (half && input.ready()) {
            half = false;
            records += take_batch(input, half);
        }
        return records;
    }

    std::size_t take_batch(Input& input, bool& half) {
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
            books_.apply(input, record);
            if ((record.flags & flag::last) != 0) books_.end_event(input);
        }
        publish_ticks(input, result.count, first);
        counters_.add(Counter::conflate_records, input.index, result.count);
        counters_.add(Counter::conflate_ticks, input.index, ticks);
        counters_.add(Counter::conflate_batches, input.index, 1);
        half = (input.batch[result.count - 1].flags & flag::last) == 0;
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
            if (SourceState* state = registry_.source(id); state != nullptr)
                publisher_.ticks(*state, &input.batch[begin], end - begin, stamp);
            begin = end;
        }
    }

    // Best prices first: they are what most wait for, and a book's changes take longer to find.
    void flush() {
        const auto now = clock_.now_ns();
        for (InstrumentState* state : books_.dirty()) {
            state->dirty = false;
            publisher_.bbo(*state);
        }
        publisher_.send_first();
        for (InstrumentState* state : books_.dirty()) {
            publisher_.book(*state);
            write_row(*state, now);
        }
        books_.dirty().clear();
        board_.wake();
        last_flush_ = monotonic_ns();
    }

    void write_row(InstrumentState& state, std::int64_t now_ns) noexcept {
        if (!board_.write(state, now_ns)) counters_.add(Counter::conflate_no_row, 0, 1);
    }

    SharedClock clock_;
    Counters& counters_;
    RingWriter derived_;
    std::uint64_t publisher_epoch_;
    BoardFace board_;
    Registry registry_;
    Publisher publisher_;
    BookKeeper books_;
    std::vector<std::string> ring_names_;
    std::vector<Input> inputs_;
    InputWait wait_;
    std::vector<Resnapshot> resnapshots_;
    std::int64_t last_flush_ = 0;
    std::int64_t next_look_ = 0;
};

}  // namespace fh
