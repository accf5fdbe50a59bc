// Venue symbol to instrument id, for the decoder alone: read-only on the data path, no allocation there.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace fh {

// FNV-1a, 64 bit: the handle of an entry id and of a trade id that is no number. Part of the record's
// contract (any language can compute it), so it never changes.
inline std::uint64_t handle_of(const char* p, const char* end) noexcept {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (; p != end; ++p) hash = (hash ^ static_cast<unsigned char>(*p)) * 0x100000001b3;
    return hash;
}

// Spreads the bits of a handle over a power-of-two table.
inline std::uint64_t scatter(std::uint64_t x) noexcept {
    x ^= x >> 32;
    x *= 0x9e3779b97f4a7c15;
    return x ^ (x >> 29);
}

class SymbolMap {
public:
    SymbolMap() : slots_(64) {}

    // Later wins where a symbol is added twice.
    void add(std::string_view symbol, std::uint32_t instrument) {
        if ((count_ + 1) * 2 > slots_.size()) grow();
        Slot& slot = probe(slots_, symbol);
        if (slot.instrument == 0) {
            ++count_;
            slot.hash = hash(symbol);
            slot.offset = static_cast<std::uint32_t>(arena_.size());
            slot.length = static_cast<std::uint32_t>(symbol.size());
            arena_.insert(arena_.end(), symbol.begin(), symbol.end());
        }
        slot.instrument = instrument;
    }

    // 0 where the symbol is not ours.
    [[nodiscard]] std::uint32_t find(std::string_view symbol) const noexcept {
        return const_cast<SymbolMap*>(this)->probe(const_cast<SymbolMap*>(this)->slots_, symbol).instrument;
    }
    [[nodiscard]] std::size_t size() const noexcept { return count_; }

private:
    struct Slot {
        std::uint64_t hash = 0;
        std::uint32_t instrument = 0;
        std::uint32_t offset = 0;
        std::uint32_t length = 0;
    };

    static std::uint64_t hash(std::string_view text) noexcept {
        std::uint64_t h = text.size() * 0x9e3779b97f4a7c15;
        const char* p = text.data();
        std::size_t n = text.size();
        for (; n >= 8; p += 8, n -= 8) {
            std::uint64_t word;
            std::memcpy(&word, p, 8);
            h = scatter(h ^ word);
        }
        std::uint64_t tail = 0;
        std::memcpy(&tail, p, n);
        return scatter(h ^ tail);
    }

    Slot& probe(std::vector<Slot>& slots, std::string_view symbol) noexcept {
        const std::uint64_t h = hash(symbol);
        const std::size_t mask = slots.size() - 1;
        for (std::size_t i = h & mask;; i = (i + 1) & mask) {
            Slot& slot = slots[i];
            if (slot.instrument == 0) return slot;
            if (slot.hash == h && slot.length == symbol.size() &&
                std::memcmp(arena_.data() + slot.offset, symbol.data(), symbol.size()) == 0)
                return slot;
        }
    }

    void grow() {
        std::vector<Slot> bigger(slots_.size() * 2);
        for (const Slot& slot : slots_)
            if (slot.instrument != 0) probe(bigger, {arena_.data() + slot.offset, slot.length}) = slot;
        slots_.swap(bigger);
    }

    std::vector<Slot> slots_;
    std::vector<char> arena_;
    std::size_t count_ = 0;
};

}  // namespace fh
