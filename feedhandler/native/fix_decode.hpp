// 35=W and 35=X to ring records, driven by a FixTable. Reads each field once, left to right.
//
// The caller has checked BodyLength and CheckSum (fix_frame.hpp), so every field ends within the body. What a
// message says is taken as far as it can be; what cannot is counted, and `why` asks for its bytes to be kept.
#pragma once

#include <cstdint>

#include "feedhandler/native/fix_entry.hpp"

namespace fh {

// The standard header as far as we look into it. Texts point into the message.
struct FixHeader {
    EntryFields fields;
    const char* rest = nullptr;  // the first field behind the header
    std::uint64_t seq = 0;       // 0: missing or not a number
    char type = 0;               // of one-character types; 0 for all others
    bool poss_dup = false;
};

inline FixHeader read_header(const FixTable& table, const char* p, const char* end) noexcept {
    FixHeader header;
    const auto data = [&](const Field& length) {
        const auto n = parse_unsigned(length.value.begin, length.value.end, static_cast<std::uint64_t>(end - p));
        Field field;
        if (n.ok()) next_data(p, end, n.value, data_tag_of(length.tag), field);
    };
    while (p < end) {
        header.rest = p;
        const Field field = next_field(p);
        const Role role = table.role(field.tag);
        if (!is_header(role)) {
            if (role != Role::data_length || (field.tag != 90 && field.tag != 212)) break;
            data(field);  // encrypted data, XML data
        } else if (role != Role::header) {
            header.fields.set(role, field.value.begin, field.value.end);
        }
        header.rest = p;
    }
    const Text& type = header.fields[Role::msg_type];
    if (header.fields.has(Role::msg_type) && type.size() == 1) header.type = *type.begin;
    if (header.fields.has(Role::seq)) {
        const auto seq = parse_unsigned(header.fields[Role::seq].begin, header.fields[Role::seq].end, INT64_MAX);
        if (seq.ok()) header.seq = seq.value;
    }
    header.poss_dup = header.fields.has(Role::poss_dup) && header.fields[Role::poss_dup].is('Y');
    return header;
}

struct DecodeResult {
    std::uint64_t ticks = 0;
    FixCount why = FixCount::count_;  // count_: nothing to quarantine
};

class Decoder {
public:
    Decoder(const FixTable& table, const SymbolMap& symbols, RingWriter& ring, FixCounts& counts, std::uint16_t source,
            std::size_t entries_max)
        : table_(table), ring_(ring), counts_(counts), writer_(table, symbols, ring, counts, source, entries_max) {}

    // One event into the ring (staged, not published). `flags` stand in every record; GAP in the first only.
    DecodeResult decode(const FixHeader& header, const char* end, std::int64_t ts_recv, std::uint8_t flags) {
        message_ = MessageState{};
        message_.snapshot = header.type == 'W';
        message_.flags = static_cast<std::uint8_t>(flags | (message_.snapshot ? flag::snapshot : std::uint8_t{0}));
        message_.ts_recv = ts_recv;
        message_.seq = header.seq;
        message_.venue_seq = header.seq;
        group_ = Group{};
        group_.first_tag = message_.snapshot ? table_.first_tag_snapshot : table_.first_tag_incremental;
        root_.present = 0;
        sending_time_ =
            header.fields.has(Role::sending_time) ? header.fields[Role::sending_time] : Text{nullptr, nullptr};
        end_ = end;
        walk(header.rest);
        finish();
        const bool staged = ring_.event_size() > 0;
        const auto refused = ring_.refused();
        ring_.end_event();
        if (ring_.refused() != refused)
            refuse();
        else
            counts_.add(FixCount::events, staged ? 1 : 0);
        counts_.add(FixCount::ticks, message_.ticks);
        counts_.add(FixCount::market_data);
        if (message_.snapshot) counts_.add(FixCount::snapshots);
        return {message_.ticks, message_.why};
    }

    [[nodiscard]] EntryWriter& writer() noexcept { return writer_; }

private:
    struct Group {
        bool counted = false;  // 268 has been read
        bool open = false;     // an entry is being read
        bool lying = false;    // the count is wrong, missing or there twice, or an entry has no first tag
        std::uint64_t declared = 0;
        std::uint64_t seen = 0;
        std::uint32_t first_tag = 0;
    };

    [[gnu::noinline]] void walk(const char* p) {
        while (p < end_) {
            const Field field = next_field(p);
            const Role role = table_.role(field.tag);
            if (role == Role::none) {
                if (field.tag == 0) [[unlikely]]
                    writer_.blame(message_, FixCount::bad_field);
            } else if (role == Role::data_length) {
                p = skip_data(p, field);
            } else if (group_.counted && is_entry(role)) {
                in_group(field.tag, field.value.begin, field.value.end, role, p);
            } else {
                at_root(field.value.begin, field.value.end, role);
            }
        }
    }

