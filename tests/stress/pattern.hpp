// Records that tell by themselves whether they are whole, and where they belong.
#pragma once

#include <bit>
#include <cstring>

#include "shm/layout.hpp"
#include "tests/stress/options.hpp"

namespace stress {

inline constexpr std::int64_t NOW_NS = 1'800'000'000'000'000'000;  // the `now_ns` of every publish
inline constexpr std::uint64_t DELAYS = 4096;

// One's place in an epoch: record `position` of `length` of the event with this number; all from 1.
struct Place {
    std::uint64_t seq = 0;
    std::uint64_t event = 0;
    std::uint32_t length = 0;
    std::uint16_t position = 0;
};

// Over all words but `ref`, which holds it.
inline std::uint64_t checksum(const fh::Record& record) noexcept {
    std::uint64_t words[fh::RECORD_WORDS];
    std::memcpy(words, &record, sizeof record);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < fh::RECORD_WORDS; ++i)
        if (i != 5) sum = (sum ^ words[i]) * 0xff51afd7ed558ccd + (sum >> 29);
    return sum;
}

// The record as readers must find it: LAST, delay and checksum in place.
inline fh::Record expected(std::uint64_t epoch, const Place& place) noexcept {
    const std::uint64_t noise = mix(epoch ^ (place.seq << 20));
    fh::Record record;
    record.seq = place.seq;
    record.ts_event = static_cast<std::int64_t>(place.event);
    record.ts_recv = NOW_NS - static_cast<std::int64_t>(place.seq % DELAYS);
    record.price = std::bit_cast<double>(noise);
    record.size = std::bit_cast<double>(mix(noise));
    record.instrument = place.length;
    record.source = place.position;
    record.kind = fh::Kind::level;
    record.side = fh::Side::bid;
    record.action = fh::Action::change;
    record.flags = place.position == place.length ? fh::flag::last : std::uint8_t{0};
    record.level = static_cast<std::uint16_t>(noise);
    record.delay = static_cast<std::uint32_t>(place.seq % DELAYS);
    record.ref = checksum(record);
    return record;
}

// The same as the writer stages it: LAST and delay are the ring's to set.
inline fh::Record staged(std::uint64_t epoch, const Place& place) noexcept {
    fh::Record record = expected(epoch, place);
    record.flags = 0;
    record.delay = 0;
    return record;
}

// What the ring puts in the place of an event that is too long.
inline fh::Record expected_skip(std::uint64_t epoch, const Place& place) noexcept {
    fh::Record record = expected(epoch, place);
    record.kind = fh::Kind::skip;
    record.price = fh::NO_VALUE;
    record.size = static_cast<double>(place.length);
    record.ref = place.seq;
    record.side = fh::Side::none;
    record.action = fh::Action::none;
    record.level = 0;
    record.flags = fh::flag::last | fh::flag::gap;
    return record;
}

inline Place place_of(const fh::Record& record) noexcept {
    return {record.seq, static_cast<std::uint64_t>(record.ts_event), record.instrument, record.source};
}

}  // namespace stress
