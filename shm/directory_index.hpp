// Ids by (source, venue symbol) and by normalized symbol, for entries that lie in somebody else's memory.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "shm/directory_layout.hpp"

namespace fh {

// Two hash tables of ids; no text is copied. Lookups are O(1) and allocate nothing. `entries` is the same array in
// every call; an id is a position in it, from 1. One thread.
class DirectoryIndex {
    static std::uint32_t hash(std::string_view text, std::uint32_t source) noexcept {
        const std::uint64_t mixed = std::hash<std::string_view>{}(text) + source * 0x9E3779B97F4A7C15U;
        return static_cast<std::uint32_t>(mixed ^ (mixed >> 32));
    }
    static auto is_venue(const DirectoryEntry* entries, std::uint16_t source, std::string_view text) noexcept {
        return [=](std::uint32_t id) noexcept {
            return entries[id - 1].source == source && text_of(entries[id - 1].venue_symbol) == text;
        };
    }
    static auto is_symbol(const DirectoryEntry* entries, std::string_view text) noexcept {
        return [=](std::uint32_t id) noexcept { return text_of(entries[id - 1].symbol) == text; };
    }

public:
    // Takes in the next entry: ids come in order, from 1. Of two entries of one (source, venue symbol) the first
    // counts.
    void add(const DirectoryEntry* entries, std::uint32_t id) {
        const DirectoryEntry& entry = entries[id - 1];
        while (links_.size() <= id) links_.push_back({});
        if (used_ * 2 >= venues_.size()) grow();
        ++used_;
        const auto venue = text_of(entry.venue_symbol);
        const auto venue_hash = hash(venue, entry.source);
        if (Slot& slot = venues_[place(venues_, venue_hash, is_venue(entries, entry.source, venue))]; slot.id == 0)
            slot = {venue_hash, id};
        const auto symbol = text_of(entry.symbol);
        const auto symbol_hash = hash(symbol, 0);
        Slot& slot = symbols_[place(symbols_, symbol_hash, is_symbol(entries, symbol))];
        if (slot.id == 0)
            slot = {symbol_hash, id};
        else
            links_[links_[slot.id].last].next = id;
        links_[slot.id].last = id;
    }

    // 0 where it is not there.
    [[nodiscard]] std::uint32_t find(const DirectoryEntry* entries, std::uint16_t source,
                                     std::string_view venue_symbol) const noexcept {
        return look(venues_, hash(venue_symbol, source), is_venue(entries, source, venue_symbol));
    }
    // The lowest id of this normalized symbol; 0 where there is none.
    [[nodiscard]] std::uint32_t first_of(const DirectoryEntry* entries, std::string_view symbol) const noexcept {
        return look(symbols_, hash(symbol, 0), is_symbol(entries, symbol));
    }
    // The next id of the same normalized symbol; 0 behind the last.
    [[nodiscard]] std::uint32_t next_of(std::uint32_t id) const noexcept {
        return id < links_.size() ? links_[id].next : 0;
    }

private:
    struct Slot {
        std::uint32_t hash = 0;
        std::uint32_t id = 0;  // 0: empty
    };
    struct Link {
        std::uint32_t next = 0;
        std::uint32_t last = 0;  // of the first of a symbol: where its list ends
    };

    // Of the slot that holds it, or of the empty one where it belongs. A table is never more than half full.
    template <class Same>
    static std::size_t place(const std::vector<Slot>& slots, std::uint32_t hash, const Same& same) noexcept {
        const std::size_t mask = slots.size() - 1;
        std::size_t at = hash & mask;
        while (slots[at].id != 0 && !(slots[at].hash == hash && same(slots[at].id))) at = (at + 1) & mask;
        return at;
    }
    template <class Same>
    static std::uint32_t look(const std::vector<Slot>& slots, std::uint32_t hash, const Same& same) noexcept {
        return slots.empty() ? 0 : slots[place(slots, hash, same)].id;
    }
    void grow() {
        constexpr std::size_t FIRST = 64;
        const auto never = [](std::uint32_t) noexcept { return false; };
        for (auto* slots : {&venues_, &symbols_}) {
            const auto old = std::exchange(*slots, std::vector<Slot>(slots->empty() ? FIRST : slots->size() * 2));
            for (const Slot& slot : old)
                if (slot.id != 0) (*slots)[place(*slots, slot.hash, never)] = slot;
        }
    }

    std::size_t used_ = 0;
    std::vector<Slot> venues_;
    std::vector<Slot> symbols_;
    std::vector<Link> links_;
};

}  // namespace fh
