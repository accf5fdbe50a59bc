// EntryWriter's bodies: the rules of docs/contracts/fix-decoding.md, one function a kind of entry.
#pragma once

#include "feedhandler/native/fix_entry.hpp"

namespace fh {

inline void EntryWriter::find_instrument(const Text& symbol, MessageState& message) noexcept {
    message.has_symbol = true;
    message.instrument = symbols_.find({symbol.begin, symbol.size()});
}

// An entry that names no instrument is the previous entry's, unless its id is known as another's: where ids are
// the session's, the id alone tells the instrument.
inline void EntryWriter::find_by_id(const Text& id, MessageState& message) noexcept {
    const std::uint64_t handle = handle_of(id.begin, id.end);
    if (message.instrument != 0 && entries_.find(handle, message.instrument) != nullptr) return;
    if (const auto* node = entries_.find(handle, 0); node != nullptr) message.instrument = node->instrument;
}

inline void EntryWriter::damage(MessageState& message, FixCount why) {
    if (message.instrument == 0 || message.damaged == message.instrument) return;
    message.damaged = message.instrument;
    counts_.add(FixCount::damaged);
    damaged_.add(message.instrument);
    Record record = start(message, Kind::state, flag::maybe_bad_book);
    record.ref = static_cast<std::uint64_t>(why);
    record.level = static_cast<std::uint16_t>(State::bad_book);
    ring_.append(record);
}

// Once a W, before its first level.
inline void EntryWriter::clear_book(MessageState& message) {
    if (message.cleared) return;
    message.cleared = true;
    if (table_.id_keyed) entries_.clear(message.instrument);
    ring_.append(start(message, Kind::book_clear));
}

inline void EntryWriter::read_time(const EntryFields& entry, MessageState& message) noexcept {
    const bool timed = entry.has(Role::time);
    bool bad = false;
    std::int64_t of_day = -1;
    if (entry.has(Role::date)) {
        const Text& text = entry[Role::date];
        const bool full = text.size() > 8;  // some venues put a whole timestamp here
        const auto day = full && text.begin[8] != '-' ? std::nullopt : times_.date(text.begin, text.begin + 8);
        if (text.size() < 8 || !day) {
            bad = true;
        } else {
            message.midnight = *day;
            message.dated_by_header = false;
            if (full && !timed) {
                const auto time = parse_time(text.begin + 9, text.end);
                if (time)
                    of_day = *time;
                else
                    bad = true;
            }
        }
    }
    if (timed && !bad) {
        const Text& text = entry[Role::time];
        const bool full = text.size() >= 17 && text.begin[8] == '-';
        const auto time = full ? times_.timestamp(text.begin, text.end) : parse_time(text.begin, text.end);
        if (!time) {
            bad = true;
        } else if (full) {
            message.midnight = *time / DAY_NS * DAY_NS;
            of_day = *time % DAY_NS;
        } else {
            of_day = *time;
        }
    }
    if (bad) {
        blame(message, FixCount::bad_time);
        message.bad_time = true;
        message.time_blamed = true;
    } else if (of_day >= 0) {
        message.bad_time = false;
        message.ts_event = message.midnight + of_day;
        if (message.dated_by_header) {  // around midnight the entry's day is the one nearer to the sending time
            if (message.ts_event - message.header_time > DAY_NS / 2) message.ts_event -= DAY_NS;
            if (message.header_time - message.ts_event > DAY_NS / 2) message.ts_event += DAY_NS;
        }
    }
}

inline EntryWriter::Numbers EntryWriter::read_numbers(const EntryFields& entry, MessageState& message) noexcept {
    Numbers numbers;
    const auto read = [&](Role role, double& to) {
        if (!entry.has(role)) return;
        const Decimal number = parse_decimal(entry[role].begin, entry[role].end);
        if (!number.usable() || (role == Role::size && number.value < 0)) {
            numbers.bad = true;
            return;
        }
        to = number.value;
        if (number.status == Parse::rounded) {
            numbers.flags = flag::rounded;
            counts_.add(FixCount::rounded);
        }
    };
    read(Role::price, numbers.price);
    read(Role::size, numbers.size);
    (void)message;
    return numbers;
}

inline void EntryWriter::write_level_by_price(const EntryFields& entry, MessageState& message, Side side,
                                              Action action) {
    if (side == Side::none) return lose(message, FixCount::no_side, true);
    Numbers numbers = read_numbers(entry, message);
    const bool removal = action == Action::remove || action == Action::remove_through || action == Action::remove_from;
    if (removal && numbers.bad && !std::isnan(numbers.price)) numbers.bad = false;  // a delete's size says nothing
    if (numbers.bad) return lose(message, FixCount::bad_number, true);
    if (std::isnan(numbers.price)) return lose(message, FixCount::no_price, true);
    if (!removal && std::isnan(numbers.size)) return lose(message, FixCount::no_size, true);
    Record record = start(message, Kind::level, numbers.flags);
    record.ref = entry_seq(entry, message);
    record.price = numbers.price;
    record.size = removal ? 0.0 : numbers.size;
    record.side = side;
    // A size of nothing is a delete; in a snapshot it is what the venue shows.
    record.action = numbers.size == 0 && !removal && !message.snapshot ? Action::remove : action;
    append_tick(message, record);
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
inline void EntryWriter::re_key(const EntryFields& entry, MessageState& message, Level& level) {
    const Text& old_id = entry[Role::ref_id];
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

inline void EntryWriter::write_level_by_id(const EntryFields& entry, MessageState& message, Side side, Action action) {
    if (!entry.has(Role::id) && !entry.has(Role::ref_id)) return lose(message, FixCount::no_entry_id, true);
    const Text& id = entry[entry.has(Role::id) ? Role::id : Role::ref_id];
    Level level;
    level.handle = handle_of(id.begin, id.end);
    level.node = entries_.find(level.handle, message.instrument);
    level.side = side;
    level.action = action;
    const Numbers numbers = read_numbers(entry, message);
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

inline void EntryWriter::write_trade(const EntryFields& entry, MessageState& message, Action action) {
    const Numbers numbers = read_numbers(entry, message);
    if (numbers.bad) return lose(message, FixCount::bad_number, false);
    if (std::isnan(numbers.price) && action != Action::remove) return lose(message, FixCount::no_price, false);
    Record record = start(message, Kind::trade, numbers.flags);
    record.price = numbers.price;
    record.size = numbers.size;
    record.action = action;
    record.ref = 0;
    if (entry.has(Role::trade_id) || entry.has(Role::id)) {
        const Text& id = entry[entry.has(Role::trade_id) ? Role::trade_id : Role::id];
        const auto number = parse_unsigned(id.begin, id.end);
        record.ref = number.ok() ? number.value : handle_of(id.begin, id.end);
    }
    if (entry.has(Role::trade_side)) {
        const Text& side = entry[Role::trade_side];
        record.side = side.is('1') ? Side::bid : side.is('2') ? Side::ask : Side::none;
    }
    append_tick(message, record);
}

inline void EntryWriter::write_plain(const EntryFields& entry, MessageState& message, Kind kind, Action action) {
    const Numbers numbers = read_numbers(entry, message);
    if (numbers.bad) return lose(message, FixCount::bad_number, false);
    Record record = start(message, kind, numbers.flags);
    record.ref = entry_seq(entry, message);
    record.price = numbers.price;
    record.size = numbers.size;
    record.action = action;
    ring_.append(record);
}

inline void EntryWriter::write(const EntryFields& entry, MessageState& message) {
    if (entry.has(Role::symbol)) find_instrument(entry[Role::symbol], message);
    if ((entry.present & (EntryFields::bit(Role::date) | EntryFields::bit(Role::time))) != 0) read_time(entry, message);
    if (message.bad_time && !message.time_blamed) {
        message.time_blamed = true;
        blame(message, FixCount::bad_time);
    }
    Action action = Action::add;
    if (!message.snapshot) {
        const Text& text = entry[Role::action];
        action = text.size() == 1 ? table_.actions[static_cast<unsigned char>(*text.begin)] : Action::none;
    }
    EntryType type = EntryType::unknown;
    const bool typed = entry.has(Role::type);
    if (typed) {
        const Text& text = entry[Role::type];
        if (text.size() == 1) type = table_.types[static_cast<unsigned char>(*text.begin)];
    }
    if (table_.id_keyed && !entry.has(Role::symbol) && entry.has(Role::id) &&
        (message.instrument == 0 || action != Action::add))
        find_by_id(entry[Role::id], message);
    if (message.instrument == 0) return lose(message, FixCount::unknown_symbol, false);
    if (typed && type == EntryType::unknown) return lose(message, FixCount::unknown_type, false);
    const bool book = !typed || type == EntryType::bid || type == EntryType::ask;
    if (message.snapshot && (book || type == EntryType::clear)) clear_book(message);
    if (type == EntryType::clear) {
        if (message.snapshot) return;
        if (table_.id_keyed) entries_.clear(message.instrument);
        ring_.append(start(message, Kind::book_clear));
        return;
    }
    if (action == Action::none) return lose(message, FixCount::unknown_action, book);
    switch (type) {
        case EntryType::trade:
            return write_trade(entry, message, action);
        case EntryType::index:
            return write_plain(entry, message, Kind::index, action);
        case EntryType::open_interest:
            return write_plain(entry, message, Kind::open_interest, action);
        default:
            break;
    }
    const Side side = type == EntryType::bid ? Side::bid : type == EntryType::ask ? Side::ask : Side::none;
    if (table_.id_keyed) return write_level_by_id(entry, message, side, action);
    write_level_by_price(entry, message, side, action);
}

}  // namespace fh
