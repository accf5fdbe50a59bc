// EntryWriter: books whose entries have ids. The table of entries says what a message leaves out.
#pragma once

#include "feedhandler/native/fix_entry.hpp"

namespace fh {

// An entry that names no instrument is the previous entry's, unless its id is known as another's: where ids are
// the session's, the id alone tells the instrument.
inline void EntryWriter::find_by_id(Text id, MessageState& message) noexcept {
    const std::uint64_t handle = handle_of(id.begin, id.end);
    if (message.instrument != 0 && entries_.find(handle, message.instrument) != nullptr) return;
    if (const auto* node = entries_.find(handle, 0); node != nullptr) message.instrument = node->instrument;
}

inline void EntryWriter::remove_by_id(MessageState& message, EntryNode* node, std::uint64_t handle, Side side,
                                      double price) {
    Record record = start(message, Kind::level);
    record.ref = handle;
    record.size = 0.0;
    record.action = Action::remove;
    record.side = node != nullptr ? node->side : side;
    record.price = node != nullptr ? node->price : price;
    if (node == nullptr) record.flags |= flag::maybe_bad_book;
    append_tick(message, record);
    if (node != nullptr) entries_.erase(node);
}

// 280 with another 278: the entry gets a new id, which is a delete and a new. What the new one leaves out is the old's.
inline void EntryWriter::re_key(const SectionFields& entry, MessageState& message, Level& level) {
    const Text old_id = entry[Role::ref_id];
    const std::uint64_t old_handle = handle_of(old_id.begin, old_id.end);
    if (old_handle == level.handle) return;
    if (EntryNode* old = entries_.find(old_handle, message.instrument); old != nullptr) {
        if (level.side == Side::none) level.side = old->side;
        if (level.node == nullptr) {
            level.price = old->price;
            level.size = old->size;
        }
        remove_by_id(message, old, old_handle, level.side, level.price);
    } else {
        counts_.add(FixCount::unknown_id);
    }
    if (level.node == nullptr) level.action = Action::add;
}

inline void EntryWriter::write_level_by_id(const SectionFields& entry, MessageState& message, Side side,
                                           Action action) {
    if (action > Action::remove) return lose(message, FixCount::unknown_action, true);  // positions are not ids
    if (!entry.has(Role::id) && !entry.has(Role::ref_id)) return lose(message, FixCount::no_entry_id, true);
    const Text id = entry[entry.has(Role::id) ? Role::id : Role::ref_id];
    Level level;
    level.handle = handle_of(id.begin, id.end);
    level.node = entries_.find(level.handle, message.instrument);
    level.side = side;
    level.action = action;
    Numbers numbers = read_numbers(entry);
    if (action == Action::add) fill_size(numbers, message);
    if (action == Action::remove) {
        if (level.node == nullptr) counts_.add(FixCount::unknown_id);
        return remove_by_id(message, level.node, level.handle, side, numbers.price);
    }
    if (numbers.bad) return lose(message, FixCount::bad_number, true);
    if (level.node != nullptr) {  // what a change leaves out stays as it was
        level.price = level.node->price;
        level.size = level.node->size;
        if (side == Side::none) level.side = level.node->side;
    }
    if (entry.has(Role::ref_id) && entry.has(Role::id)) re_key(entry, message, level);
    if (!std::isnan(numbers.price)) level.price = numbers.price;
    if (!std::isnan(numbers.size)) level.size = numbers.size;
    level.flags = numbers.flags;
    if (level.side == Side::none) return lose(message, FixCount::no_side, true);
    if (std::isnan(level.price)) return lose(message, FixCount::no_price, true);
    if (std::isnan(level.size)) return lose(message, FixCount::no_size, true);
    store_level(message, level);
}

// The level is complete: into the table of entries, and into the ring.
inline void EntryWriter::store_level(MessageState& message, Level& level) {
    const bool nothing = level.size == 0 && !message.snapshot;  // a size of nothing is a delete
    if (level.node != nullptr && (level.node->side != level.side || nothing)) {
        remove_by_id(message, level.node, level.handle, level.side, level.price);
        if (nothing) return;
        level.node = nullptr;
        level.action = Action::add;
    }
    if (level.node != nullptr && level.action == Action::add) level.action = Action::change;  // a slot is written over
    if (level.node == nullptr && level.action == Action::change) {
        counts_.add(FixCount::unknown_id);
        level.flags |= flag::maybe_bad_book;
    }
    if (nothing) {
        level.action = Action::remove;  // never there, and gone at once
    } else {
        if (level.node == nullptr) level.node = entries_.insert(level.handle, message.instrument);
        if (level.node == nullptr) return lose(message, FixCount::entry_table_full, true);
        level.node->side = level.side;
        level.node->price = level.price;
        level.node->size = level.size;
    }
    Record record = start(message, Kind::level, level.flags);
    record.ref = level.handle;
    record.price = level.price;
    record.size = level.size;
    record.side = level.side;
    record.action = level.action;
    append_tick(message, record);
}

}  // namespace fh
