// Books across a restart of the conflator: a checkpoint in shared memory, written in slices so that
// no duty cycle stalls, and the ring from there on.
//
// Invariant: every book in the file stands at its own (epoch, seq), none before the file's ring
// positions, which were taken first. Re-reading the ring from those positions and skipping what a
// book covers already gives every book as it was. Session statistics know the last trade they counted, so they
// go on even where their ring is gone. The file is complete or absent: written beside, renamed, and measured to
// its end before anything of it is used.
#pragma once

#include "feedhandler/native/conflate.hpp"

namespace fh {

inline constexpr std::uint64_t CHECKPOINT_MAGIC = 0x3354504b43484600;

struct CheckpointRing {
    char name[64];
    std::uint64_t epoch;
    std::uint64_t next;
};
struct CheckpointBook {
    std::uint32_t id;
    std::uint16_t state;
    std::uint16_t reserved;
    Position applied;
    Bbo bbo;
    Stamp bbo_stamp;
    Session session;
    std::uint64_t state_reason;
    std::int64_t state_since;
    std::int64_t heard;
    std::uint64_t updates;
    std::uint32_t bids;
    std::uint32_t asks;
    std::uint64_t entries;
};

// `<shm_dir>/conflator.position`: what has been handed to ZeroMQ, so that a successor stays silent up to there.
class SentPosition {
public:
    SentPosition(const std::string& shm_dir, std::size_t rings) {
        const std::string path = shm_dir + "/conflator.position";
        const File file = File::open(path, O_RDWR | O_CREAT);
        if (!file.ok()) fail("opening " + path);
        allocate(file, 4096, path);
        mapping_ = Mapping(file, 4096, true);
        if (rings > 64) throw std::invalid_argument("at most 64 rings");
    }
    // Each pair is stored seq 0 first where the epoch changes: a crash in between makes nobody silent too long.
    void store_all(std::vector<Input>& inputs) noexcept {
        for (Input& input : inputs) {
            if (!input.reader.attached()) continue;
            Position& place = mapping_.as<Position>()[input.index];
            if (place.epoch != input.reader.epoch()) {
                store(place.seq, std::uint64_t{0}, std::memory_order_relaxed);
                // SYNC checkpoint.sent: seq 0 before epoch; pairs with at()
                store(place.epoch, input.reader.epoch(), std::memory_order_release);
            }
            store(place.seq, input.reader.next() - 1, std::memory_order_relaxed);
        }
    }
    // SYNC checkpoint.sent: read after the writer's death, so every store is in; pairs with store_all()
    [[nodiscard]] Position at(std::size_t ring) const noexcept { return mapping_.as<Position>()[ring]; }

private:
    Mapping mapping_;
};

class Checkpoint {
public:
    explicit Checkpoint(const std::string& shm_dir) : path_(shm_dir + "/conflator.books") { buffer_.reserve(1 << 20); }

    // Begins a checkpoint: takes the ring positions.
    void begin(Conflator& conflator) {
        buffer_.clear();
        file_ = File::open(path_ + ".new", O_WRONLY | O_CREAT | O_TRUNC);
        if (!file_.ok()) fail("creating " + path_ + ".new");
        put(CHECKPOINT_MAGIC);
        put(std::uint64_t{LAYOUT_VERSION});
        put(static_cast<std::uint64_t>(conflator.inputs().size()));
        for (Input& input : conflator.inputs()) {
            CheckpointRing ring{};
            std::strncpy(ring.name, input.reader.name().c_str(), sizeof ring.name - 1);
            ring.epoch = input.reader.attached() ? input.reader.epoch() : 0;
            ring.next = input.reader.next();
            put(ring);
        }
        next_ = 1;
    }
    [[nodiscard]] bool running() const noexcept { return file_.ok(); }

    // Copies books until `bytes` are written. True once the checkpoint is complete and in place.
    bool step(Conflator& conflator, std::size_t bytes) {
        auto& instruments = conflator.registry().instruments();
        while (next_ < instruments.size() && buffer_.size() < bytes) {
            if (instruments[next_]) put_book(*instruments[next_]);
            ++next_;
        }
        const bool complete = next_ >= instruments.size();
        if (complete) put(CheckpointBook{});  // id 0 ends the file
        if (::write(file_.fd(), buffer_.data(), buffer_.size()) != static_cast<ssize_t>(buffer_.size()))
            fail("writing " + path_ + ".new");
        buffer_.clear();
        if (!complete) return false;
        file_.reset();
        publish_by_rename(path_ + ".new", path_);
        return true;
    }