    // Scalars, not structs: a struct copied through memory waits for its stores.
    [[gnu::always_inline]] void in_group(std::uint32_t tag, const char* begin, const char* end, Role role,
                                         const char* behind) {
        if (tag == group_.first_tag) {
            if (group_.open)
                writer_.write(entry_, message_);
            else
                begin_group(behind);
            group_.open = true;
            ++group_.seen;
            entry_.present = 0;
        } else if (!group_.open) {
            if (role == Role::symbol)
                at_root(begin, end, role);  // an empty group, and the symbol behind it
            else if (!group_.lying)
                bad_group();
            return;
        }
        if (!entry_.set(role, begin, end)) writer_.blame(message_, FixCount::repeated_field);
    }

    // What entries inherit where they do not say otherwise.
    void begin_group(const char* behind) {
        begin_time();
        if (message_.snapshot && !message_.has_symbol) find_symbol_ahead(behind);
        if (!root_.has(Role::venue_seq)) return;
        const Text& text = root_[Role::venue_seq];
        const auto number = parse_unsigned(text.begin, text.end);
        if (number.ok())
            message_.venue_seq = number.value;
        else
            writer_.blame(message_, FixCount::bad_number);
    }

    void begin_time() {
        TimeParser& times = writer_.times();
        const auto sent = times.timestamp(sending_time_.begin, sending_time_.end);
        if (sent) {
            message_.header_time = *sent;
            message_.midnight = *sent / DAY_NS * DAY_NS;
            message_.dated_by_header = true;
        }
        const bool transacted = root_.has(Role::transact_time);
        const Text& text = root_[Role::transact_time];
        const auto time = transacted ? times.timestamp(text.begin, text.end) : sent;
        message_.ts_event = time.value_or(0);
        message_.bad_time = !time && (transacted || sending_time_.begin != nullptr);
        if (root_.has(Role::date) || root_.has(Role::time)) writer_.read_time(root_, message_);
    }

    // A W whose symbol stands behind its group: rare, so the message is read twice.
    void find_symbol_ahead(const char* p) {
        while (p < end_) {
            const Field field = next_field(p);
            if (table_.role(field.tag) == Role::symbol) return writer_.find_instrument(field.value, message_);
        }
    }

    [[gnu::noinline]] void at_root(const char* begin, const char* end, Role role) {
        if (role == Role::symbol) {
            writer_.find_instrument({begin, end}, message_);
        } else if (role != Role::group_count) {
            root_.set(role, begin, end);
        } else if (group_.counted) {
            bad_group();  // a second 268
        } else {
            const auto count = parse_unsigned(begin, end, UINT32_MAX);
            group_.counted = true;
            group_.declared = count.value;
            if (!count.ok()) {
                writer_.blame(message_, FixCount::bad_number);
                bad_group();
            }
        }
    }

    [[gnu::noinline]] const char* skip_data(const char* p, Field length) {
        const auto n = parse_unsigned(length.value.begin, length.value.end, static_cast<std::uint64_t>(end_ - p));
        Field field;
        if (!n.ok() || !next_data(p, end_, n.value, data_tag_of(length.tag), field))
            writer_.blame(message_, FixCount::bad_field);
        return p;
    }

    void bad_group() {
        writer_.blame(message_, FixCount::bad_group);
        group_.lying = true;
    }

    void finish() {
        if (group_.open)
            writer_.write(entry_, message_);
        else
            begin_group(end_);
        if (!group_.lying && (!group_.counted || group_.seen != group_.declared)) bad_group();
        if (!group_.lying && group_.seen == 0) {
            if (!message_.snapshot)
                counts_.add(FixCount::empty_group);
            else if (message_.instrument == 0)
                writer_.blame(message_, FixCount::unknown_symbol);
            else
                writer_.clear_book(message_);
        }
        if (group_.lying) writer_.damage(message_, FixCount::bad_group);
    }

    // The writer put a SKIP in the place of an event too long for the ring: its book is wrong from here.
    void refuse() {
        counts_.add(FixCount::event_refused);
        message_.damaged = 0;
        message_.ticks = 0;
        writer_.damage(message_, FixCount::event_refused);
        ring_.end_event();
    }

    const FixTable& table_;
    RingWriter& ring_;
    FixCounts& counts_;
    EntryWriter writer_;
    MessageState message_;
    Group group_;
    EntryFields root_;
    EntryFields entry_;
    Text sending_time_{};
    const char* end_ = nullptr;
};

}  // namespace fh
