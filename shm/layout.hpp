// The bytes that processes share. Every struct here is a contract (README.md beside this file):
// fixed widths, little-endian, no implicit padding; sizes and offsets asserted below.
// A change of any struct is a change of LAYOUT_VERSION.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace fh {

inline constexpr std::uint32_t LAYOUT_VERSION = 1;
inline constexpr std::uint64_t RING_MAGIC = 0x31474e4952484600;   // "\0FHRING1"
inline constexpr std::uint64_t WAIT_MAGIC = 0x3154494157484600;   // "\0FHWAIT1"
inline constexpr std::uint64_t BOARD_MAGIC = 0x3144524f42484600;  // "\0FHBORD1"
inline constexpr std::uint64_t COUNT_MAGIC = 0x31544e4355484600;  // "\0FHUCNT1"
inline constexpr std::uint64_t DIRECTORY_MAGIC = 0x3152494445484600;
inline constexpr std::uint64_t CLOCK_MAGIC = 0x314b434f4c484600;

// Destructive-interference size is part of the layout, so never the compiler's constant.
inline constexpr std::size_t CACHE_LINE = 64;
inline constexpr double NO_VALUE = std::numeric_limits<double>::quiet_NaN();

enum class Kind : std::uint8_t {
    none = 0,
    event = 1,
    level = 2,
    trade = 3,
    book_clear = 4,
    status = 5,
    state = 6,
    skip = 7,
    funding = 8,
    open_interest = 9,
    mark = 10,
    index = 11,
    liquidation = 12,
    bar = 13,
    quality = 14,
};

enum class Side : std::uint8_t { none = 0, bid = 1, ask = 2 };

enum class Action : std::uint8_t {
    none = 0,
    add = 1,
    change = 2,
    remove = 3,
    remove_through = 4,
    remove_from = 5,
    overlay = 6,
};

namespace flag {
inline constexpr std::uint8_t last = 0x80;
inline constexpr std::uint8_t gap = 0x40;
inline constexpr std::uint8_t snapshot = 0x20;
inline constexpr std::uint8_t suspect = 0x10;
inline constexpr std::uint8_t bad_time = 0x08;
inline constexpr std::uint8_t maybe_bad_book = 0x04;
inline constexpr std::uint8_t recovered = 0x02;
inline constexpr std::uint8_t rounded = 0x01;
}  // namespace flag

// Code of a STATE record, in its `level` field; what each means stands in README.md.
enum class State : std::uint16_t {
    none = 0,
    connected = 1,
    disconnected = 2,
    recovering = 3,
    synced = 4,
    stale = 5,
    clock_step = 6,
    epoch = 7,
    unknown_interval = 8,
    lapped = 9,
    bad_book = 10,
};

// One market data fact. Ring slot, journal row, numpy row and ZeroMQ tick alike.
struct alignas(CACHE_LINE) Record {
    std::uint64_t seq = 0;
    std::int64_t ts_event = 0;
    std::int64_t ts_recv = 0;
    double price = NO_VALUE;
    double size = NO_VALUE;
    std::uint64_t ref = 0;
    std::uint32_t instrument = 0;
    std::uint16_t source = 0;
    Kind kind = Kind::none;
    Side side = Side::none;
    Action action = Action::none;
    std::uint8_t flags = 0;
    std::uint16_t level = 0;
    std::uint32_t delay = 0;
};
static_assert(sizeof(Record) == 64 && alignof(Record) == 64);
static_assert(offsetof(Record, seq) == 0 && offsetof(Record, ts_event) == 8 && offsetof(Record, ts_recv) == 16);
static_assert(offsetof(Record, price) == 24 && offsetof(Record, size) == 32 && offsetof(Record, ref) == 40);
static_assert(offsetof(Record, instrument) == 48 && offsetof(Record, source) == 52);
static_assert(offsetof(Record, kind) == 54 && offsetof(Record, side) == 55 && offsetof(Record, action) == 56);
static_assert(offsetof(Record, flags) == 57 && offsetof(Record, level) == 58 && offsetof(Record, delay) == 60);
static_assert(std::is_trivially_copyable_v<Record>);
inline constexpr std::size_t RECORD_WORDS = sizeof(Record) / sizeof(std::uint64_t);

// What a producer had consumed from its venue when the ring's cursor stood at `cursor`.
// Two slots a session, written in turn before the cursor is published: after a crash the slot with
// the greatest cursor not above the published one is exactly what the ring holds.
struct Note {
    std::uint64_t cursor = 0;
    std::uint64_t value = 0;
};
inline constexpr std::size_t NOTE_SESSIONS = 64;

struct RingHeader {
    // Line 0: identity. `version` is stored last, with release; 0 means not ready.
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t record_bytes;
    std::uint64_t capacity;
    std::uint64_t epoch;
    std::uint64_t previous_epoch;
    std::uint64_t previous_last;
    std::int64_t created_ns;
    std::uint32_t writer_pid;
    std::uint32_t records_offset;
    // Line 1 on: hot words, a line each.
    alignas(CACHE_LINE) std::uint64_t claimed;
    alignas(CACHE_LINE) std::uint64_t published;
    alignas(CACHE_LINE) std::int64_t heartbeat_ns;
    alignas(CACHE_LINE) char name[CACHE_LINE];
    alignas(CACHE_LINE) Note notes[NOTE_SESSIONS][2];
};
static_assert(offsetof(RingHeader, claimed) == 64 && offsetof(RingHeader, published) == 128);
static_assert(offsetof(RingHeader, heartbeat_ns) == 192 && offsetof(RingHeader, name) == 256);
static_assert(offsetof(RingHeader, notes) == 320 && sizeof(RingHeader) == 320 + 2048);
inline constexpr std::uint32_t RECORDS_OFFSET = 4096;
static_assert(sizeof(RingHeader) <= RECORDS_OFFSET);

// `<ring>.wait`: the only page of a ring that readers may write.
struct WaitPage {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t reserved;
    alignas(CACHE_LINE) std::uint32_t wake;
    alignas(CACHE_LINE) std::uint32_t parked;
    alignas(CACHE_LINE) std::uint64_t epoch_hint;
};
static_assert(sizeof(WaitPage) == 256 && offsetof(WaitPage, wake) == 64 && offsetof(WaitPage, parked) == 128);
static_assert(offsetof(WaitPage, epoch_hint) == 192);
inline constexpr std::size_t WAIT_BYTES = 4096;

struct ClockPage {
    std::uint64_t magic;
    std::int64_t realtime_offset_ns;  // CLOCK_REALTIME - CLOCK_MONOTONIC as all processes here agree on it
    std::uint64_t steps;
};
static_assert(sizeof(ClockPage) == 24);

}  // namespace fh
