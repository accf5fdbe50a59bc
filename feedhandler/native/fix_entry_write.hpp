// EntryWriter's bodies: the rules of docs/contracts/fix-decoding.md, one function a kind of entry.
#pragma once

#include "feedhandler/native/fix_entry.hpp"

namespace fh {

inline void EntryWriter::damage(MessageState& message, FixCount why) {
    if (message.instrument == 0 || message.damaged == message.instrument) return;
    message.damaged = message.instrument;
    counts_.add(FixCount::damaged);
    damaged_.add(message.instrument);
    Record record = start(message, Kind::state, flag::maybe_bad_book);
    record.ref = static_cast<std::uint64_t>(why);
    record.level = static_cast<std::uint16_t>(State::bad_book);
    append(record);
}

// Once a W, before its first level.
inline void EntryWriter::clear_book(MessageState& message) {
    if (message.cleared) return;
    message.cleared = true;
    message.plain = table_.plain();
    if (message.instrument == open_snapshot_) return;  // the message before began it
    forget_book(message.instrument);
    numbers_.start(message.instrument, message.numbered ? message.venue_seq : 0);
    append(start(message, Kind::book_clear));
}

inline void EntryWriter::forget_book(std::uint32_t instrument) noexcept {
    if (table_.keying == Keying::id) entries_.clear(instrument);
    if (table_.keying == Keying::position) positions_.clear(instrument);
}

// The size of a level that the venue leaves out, or gives as 0 for "some" in a W.
inline void EntryWriter::fill_size(Numbers& numbers, const MessageState& message) const noexcept {
    if (table_.size_unknown == 0) return;
    if (std::isnan(numbers.size) || (numbers.size == 0 && message.snapshot)) numbers.size = table_.size_unknown;
}

inline EntryWriter::Numbers EntryWriter::read_numbers(const SectionFields& entry) noexcept {
    Numbers numbers;
    const auto read = [&](Role role, double& to) {
        if (!entry.has(role)) return;
        const Decimal number = message_decimal(entry[role]);
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
    return numbers;
}

// A level of a price-keyed book. Its numbers are good.
template <bool Plain>
[[gnu::always_inline]] inline void EntryWriter::put_level(MessageState& message, const Numbers& numbers,
                                                          std::uint64_t ref, Side side, Action action) {
    const bool removal = is_removal(action);
    Record record = start(message, Kind::level, numbers.flags);
    record.ref = ref;
    record.price = numbers.price;
    record.size = removal ? 0.0 : numbers.size;
    record.side = side;
    // A size of nothing is a delete; in a snapshot it is what the venue shows.
    const bool nothing = (numbers.size == 0) & !removal & !message.snapshot;
    record.action = nothing ? Action::remove : action;
    append_tick<Plain>(message, record);
}

// The same by all the rules: numbers may be missing, rounded or bad.
inline void EntryWriter::write_level_by_price(const SectionFields& entry, MessageState& message, Side side,
                                              Action action) {
    if (side == Side::none) return lose(message, FixCount::no_side, true);
    if (action > Action::remove) return write_range(entry, message, side, action);
    Numbers numbers = read_numbers(entry);
    fill_size(numbers, message);
    const bool removal = is_removal(action);
    if (removal && numbers.bad && !std::isnan(numbers.price)) numbers.bad = false;  // a delete's size says nothing
    if (numbers.bad) return lose(message, FixCount::bad_number, true);
    if (std::isnan(numbers.price)) return lose(message, FixCount::no_price, true);
    if (!removal && std::isnan(numbers.size)) return lose(message, FixCount::no_size, true);
    put_level<false>(message, numbers, entry_seq(entry, message), side, action);
}

inline void EntryWriter::write_trade(const SectionFields& entry, MessageState& message, Action action) {
    const Numbers numbers = read_numbers(entry);
    if (numbers.bad) return lose(message, FixCount::bad_number, false);
    if (std::isnan(numbers.price) && action != Action::remove) return lose(message, FixCount::no_price, false);
    Record record = start(message, Kind::trade, numbers.flags);
    record.price = numbers.price;
    record.size = numbers.size;
    record.action = action;
    record.ref = 0;
    if (entry.has(Role::trade_id) || entry.has(Role::id)) {
        const Text id = entry[entry.has(Role::trade_id) ? Role::trade_id : Role::id];
        const auto number = message_unsigned(id);
        record.ref = number.ok() ? number.value : handle_of(id.begin, id.end);
    }
    if (entry.has(Role::trade_side)) {
        const Text side = entry[Role::trade_side];
        record.side = side.is('1') ? Side::bid : side.is('2') ? Side::ask : Side::none;
    }
    append_tick(message, record);
}

inline void EntryWriter::write_plain(const SectionFields& entry, MessageState& message, Kind kind, Action action) {
    const Numbers numbers = read_numbers(entry);
    if (numbers.bad) return lose(message, FixCount::bad_number, false);
    Record record = start(message, kind, numbers.flags);
    record.ref = entry_seq(entry, message);
    record.price = numbers.price;
    record.size = numbers.size;
    record.action = action;
    append(record);
}

// Any entry, by all the rules.
[[gnu::noinline]] inline void EntryWriter::write_carefully(const SectionFields& entry, MessageState& message) {
    const Action action = action_of(entry, message);
    const EntryType type =
        entry.has(Role::type) ? table_.types[static_cast<unsigned char>(entry.type)] : EntryType::unknown;
    const bool typed = entry.has(Role::type);
    if (table_.id_keyed() && !entry.has(Role::symbol) && entry.has(Role::id) &&
        (message.instrument == 0 || action != Action::add))
        find_by_id(entry[Role::id], message);
    if (message.instrument == 0) return lose(message, FixCount::unknown_symbol, false);
    if (type == EntryType::ignored) return;
    if (typed && type == EntryType::unknown) return lose(message, FixCount::unknown_type, false);
    const bool book = !typed || side_of(type) != Side::none;
    if (message.snapshot && (book || type == EntryType::clear)) clear_book(message);
    if (!message.snapshot && !is_next(entry, message)) return;
    if (type == EntryType::clear) {
        if (message.snapshot) return;
        forget_book(message.instrument);
        append(start(message, Kind::book_clear));
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
    if (table_.keying == Keying::id) return write_level_by_id(entry, message, side_of(type), action);
    if (table_.keying == Keying::position) return write_level_by_position(entry, message, side_of(type), action);
    write_level_by_price(entry, message, side_of(type), action);
}

[[gnu::always_inline]] inline void EntryWriter::write(const SectionFields& entry, MessageState& message) {
    constexpr std::uint32_t TIMES = SectionFields::bit(Role::date) | SectionFields::bit(Role::time);
    constexpr std::uint32_t PLAIN =
        SectionFields::bit(Role::type) | SectionFields::bit(Role::price) | SectionFields::bit(Role::size);
    constexpr std::uint32_t MORE = SectionFields::bit(Role::venue_seq);
    if (entry.has(Role::symbol)) find_instrument(entry[Role::symbol], message);
    if (entry.has_any(TIMES) || message.untimed) time_entry(entry, message);
    // Nearly all entries are levels of which nothing but price and size is to be read.
    const Side side = sides_[static_cast<unsigned char>(entry.type)];
    const Action action = action_of(entry, message);
    if ((entry.present & (PLAIN | MORE)) == PLAIN && message.plain && message.instrument != 0 && side != Side::none &&
        is_of_one_level(action)) [[likely]] {
        const Decimal price = message_decimal(entry[Role::price]);
        const Decimal size = message_decimal(entry[Role::size]);
        if (price.status == Parse::ok && size.status == Parse::ok && size.value >= 0) [[likely]]
            return put_level<true>(message, {price.value, size.value, 0, false}, message.venue_seq, side, action);
    }
    write_carefully(entry, message);
}

}  // namespace fh
