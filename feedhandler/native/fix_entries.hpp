// What an id-keyed book's entries were when last seen: (entry id) -> instrument, side, price, size.
// Deletes and changes may carry the id alone; this table says what they mean.
//
// Invariants: all memory is taken at construction (but for one word a new instrument id); every live node is
// in the index and in its instrument's list; the index is never more than half full.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "feedhandler/native/fix_symbols.hpp"
#include "shm/layout.hpp"

namespace fh {

// Whether an entry id is unique among all instruments of the session (the standard) or among those of its
// instrument only (slot numbers).
enum class IdScope : std::uint8_t { session = 0, instrument = 1 };

struct EntryNode {
    std::uint64_t handle = 0;
    double price = NO_VALUE;
    double size = NO_VALUE;
    std::uint32_t instrument = 0;
    std::uint32_t next = 0;  // in the instrument's list; node number + 1, 0 = none
    std::uint32_t previous = 0;
    Side side = Side::none;
};

class EntryTable {
public:
    EntryTable(std::size_t capacity, IdScope scope) : scope_(scope), nodes_(capacity), free_(capacity) {
        index_.resize(std::bit_ceil(capacity * 2));
        for (std::size_t i = 0; i < capacity; ++i) free_[i] = static_cast<std::uint32_t>(capacity - i);
        heads_.resize(1024);
    }

    // Instrument 0 asks for the id alone, which a session scope answers. Null where it is not there.
    [[nodiscard]] EntryNode* find(std::uint64_t handle, std::uint32_t instrument) noexcept {
        const std::size_t mask = index_.size() - 1;
        for (std::size_t i = home(handle, instrument); index_[i] != 0; i = (i + 1) & mask) {
            EntryNode& node = nodes_[index_[i] - 1];
            if (node.handle == handle && (instrument == 0 || node.instrument == instrument)) return &node;
        }
        return nullptr;
    }

    // A new node, linked and indexed; null where the table is full. The id must not be there already.
    EntryNode* insert(std::uint64_t handle, std::uint32_t instrument) {
        if (used_ == nodes_.size()) return nullptr;
        if (instrument >= heads_.size()) heads_.resize(std::bit_ceil(std::size_t{instrument} + 1));
        const std::uint32_t number = free_[nodes_.size() - ++used_];
        EntryNode& node = nodes_[number - 1];
        node = EntryNode{};
        node.handle = handle;
        node.instrument = instrument;
        node.next = heads_[instrument];
        if (node.next != 0) nodes_[node.next - 1].previous = number;
        heads_[instrument] = number;
        const std::size_t mask = index_.size() - 1;
        std::size_t i = home(handle, instrument);
        while (index_[i] != 0) i = (i + 1) & mask;
        index_[i] = number;
        return &node;
    }

    void erase(EntryNode* node) noexcept {
        const auto number = static_cast<std::uint32_t>(node - nodes_.data()) + 1;
        if (node->previous != 0)
            nodes_[node->previous - 1].next = node->next;
        else
            heads_[node->instrument] = node->next;
        if (node->next != 0) nodes_[node->next - 1].previous = node->previous;
        unindex(number);
        free_[nodes_.size() - used_--] = number;
    }

    // Forgets every entry of an instrument: its book begins anew.
    void clear(std::uint32_t instrument) noexcept {
        if (instrument >= heads_.size()) return;
        while (heads_[instrument] != 0) erase(&nodes_[heads_[instrument] - 1]);
    }

    [[nodiscard]] std::size_t size() const noexcept { return used_; }
    [[nodiscard]] IdScope scope() const noexcept { return scope_; }

private:
    [[nodiscard]] std::size_t home(std::uint64_t handle, std::uint32_t instrument) const noexcept {
        const std::uint64_t salt = scope_ == IdScope::instrument ? std::uint64_t{instrument} << 32 : 0;
        return scatter(handle ^ scatter(salt)) & (index_.size() - 1);
    }

    // Linear probing without tombstones: the run behind the hole moves up.
    void unindex(std::uint32_t number) noexcept {
        const std::size_t mask = index_.size() - 1;
        const EntryNode& node = nodes_[number - 1];
        std::size_t hole = home(node.handle, node.instrument);
        while (index_[hole] != number) hole = (hole + 1) & mask;
        for (std::size_t i = (hole + 1) & mask; index_[i] != 0; i = (i + 1) & mask) {
            const EntryNode& other = nodes_[index_[i] - 1];
            const std::size_t wanted = home(other.handle, other.instrument);
            if (((i - wanted) & mask) < ((i - hole) & mask)) continue;
            index_[hole] = index_[i];
            hole = i;
        }
        index_[hole] = 0;
    }

    IdScope scope_;
    std::vector<EntryNode> nodes_;
    std::vector<std::uint32_t> free_;  // node numbers + 1; the first nodes_.size() - used_ are free
    std::vector<std::uint32_t> index_;
    std::vector<std::uint32_t> heads_;
    std::size_t used_ = 0;
};

}  // namespace fh
