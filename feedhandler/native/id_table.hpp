// Entries of an id-keyed book by their 64-bit handle: open addressing, linear probing, no tombstones.
// Allocates only when it grows past half full.
#pragma once

#include <cstdint>
#include <vector>

#include "shm/layout.hpp"

namespace fh {

struct IdEntry {
    std::uint64_t handle = 0;
    double price = 0;
    std::int64_t units = 0;
    Side side = Side::none;  // none marks a free place
};

class IdTable {
public:
    [[nodiscard]] std::size_t size() const noexcept { return used_; }

    [[nodiscard]] const IdEntry* find(std::uint64_t handle) const noexcept {
        if (places_.empty()) return nullptr;
        const IdEntry& place = places_[seek(handle)];
        return place.side == Side::none ? nullptr : &place;
    }

    void put(const IdEntry& entry) {
        if ((used_ + 1) * 2 > places_.size()) grow();
        IdEntry& place = places_[seek(entry.handle)];
        if (place.side == Side::none) ++used_;
        place = entry;
    }

    void erase(std::uint64_t handle) noexcept {
        if (places_.empty()) return;
        std::size_t hole = seek(handle);
        if (places_[hole].side == Side::none) return;
        --used_;
        // Entries that probed past the hole move back into it, so that no probe ever stops too early.
        for (std::size_t i = next(hole); places_[i].side != Side::none; i = next(i)) {
            const std::size_t home = start(places_[i].handle);
            const bool reachable = hole <= i ? (home <= hole || home > i) : (home <= hole && home > i);
            if (!reachable) continue;
            places_[hole] = places_[i];
            hole = i;
        }
        places_[hole] = IdEntry{};
    }

    void clear() noexcept {
        for (IdEntry& place : places_) place = IdEntry{};
        used_ = 0;
    }

    template <class Visit>
    void each(Visit visit) const {
        for (const IdEntry& place : places_)
            if (place.side != Side::none) visit(place);
    }

private:
    [[nodiscard]] std::size_t start(std::uint64_t handle) const noexcept {
        return static_cast<std::size_t>((handle * 0x9e3779b97f4a7c15U) >> 32) & (places_.size() - 1);
    }
    [[nodiscard]] std::size_t next(std::size_t i) const noexcept { return (i + 1) & (places_.size() - 1); }
    [[nodiscard]] std::size_t seek(std::uint64_t handle) const noexcept {
        std::size_t i = start(handle);
        while (places_[i].side != Side::none && places_[i].handle != handle) i = next(i);
        return i;
    }
    void grow() {
        std::vector<IdEntry> old(places_.empty() ? 64 : places_.size() * 2);
        old.swap(places_);
        used_ = 0;
        for (const IdEntry& entry : old)
            if (entry.side != Side::none) put(entry);
    }

    std::vector<IdEntry> places_;
    std::size_t used_ = 0;
};

}  // namespace fh
