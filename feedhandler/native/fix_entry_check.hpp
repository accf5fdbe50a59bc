// EntryWriter: what the venue says of its own data, by number and by checksum. What does not fit marks the book.
#pragma once

#include "feedhandler/native/fix_entry.hpp"

namespace fh {

// False: the book has this entry's update already. Entries inherit the range of updates that an entry before named.
inline bool EntryWriter::is_next(const SectionFields& entry, MessageState& message) {
    if (table_.gap_check != GapCheck::entry && table_.gap_check != GapCheck::range) return true;
    std::uint64_t last = message.venue_seq;
    if (entry.has(Role::venue_seq)) {
        const Unsigned number = message_unsigned(entry[Role::venue_seq]);
        if (!number.ok()) return true;  // counted where it is needed
        last = number.value;
    } else if (!message.numbered) {
        return true;
    }
    std::uint64_t first = last;
    if (table_.gap_check == GapCheck::range) {
        message.venue_seq = last;
        message.numbered = true;
        if (entry.has(Role::first_update)) message.first_update = message_unsigned(entry[Role::first_update]).value;
        first = message.first_update;
    }
    switch (numbers_.take(message.instrument, first, last, message.seq)) {
        case Update::old:
            counts_.add(FixCount::old_update);
            return false;
        case Update::gap:
            counts_.add(FixCount::sequence_gap);
            damage(message, FixCount::sequence_gap);
            break;
        case Update::next:
            break;
    }
    return true;
}

inline void EntryWriter::take_message_number(MessageState& message) {
    if (table_.gap_check != GapCheck::message || !message.numbered) return;
    if (numbers_.take(0, message.venue_seq, message.venue_seq, message.seq) != Update::gap) return;
    counts_.add(FixCount::sequence_gap);
    if (!message.timed) begin_time(message);
    const std::uint32_t own = message.instrument;
    symbols_.each_instrument([&](std::uint32_t instrument) {
        message.instrument = instrument;
        damage(message, FixCount::sequence_gap);
    });
    message.instrument = own;
    message.damaged = 0;
}

inline void EntryWriter::check_book(Text expected, MessageState& message) {
    if (message.instrument == 0) return;
    const Unsigned sum = message_unsigned(expected, UINT32_MAX);
    if (!sum.ok()) return blame(message, FixCount::bad_number);
    if (!check_.agrees(message.instrument, sum.value)) lose(message, FixCount::bad_check, true);
}

}  // namespace fh
