// One epoch's file of a ring, wherever it lies: of a living writer, of a dead one, or copied to another place. For
// looking and for post mortems; who follows a ring takes RingFollower.
//
// A file that was copied while its writer ran may hold records newer than its header says, and halves of records.
// Each record's own seq tells the first kind, and they are left out; copy a ring when its writer is dead.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>

#include "shm/ring_reader.hpp"

namespace fh {

// What read() copied: `count` records, all of them in [first, next). What is missing there was overwritten.
struct RingPiece {
    std::uint64_t first = 0;
    std::uint64_t next = 0;
    std::size_t count = 0;
};

class RingFile {
public:
    // Throws std::system_error where it cannot be opened, std::runtime_error where it is no ring of this version.
    explicit RingFile(const std::string& path) : file_(File::open(path, O_RDONLY)) {
        if (!file_.ok()) fail("opening " + path);
        if (file_.size() < RECORDS_OFFSET) throw std::runtime_error(path + " is not a ring of this version");
        mapping_ = Mapping(file_, file_.size(), false, /*populate=*/false);
        header_ = mapping_.as<const RingHeader>();
        if (header_->magic != RING_MAGIC || header_->version != LAYOUT_VERSION ||
            header_->record_bytes != sizeof(Record) || header_->records_offset != RECORDS_OFFSET ||
            header_->capacity == 0 || (header_->capacity & (header_->capacity - 1)) != 0 ||
            header_->capacity > (file_.size() - RECORDS_OFFSET) / sizeof(Record))
            throw std::runtime_error(path + " is not a ring of this version");
        records_ = mapping_.as<const Record>(RECORDS_OFFSET);
    }

    // Identity and notes; the hot words have methods of their own.
    [[nodiscard]] const RingHeader& header() const noexcept { return *header_; }
    [[nodiscard]] std::uint64_t published() const noexcept {
        // SYNC ring.publish: pairs with RingWriter::publish()
        return load(header_->published, std::memory_order_acquire);
    }
    [[nodiscard]] std::uint64_t claimed() const noexcept { return load(header_->claimed, std::memory_order_relaxed); }
    [[nodiscard]] std::int64_t heartbeat_ns() const noexcept {
        return load(header_->heartbeat_ns, std::memory_order_relaxed);
    }
    // The first seq that is not overwritten; published() + 1 where the writer claims all there is.
    [[nodiscard]] std::uint64_t oldest() const noexcept {
        const auto end = claimed();
        return end > header_->capacity ? end - header_->capacity + 1 : 1;
    }

    // Of the writer: ok, stalled or dead. A copy has none.
    [[nodiscard]] Attach state(std::int64_t monotonic_now_ns, std::int64_t stall_ns) const noexcept {
        if (!locked_by_other(file_)) return Attach::writer_dead;
        return monotonic_now_ns - heartbeat_ns() > stall_ns ? Attach::stalled : Attach::ok;
    }

    // Copies what is left of [from, from + max), in order. Go on with `next`; count 0 and next == from: the end.
    RingPiece read(std::uint64_t from, Record* out, std::size_t max) const noexcept {
        const auto end = published() + 1;
        const auto first = std::max({from, oldest(), std::uint64_t{1}});
        if (first >= end) return {first, std::max(from, std::min(first, end)), 0};
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(end - first, max));
        for (std::size_t i = 0; i < wanted; ++i)
            load_words(&out[i], &records_[(first + i - 1) & (header_->capacity - 1)], RECORD_WORDS);
        // SYNC ring.claim: payload before claimed; pairs with RingWriter::claim()
        std::atomic_thread_fence(std::memory_order_acquire);
        const auto whole = oldest();
        std::size_t count = 0;
        for (std::size_t i = 0; i < wanted; ++i)
            if (first + i >= whole && out[i].seq == first + i) out[count++] = out[i];
        return {first, first + wanted, count};
    }

private:
    File file_;
    Mapping mapping_;
    const RingHeader* header_ = nullptr;
    const Record* records_ = nullptr;
};

}  // namespace fh
