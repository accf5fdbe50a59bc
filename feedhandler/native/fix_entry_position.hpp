// EntryWriter: levels told by their position. The ring gets levels by price, whatever the venue leaves unsaid.
#pragma once

#include "feedhandler/native/fix_entry.hpp"

namespace fh {

// The ring's level at this price is what the best position with it shows; gone where none does.
inline void EntryWriter::show_price(MessageState& message, Side side, double price, Action action, std::uint8_t flags) {
    const PositionSide::Row* row = positions_.side(message.instrument, side == Side::bid).find(price);
    const bool gone = row == nullptr || row->size == 0;
    Record record = start(message, Kind::level, flags);
    record.ref = message.venue_seq;
    record.price = price;
    record.size = gone ? 0.0 : row->size;
    record.side = side;
    record.action = gone ? Action::remove : action;
    append_tick(message, record);
}

inline void EntryWriter::remove_positions(MessageState& message, Side side, std::size_t first, std::size_t count) {
    PositionSide& rows = positions_.side(message.instrument, side == Side::bid);
    for (; count > 0; --count) show_price(message, side, rows.take(first).price, Action::change, 0);
}

// New: those from here on move down, and the last one leaves a full book. Change, Overlay: the level becomes this one.
inline void EntryWriter::set_position(const Numbers& numbers, MessageState& message, Side side, std::size_t position,
                                      Action action) {
    PositionSide& rows = positions_.side(message.instrument, side == Side::bid);
    const bool shown = rows.find(numbers.price) != nullptr;
    if (action == Action::add || !rows.has(position)) {
        rows.insert(position, {numbers.price, numbers.size});
    } else {
        const double old = rows.at(position).price;
        rows.at(position) = {numbers.price, numbers.size};
        if (old != numbers.price) show_price(message, side, old, Action::change, 0);
    }
    show_price(message, side, numbers.price, shown ? Action::change : Action::add, numbers.flags);
    if (table_.position_depth != 0 && rows.size() > table_.position_depth)
        remove_positions(message, side, rows.size(), 1);
}

inline void EntryWriter::write_level_by_position(const SectionFields& entry, MessageState& message, Side side,
                                                 Action action) {
    if (side == Side::none) return lose(message, FixCount::no_side, true);
    PositionSide& rows = positions_.side(message.instrument, side == Side::bid);
    std::size_t position = message.snapshot ? rows.size() + 1 : 0;  // a W may leave out what its order says
    if (entry.has(Role::position))
        position = message_unsigned(entry[Role::position], PositionSide::POSITIONS_MAX).value;
    const bool creates = action == Action::add || action == Action::overlay;
    if (!(creates ? rows.takes(position) : rows.has(position))) return lose(message, FixCount::no_position, true);
    if (action == Action::remove) return remove_positions(message, side, position, 1);
    if (action == Action::remove_through) return remove_positions(message, side, 1, position);
    if (action == Action::remove_from) return remove_positions(message, side, position, rows.size() - position + 1);
    Numbers numbers = read_numbers(entry);
    if (numbers.bad) return lose(message, FixCount::bad_number, true);
    if (action == Action::change) {  // what it leaves out stays as it was
        if (std::isnan(numbers.price)) numbers.price = rows.at(position).price;
        if (std::isnan(numbers.size)) numbers.size = rows.at(position).size;
    }
    fill_size(numbers, message);
    if (std::isnan(numbers.price)) return lose(message, FixCount::no_price, true);
    if (std::isnan(numbers.size)) return lose(message, FixCount::no_size, true);
    set_position(numbers, message, side, position, action);
}

// Of a book by price: DeleteThru, DeleteFrom and Overlay, which are of positions there too. The reader has them.
inline void EntryWriter::write_range(const SectionFields& entry, MessageState& message, Side side, Action action) {
    const bool placed = entry.has(Role::position);
    const Unsigned position = placed ? message_unsigned(entry[Role::position], UINT16_MAX) : Unsigned{};
    if (!position.ok() || position.value == 0) return lose(message, FixCount::no_position, true);
    Numbers numbers = read_numbers(entry);
    fill_size(numbers, message);
    if (action == Action::overlay) {
        if (numbers.bad) return lose(message, FixCount::bad_number, true);
        if (std::isnan(numbers.price)) return lose(message, FixCount::no_price, true);
        if (std::isnan(numbers.size)) return lose(message, FixCount::no_size, true);
    }
    Record record = start(message, Kind::level, numbers.flags);
    record.ref = entry_seq(entry, message);
    record.price = numbers.price;
    record.size = is_removal(action) ? 0.0 : numbers.size;
    record.side = side;
    record.action = action;
    record.level = static_cast<std::uint16_t>(position.value);
    append_tick(message, record);
}

}  // namespace fh
