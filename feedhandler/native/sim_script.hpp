// The simulated venue's one script form: timed events of integer entries, whether a model or a capture made them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace fh::sim {

// Values are FIX's own: 269 and 279 less '0'.
enum class EntryType : std::uint8_t { bid = 0, ask = 1, trade = 2 };
enum class EntryAction : std::uint8_t { add = 0, change = 1, remove = 2 };
enum class EventKind : std::uint8_t { update = 0, snapshot = 1 };

// Prices and sizes are integers in the instrument's own decimals. `id` is a trade's number, or in an id-keyed venue
// the quote's; 0 = none.
struct Entry {
    std::int64_t price = 0;
    std::int64_t size = 0;
    std::uint64_t id = 0;
    EntryType type = EntryType::bid;
    EntryAction action = EntryAction::add;
    std::uint8_t aggressor = 0;  // 0 none, 1 buyer, 2 seller
    std::uint8_t reserved[5] = {};
};
static_assert(sizeof(Entry) == 32);

// One message to be. `first` counts entries from the start of its batch.
struct Event {
    std::int64_t offset_ns = 0;  // since the start of the flow, at speed 1
    std::uint64_t rpt_seq = 0;   // tag 83 of its book entries; 0 = not sent
    std::uint64_t first = 0;
    std::uint32_t instrument = 0;
    std::uint32_t count = 0;
    EventKind kind = EventKind::update;
    std::uint8_t reserved[7] = {};
};
static_assert(sizeof(Event) == 40);

struct Batch {
    std::vector<Event> events;
    std::vector<Entry> entries;

    void clear() noexcept {
        events.clear();
        entries.clear();
    }
};

// A whole script from raw arrays; throws on a reference outside them.
inline Batch checked_batch(const void* events, std::size_t event_count, const void* entries, std::size_t entry_count,
                           std::size_t instruments) {
    Batch batch;
    batch.events.resize(event_count);
    batch.entries.resize(entry_count);
    if (event_count > 0) std::memcpy(batch.events.data(), events, event_count * sizeof(Event));
    if (entry_count > 0) std::memcpy(batch.entries.data(), entries, entry_count * sizeof(Entry));
    std::int64_t last = 0;
    for (const Event& event : batch.events) {
        if (event.first > entry_count || event.count > entry_count - event.first)
            throw std::invalid_argument("script: event points outside the entries");
        if (event.instrument >= instruments) throw std::invalid_argument("script: unknown instrument");
        if (event.kind > EventKind::snapshot) throw std::invalid_argument("script: unknown event kind");
        if (event.offset_ns < last) throw std::invalid_argument("script: times run back");
        last = event.offset_ns;
    }
    for (const Entry& entry : batch.entries)
        if (entry.type > EntryType::trade || entry.action > EntryAction::remove)
            throw std::invalid_argument("script: unknown entry type or action");
    return batch;
}

}  // namespace fh::sim
