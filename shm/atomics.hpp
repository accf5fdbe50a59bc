// Atomic views of words in shared memory. The words themselves are plain, so that one struct
// describes the bytes for every language.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>

#include "shm/layout.hpp"
#include "shm/point.hpp"

namespace fh {

template <class Word>
inline Word load(const Word& word, std::memory_order order) noexcept {
    static_assert(std::atomic_ref<Word>::is_always_lock_free);
    return std::atomic_ref<Word>(const_cast<Word&>(word)).load(order);
}

template <class Word>
inline void store(Word& word, Word value, std::memory_order order) noexcept {
    std::atomic_ref<Word>(word).store(value, order);
}

// A cache line by hand: compilers do not unroll loops over atomics, and these are then as fast as memcpy.
inline void store_line(std::uint64_t* to, const std::uint64_t* from) noexcept {
    const auto word = [to, from](std::size_t i) {
        store(to[i], from[i], std::memory_order_relaxed);
        FH_POINT("words.stored");
    };
    word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7);
}

inline void load_line(std::uint64_t* to, const std::uint64_t* from) noexcept {
    const auto word = [from](std::size_t i) { return load(from[i], std::memory_order_relaxed); };
    const std::uint64_t a = word(0), b = word(1), c = word(2), d = word(3);
    to[0] = a, to[1] = b, to[2] = c, to[3] = d;
    const std::uint64_t e = word(4), f = word(5), g = word(6), h = word(7);
    to[4] = e, to[5] = f, to[6] = g, to[7] = h;
}

// Payload words are copied relaxed: the fences of the caller order them, and a torn record is
// found by the caller's re-check and thrown away, so no copy is a data race.
inline void store_words(void* to, const void* from, std::size_t words) noexcept {
    auto* target = static_cast<std::uint64_t*>(to);
    const auto* source = static_cast<const std::uint64_t*>(from);
    for (std::size_t line = words / 8; line > 0; --line, target += 8, source += 8) store_line(target, source);
    for (std::size_t i = 0; i < words % 8; ++i) {
        store(target[i], source[i], std::memory_order_relaxed);
        FH_POINT("words.stored");
    }
}

inline void load_words(void* to, const void* from, std::size_t words) noexcept {
    auto* target = static_cast<std::uint64_t*>(to);
    const auto* source = static_cast<const std::uint64_t*>(from);
    for (std::size_t line = words / 8; line > 0; --line, target += 8, source += 8) load_line(target, source);
    for (std::size_t i = 0; i < words % 8; ++i) target[i] = load(source[i], std::memory_order_relaxed);
}

// A record as words that are put together from its fields: a load of eight bytes that were just stored one by one
// would wait for all of these stores.
[[gnu::always_inline]] inline void store_record(void* to, const Record& r, std::uint64_t seq) noexcept {
    static_assert(std::endian::native == std::endian::little);
    const auto u64 = [](auto value) { return static_cast<std::uint64_t>(value); };
    auto* target = static_cast<std::uint64_t*>(to);
    const auto put = [&](std::size_t word, std::uint64_t value) {
        store(target[word], value, std::memory_order_relaxed);
        FH_POINT("words.stored");
    };
    put(0, seq);
    put(1, u64(r.ts_event));
    put(2, u64(r.ts_recv));
    put(3, std::bit_cast<std::uint64_t>(r.price));
    put(4, std::bit_cast<std::uint64_t>(r.size));
    put(5, r.ref);
    put(6, r.instrument | u64(r.source) << 32 | u64(r.kind) << 48 | u64(r.side) << 56);
    put(7, u64(r.action) | u64(r.flags) << 8 | u64(r.level) << 16 | u64(r.delay) << 32);
}

}  // namespace fh
