// Venue symbol to instrument id, for the decoder alone: no allocation where it looks up.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "feedhandler/native/fix_fields.hpp"

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
        std::vector<char> text(symbol.begin(), symbol.end());
        text.resize(symbol.size() + FIELD_SLACK);
        const Text wanted{text.data(), text.data() + symbol.size()};
        const Key key = key_of(wanted);
        Slot& slot = slots_[probe(key, wanted)];
        if (slot.instrument == 0) {
            ++count_;
            slot.key = key;
            slot.offset = static_cast<std::uint32_t>(arena_.size());
            arena_.insert(arena_.end(), symbol.begin(), symbol.end());
        }
        slot.instrument = instrument;
        last_ = {};
    }

    // False: it is not there.
    bool remove(std::string_view symbol) {
        std::vector<char> text(symbol.begin(), symbol.end());
        text.resize(symbol.size() + FIELD_SLACK);
        const Text wanted{text.data(), text.data() + symbol.size()};
        Slot& slot = slots_[probe(key_of(wanted), wanted)];
        if (slot.instrument == 0) return false;
        slot.instrument = 0;
        --count_;
        rehash(slots_.size());  // what probed past the hole finds its place anew; the text stays in the arena
        last_ = {};
        return true;
    }

    // 0 where the symbol is not ours. The text is a message's: FIELD_SLACK bytes behind it are readable.
    [[nodiscard, gnu::always_inline]] std::uint32_t find(Text symbol) noexcept {
        // Most are the one before.
        if (symbol.size() != last_.length || ((load_word(symbol.begin) ^ last_.low) & last_.mask) != 0) [[unlikely]]
            look_up(symbol);
        return last_.instrument;
    }
    [[nodiscard]] std::size_t size() const noexcept { return count_; }
    template <class Visit>
    void each_instrument(Visit visit) const {
        for (const Slot& slot : slots_)
            if (slot.instrument != 0) visit(slot.instrument);
    }

private:
    // The first sixteen characters, and how many there are.
    struct Key {
        std::uint64_t low = 0;
        std::uint64_t high = 0;
        std::uint64_t length = 0;
        friend bool operator==(const Key&, const Key&) = default;
    };
    struct Slot {
        Key key;
        std::uint32_t instrument = 0;
        std::uint32_t offset = 0;
    };
    static constexpr std::size_t KEY_CHARS = 16;

    // The answer given last. Of a symbol of more than eight characters it is not kept: its length is none.
    struct Last {
        std::size_t length = SIZE_MAX;
        std::uint64_t low = 0;
        std::uint64_t mask = 0;
        std::uint32_t instrument = 0;
    };

    [[gnu::noinline]] void look_up(Text symbol) noexcept {
        const Key key = key_of(symbol);
        last_.instrument = slots_[probe(key, symbol)].instrument;
        last_.length = key.length <= 8 ? key.length : SIZE_MAX;
        last_.low = key.low;
        last_.mask = key.length >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * key.length)) - 1;
    }

    static Key key_of(Text text) noexcept {
        // From [16 - n] on: n bytes that stay.
        static constexpr auto KEEP = [] {
            std::array<unsigned char, 2 * KEY_CHARS> bytes{};
            for (std::size_t i = 0; i < KEY_CHARS; ++i) bytes[i] = 0xff;
            return bytes;
        }();
        const std::size_t length = text.size();
        const auto* keep =
            reinterpret_cast<const char*>(KEEP.data()) + KEY_CHARS - (length < KEY_CHARS ? length : KEY_CHARS);
        return {load_word(text.begin) & load_word(keep), load_word(text.begin + 8) & load_word(keep + 8), length};
    }

    [[nodiscard]] bool holds(const Slot& slot, const Key& key, Text text) const noexcept {
        return slot.key == key &&
               (key.length <= KEY_CHARS || std::memcmp(arena_.data() + slot.offset, text.begin, key.length) == 0);
    }

    // Where the symbol is, or the free place where it would be.
    [[nodiscard]] std::size_t probe(const Key& key, Text text) const noexcept {
        const std::size_t mask = slots_.size() - 1;
        std::size_t i = scatter(key.low ^ scatter(key.high ^ key.length)) & mask;
        while (slots_[i].instrument != 0 && !holds(slots_[i], key, text)) i = (i + 1) & mask;
        return i;
    }

    void grow() { rehash(slots_.size() * 2); }

    void rehash(std::size_t places) {
        std::vector<Slot> old(places);
        old.swap(slots_);
        const std::size_t mask = slots_.size() - 1;
        for (const Slot& slot : old) {
            if (slot.instrument == 0) continue;
            std::size_t i = scatter(slot.key.low ^ scatter(slot.key.high ^ slot.key.length)) & mask;
            while (slots_[i].instrument != 0) i = (i + 1) & mask;
            slots_[i] = slot;
        }
    }

    std::vector<Slot> slots_;
    std::vector<char> arena_;
    std::size_t count_ = 0;
    Last last_;
};

}  // namespace fh
