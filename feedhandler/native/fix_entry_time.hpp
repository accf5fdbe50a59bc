// EntryWriter: when an entry happened. What an entry leaves out of its time it has from the entry before, from the
// root or from the header, which are only looked at where that is so.
#pragma once

#include "feedhandler/native/fix_entry.hpp"

namespace fh {

inline void EntryWriter::set_time(MessageState& message, std::optional<std::int64_t> time, bool expected) noexcept {
    message.ts_event = time.value_or(0);
    message.bad_time = expected && !time;
    message.flags = static_cast<std::uint8_t>((message.flags & ~flag::bad_time) |
                                              (message.bad_time ? flag::bad_time : std::uint8_t{0}));
}

[[gnu::noinline]] inline void EntryWriter::time_entry(const SectionFields& entry, MessageState& message) noexcept {
    const bool own = entry.has(Role::date) || entry.has(Role::time);
    if (!own || !read_own_time(entry, message)) {
        if (!message.timed) begin_time(message);
        if (own) read_time(entry, message);
    }
    message.untimed = message.bad_time;
    if (!message.bad_time || message.time_blamed) return;
    message.time_blamed = true;
    blame(message, FixCount::bad_time);
}

inline void EntryWriter::begin_time(MessageState& message) noexcept {
    message.timed = true;
    const bool sent = message.header->has(Role::sending_time);
    const auto sending = sent ? times_.timestamp((*message.header)[Role::sending_time]) : std::nullopt;
    if (sending) {
        message.header_time = *sending;
        message.midnight = *sending / DAY_NS * DAY_NS;
        message.dated_by_header = true;
    }
    const SectionFields& root = *message.root;
    const bool transacted = root.has(Role::transact_time);
    const auto time = transacted ? times_.timestamp(root[Role::transact_time]) : sending;
    set_time(message, time, transacted || sent);
    if (root.has(Role::date) || root.has(Role::time)) read_time(root, message);
}

// An entry with date and time of its own needs nobody else's.
inline bool EntryWriter::read_own_time(const SectionFields& entry, MessageState& message) noexcept {
    if (!entry.has(Role::date) || !entry.has(Role::time)) return false;
    const auto day = times_.date(entry[Role::date]);
    const auto of_day = times_.time(entry[Role::time]);
    if (!day || !of_day) return false;
    message.timed = true;
    message.dated_by_header = false;
    message.midnight = *day;
    set_time(message, *day + *of_day, false);
    return true;
}

inline void EntryWriter::read_time(const SectionFields& entry, MessageState& message) noexcept {
    bool bad = false;
    std::optional<std::int64_t> of_day;
    const auto take_whole = [&](Text text) {  // some venues put a whole timestamp into either field
        const auto whole = times_.timestamp(text);
        bad = !whole;
        if (bad) return;
        message.midnight = *whole / DAY_NS * DAY_NS;
        message.dated_by_header = false;
        of_day = *whole % DAY_NS;
    };
    if (entry.has(Role::date)) {
        const Text text = entry[Role::date];
        if (text.size() > 8) {
            take_whole(text);
        } else {
            const auto day = times_.date(text);
            bad = !day;
            if (day) message.midnight = *day;
            if (day) message.dated_by_header = false;
        }
    }
    if (entry.has(Role::time) && !bad) {
        const Text text = entry[Role::time];
        if (TimeParser::is_timestamp(text)) {
            take_whole(text);
        } else {
            of_day = times_.time(text);
            bad = !of_day;
        }
    }
    if (bad) {
        set_time(message, std::nullopt, true);
        blame(message, FixCount::bad_time);
        message.time_blamed = true;
    } else if (of_day) {
        std::int64_t time = message.midnight + *of_day;
        if (message.dated_by_header) {  // around midnight the entry's day is the one nearer to the sending time
            if (time - message.header_time > DAY_NS / 2) time -= DAY_NS;
            if (message.header_time - time > DAY_NS / 2) time += DAY_NS;
        }
        set_time(message, time, false);
    }
}

}  // namespace fh