    // Brings ring positions back, and the books of the rings that are still there. Returns the number of
    // books; 0 where there is no usable checkpoint.
    std::size_t restore(Conflator& conflator, const SentPosition& sent) {
        File file = File::open(path_, O_RDONLY);
        if (!file.ok() || file.size() < 24) return 0;
        const Mapping mapping(file, file.size(), false);
        at_ = mapping.as<const std::uint8_t>();
        end_ = at_ + mapping.bytes();
        if (get<std::uint64_t>() != CHECKPOINT_MAGIC || get<std::uint64_t>() != LAYOUT_VERSION) return 0;
        const auto rings = get<std::uint64_t>();
        if (rings > 64 || room() < rings * sizeof(CheckpointRing)) return 0;
        std::vector<CheckpointRing> positions(rings);
        for (auto& ring : positions) {
            ring = get<CheckpointRing>();
            ring.name[sizeof ring.name - 1] = '\0';
        }
        if (!complete()) return 0;
        place(conflator, positions, sent);
        std::size_t books = 0;
        for (;;) {
            const auto header = get<CheckpointBook>();
            if (header.id == 0) return books;
            books += get_book(conflator, header);
        }
    }

private:
    // From here on, books whose sizes fit, and their end mark: half a file would give half the books and,
    // with the rings already past the others' levels, wrong ones.
    [[nodiscard]] bool complete() const noexcept {
        const std::uint8_t* at = at_;
        for (;;) {
            if (static_cast<std::size_t>(end_ - at) < sizeof(CheckpointBook)) return false;
            CheckpointBook header;
            std::memcpy(&header, at, sizeof header);
            at += sizeof header;
            if (header.id == 0) return at == end_;
            const auto left = static_cast<std::size_t>(end_ - at);
            const std::size_t levels = (std::size_t{header.bids} + header.asks) * sizeof(Level);
            if (levels > left || header.entries > (left - levels) / sizeof(IdEntry)) return false;
            at += levels + header.entries * sizeof(IdEntry);
        }
    }

    // A ring that is gone stays unattached: it is attached later as if there were no checkpoint. One that
    // overwrote what came after the checkpoint is found out by the first read, as any lap.
    static void place(Conflator& conflator, const std::vector<CheckpointRing>& positions, const SentPosition& sent) {
        for (const auto& ring : positions)
            for (Input& input : conflator.inputs()) {
                if (input.reader.name() != ring.name) continue;
                if (input.reader.attached() || ring.epoch == 0) continue;
                RingReader reader(input.reader.dir(), ring.name);
                if (reader.attach(ring.epoch, true) != Attach::ok || ring.next > reader.published() + 1) continue;
                input.reader = std::move(reader);
                input.reader.seek(ring.next);
                input.writer = Writer::alive;
                input.silent_epoch = sent.at(input.index).epoch;
                input.silent_until = sent.at(input.index).seq;
            }
    }

    void put_book(const InstrumentState& state) {
        CheckpointBook header{};
        header.id = state.id;
        header.state = static_cast<std::uint16_t>(state.state);
        header.applied = state.applied;
        header.bbo = state.bbo;
        header.bbo_stamp = state.bbo_stamp;
        header.session = state.session;
        header.state_reason = state.state_reason;
        header.state_since = state.state_since;
        header.heard = state.heard;
        header.updates = state.updates;
        header.bids = static_cast<std::uint32_t>(state.book.bids().size());
        header.asks = static_cast<std::uint32_t>(state.book.asks().size());
        header.entries = state.book.entries().size();
        put(header);
        // Worst first, so that restoring appends at the cheap end.
        for (std::size_t i = state.book.bids().size(); i > 0; --i) put(state.book.bids().at(i - 1));
        for (std::size_t i = state.book.asks().size(); i > 0; --i) put(state.book.asks().at(i - 1));
        state.book.entries().each([this](const IdEntry& entry) { put(entry); });
    }

    // 1 where the book is in place, 0 where its instrument or its ring is not there: its bytes are skipped. Without
    // the ring the statistics go on with what comes, and say that trades may be missing.
    std::size_t get_book(Conflator& conflator, const CheckpointBook& header) {
        InstrumentState* state = conflator.registry().instrument(header.id);
        if (state == nullptr || !conflator.placed(*state)) {
            at_ += (std::size_t{header.bids} + header.asks) * sizeof(Level) + header.entries * sizeof(IdEntry);
            if (state != nullptr) conflator.restored_without_ring(*state, header.session);
            return 0;
        }
        state->state = static_cast<State>(header.state);
        state->state_reason = header.state_reason;
        state->state_since = header.state_since;
        state->heard = header.heard;
        state->applied = header.applied;
        state->session = header.session;
        state->updates = header.updates;
        state->bbo = header.bbo;
        state->bbo_stamp = header.bbo_stamp;
        state->book_stamp = header.bbo_stamp;
        for (std::uint32_t i = 0; i < header.bids; ++i) state->book.restore_level(Side::bid, get<Level>());
        for (std::uint32_t i = 0; i < header.asks; ++i) state->book.restore_level(Side::ask, get<Level>());
        for (std::uint64_t i = 0; i < header.entries; ++i) state->book.restore_entry(get<IdEntry>());
        conflator.restored(*state);
        return 1;
    }

    template <class T>
    void put(const T& value) {
        static_assert(std::is_trivially_copyable_v<T>);
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
        buffer_.insert(buffer_.end(), bytes, bytes + sizeof value);
    }
    template <class T>
    T get() noexcept {
        T value;
        std::memcpy(&value, at_, sizeof value);
        at_ += sizeof value;
        return value;
    }
    [[nodiscard]] std::size_t room() const noexcept { return static_cast<std::size_t>(end_ - at_); }

    std::string path_;
    File file_;
    std::vector<std::uint8_t> buffer_;
    std::size_t next_ = 1;
    const std::uint8_t* at_ = nullptr;
    const std::uint8_t* end_ = nullptr;
};

}  // namespace fh
