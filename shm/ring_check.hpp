// Whether a file is the ring it should be: kind, version, numbers that agree with the file's length and name.
#pragma once

#include <string>

#include "shm/atomics.hpp"
#include "shm/ring_files.hpp"
#include "shm/segment.hpp"

namespace fh {

inline constexpr SegmentKind RING_KIND{
    "a ring", RING_MAGIC, LAYOUT_VERSION,
    "stop its writer and remove it with `feedhandler ring unlink`, or read it with the release that wrote it"};

inline constexpr std::uint64_t RING_CAPACITY_MIN = 64;
inline constexpr std::uint64_t RING_CAPACITY_MAX = std::uint64_t{1} << 40;
inline constexpr std::uint64_t CURSOR_MAX = std::uint64_t{1} << 62;  // no writer gets there: 100 years at 1e9 a second

inline constexpr std::size_t ring_bytes(std::uint64_t capacity) noexcept {
    return RECORDS_OFFSET + static_cast<std::size_t>(capacity) * sizeof(Record);
}

inline Verdict check_ring_header(const RingHeader& header, const std::string& name, std::uint64_t epoch) {
    if (header.record_bytes != sizeof(Record) || header.records_offset != RECORDS_OFFSET)
        return damaged("its header says records of " + std::to_string(header.record_bytes) + " bytes from " +
                       std::to_string(header.records_offset));
    if (header.capacity < RING_CAPACITY_MIN || header.capacity > RING_CAPACITY_MAX ||
        (header.capacity & (header.capacity - 1)) != 0)
        return damaged("its header says a capacity of " + std::to_string(header.capacity) + " records");
    if (header.epoch != epoch)
        return damaged("its header says epoch " + std::to_string(header.epoch) + ": somebody renamed it");
    if (header.name[sizeof header.name - 1] != '\0' || name != header.name)
        return damaged("its header names another ring: somebody renamed it");
    return {};
}

// Opens the epoch's file and checks everything but the cursors.
inline Verdict open_ring(const std::string& dir, const std::string& name, std::uint64_t epoch, File& file,
                         RingHeader& header) {
    if (auto verdict = open_segment(ring_path(dir, name, epoch), file); !verdict.good()) return verdict;
    if (auto verdict = read_header(file, header, RING_KIND); !verdict.good()) return verdict;
    if (auto verdict = check_ring_header(header, name, epoch); !verdict.good()) return verdict;
    return check_length(file, ring_bytes(header.capacity));
}

// Cursors that no writer leaves behind would send a reader far away. The writer claims before it publishes, so
// whoever reads `published` first finds `claimed` not below it.
inline Verdict check_cursors(const RingHeader& header) {
    // SYNC ring.publish: pairs with RingWriter::publish()
    const auto published = load(header.published, std::memory_order_acquire);
    const auto claimed = load(header.claimed, std::memory_order_relaxed);
    if (claimed >= published && claimed <= CURSOR_MAX) return {};
    return damaged("its cursors contradict each other: published " + std::to_string(published) + ", claimed " +
                   std::to_string(claimed));
}

}  // namespace fh
