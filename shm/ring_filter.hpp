// Reading a part of a ring: what a filter does not want is passed over where it lies, and counted.
//
// Invariant: every record from next() on is copied, counted in `filtered`, or counted in `lost`.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "shm/ring_reader.hpp"

namespace fh {

// Which records a reader wants. An empty one wants everything.
//
// By instrument: records of these instruments, and what speaks of more than one: records of instrument 0 (the whole
// source) and SKIP (records that were never written, of whatever instruments). By kind: these kinds, to the letter.
// A record must pass both.
class RingFilter {
public:
    static constexpr std::uint32_t INSTRUMENTS_MAX = 1U << 24;

    // Throws std::invalid_argument where an id is not below INSTRUMENTS_MAX.
    void instruments(std::span<const std::uint32_t> ids) {
        const auto greatest = ids.empty() ? 0 : *std::max_element(ids.begin(), ids.end());
        if (greatest >= INSTRUMENTS_MAX)
            throw std::invalid_argument("instrument ids are below " + std::to_string(INSTRUMENTS_MAX) + ", got " +
                                        std::to_string(greatest));
        ids_.assign(greatest / 64 + 1, 0);
        for (const auto id : ids) ids_[id / 64] |= std::uint64_t{1} << (id % 64);
        ids_[0] |= 1U;
        by_instrument_ = true;
    }
    void kinds(std::span<const std::uint8_t> kinds) {
        kinds_.fill(false);
        for (const auto kind : kinds) kinds_[kind] = true;
        by_kind_ = true;
    }

    [[nodiscard]] bool everything() const noexcept { return !by_instrument_ && !by_kind_; }

    // `word` is the record's word 6: instrument, source, kind, side (layout.hpp).
    [[nodiscard]] bool passes(std::uint64_t word) const noexcept {
        const auto kind = static_cast<std::uint8_t>(word >> 48U);
        if (by_kind_ && !kinds_[kind]) return false;
        if (!by_instrument_ || kind == static_cast<std::uint8_t>(Kind::skip)) return true;
        const auto id = static_cast<std::uint32_t>(word);
        return id / 64 < ids_.size() && (ids_[id / 64] >> (id % 64) & 1U) != 0;
    }

private:
    bool by_instrument_ = false;
    bool by_kind_ = false;
    std::vector<std::uint64_t> ids_;  // a bit an id
    std::array<bool, 256> kinds_{};
};
static_assert(offsetof(Record, instrument) == 48 && offsetof(Record, kind) == 54, "RingFilter::passes() reads word 6");

namespace filter_detail {

inline constexpr std::size_t CHUNK = 1024;  // records after which a scan is checked against the writer

struct Scan {
    std::size_t count = 0;   // records copied
    std::uint64_t seen = 0;  // records passed, copied ones included
    bool full = false;
};

// Copies what passes of [reader.next(), published], up to an event's end: the first after CHUNK records, or the last
// at which everything fitted. `partly`: an event that does not fit is cut; else it is left for later.
inline Scan scan(const RingReader& reader, const RingFilter& filter, std::uint64_t published, std::span<Record> out,
                 bool partly) noexcept {
    Scan now;    // where we are
    Scan whole;  // as it was at the last event's end
    for (std::uint64_t seq = reader.next(); seq <= published; ++seq) {
        const auto* words = reinterpret_cast<const std::uint64_t*>(reader.slot(seq));
        if (filter.passes(load(words[6], std::memory_order_relaxed))) {
            if (now.count == out.size()) {
                if (partly && whole.count == 0) whole = now;
                whole.full = true;
                return whole;
            }
            load_words(&out[now.count++], words, RECORD_WORDS);
        }
        ++now.seen;
        if ((load(words[7], std::memory_order_relaxed) >> 8U & flag::last) == 0) continue;
        // Readers look for LAST: the event's last record that passes has it.
        if (now.count > whole.count) out[now.count - 1].flags |= flag::last;
        whole = now;
        if (now.seen >= CHUNK) return whole;
    }
    return now;  // what is published ends with an event
}

}  // namespace filter_detail

// RingReader::read() for what passes: copies whole events' passing records, as many as fit; the last of an event has
// LAST. Goes on until `out` is full or nothing published is left.
inline ReadResult read_filtered(RingReader& reader, const RingFilter& filter, Record* out, std::size_t max) noexcept {
    if (filter.everything()) return reader.read(out, max);
    const auto published = reader.published();
    ReadResult result;
    while (reader.next() <= published) {
        const auto found =
            filter_detail::scan(reader, filter, published, {out + result.count, max - result.count}, result.count == 0);
        if (!reader.still_valid(reader.next())) {
            if (result.count == 0) result.lost = reader.lapped();
            return result;
        }
        reader.advance(found.seen);
        result.count += found.count;
        result.filtered += found.seen - found.count;
        if (found.full) return result;
    }
    return result;
}

}  // namespace fh
