// 35=W and 35=X to ring records, driven by a FixTable. Reads each field once, left to right.
//
// The caller has checked BodyLength and CheckSum (fix_frame.hpp), so every field ends within the body. What a
// message says is taken as far as it can be; what cannot is counted, and `why` asks for its bytes to be kept.
// Sections in a known order are taken whole (fix_layouts.hpp), all others field by field; both say the same.
#pragma once

#include <cstdint>

#include "feedhandler/native/fix_entry.hpp"
#include "feedhandler/native/fix_header.hpp"

namespace fh {

struct DecodeResult {
    std::uint64_t ticks = 0;
    FixCount why = FixCount::count_;  // count_: nothing to quarantine
};

class Decoder {
public:
    Decoder(const FixTable& table, SymbolMap& symbols, RingWriter& ring, FixCounts& counts, std::uint16_t source,
            std::size_t entries_max, bool predict)
        : table_(table),
          ring_(ring),
          counts_(counts),
          snapshot_roots_(predict),
          incremental_roots_(predict),
          snapshot_entries_(predict),
          incremental_entries_(predict),
          writer_(table, symbols, ring, counts, source, entries_max) {
        snapshot_roots_.then(snapshot_entries_.none());
        incremental_roots_.then(incremental_entries_.none());
    }

    // One event into the ring (staged, not published). The cursor stands behind the header. `flags` stand in every
    // record; GAP in the first only.
    DecodeResult decode(const FixHeader& header, Cursor& cursor, std::int64_t ts_recv, std::uint8_t flags) {
        begin_message(header, cursor, ts_recv, flags);
        read_root();
        begin_group();
        if (cursor.more()) read_entries();
        finish();
        const bool staged = ring_.event_size() > 0;
        const auto refused = ring_.refused();
        ring_.end_event();
        if (ring_.refused() != refused) [[unlikely]]
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
        bool lying = false;    // the count is wrong, missing or there twice, or an entry has no first tag
        std::uint64_t declared = 0;
        std::uint64_t seen = 0;
        std::uint32_t first_tag = 0;
    };

    void begin_message(const FixHeader& header, Cursor& cursor, std::int64_t ts_recv, std::uint8_t flags) noexcept {
        message_ = MessageState{};
        message_.snapshot = header.type == 'W';
        message_.plain = !message_.snapshot && !table_.id_keyed;
        message_.flags = static_cast<std::uint8_t>(flags | (message_.snapshot ? flag::snapshot : std::uint8_t{0}));
        message_.ts_recv = ts_recv;
        message_.seq = header.seq;
        message_.venue_seq = header.seq;
        group_ = Group{};
        group_.first_tag = message_.snapshot ? table_.first_tag_snapshot : table_.first_tag_incremental;
        root_.clear();
        message_.root = &root_;
        message_.header = &header.fields;
        cursor_ = &cursor;
        roots_ = message_.snapshot ? &snapshot_roots_ : &incremental_roots_;
        entries_ = message_.snapshot ? &snapshot_entries_ : &incremental_entries_;
        link_ = &expected_roots_[message_.snapshot ? 1 : 0];
    }

    // Up to and with the group's count.
    void read_root() {
        if (!roots_->match(link_, *cursor_, root_)) [[unlikely]]
            return read_root_slowly();
        if (root_.has(Role::symbol)) writer_.find_instrument(root_[Role::symbol], message_);
        count_entries(root_[Role::group_count]);
    }

    [[gnu::noinline]] void read_root_slowly() {
        root_.clear();
        Layout& draft = roots_->draft();
        draft.clear();
        while (!group_.counted && cursor_->more()) {
            const char* begin = cursor_->at;
            const Field field = cursor_->next();
            const Role role = table_.role(field.tag);
            draft.add(field, begin, role == Role::header ? Role::none : role);
            if (role == Role::data_length) draft.spoil();
            at_root(field, role);
        }
        if (group_.counted) roots_->learn(link_);
    }

    void read_entries() {
        Cursor cursor = *cursor_;
        Layout** link = link_;
        do {
            if (group_.counted && entries_->match(link, cursor, entry_)) [[likely]] {
                ++group_.seen;
                writer_.write(entry_, message_);
                continue;
            }
            *cursor_ = cursor;
            link_ = link;
            read_entry_slowly();
            cursor = *cursor_;
            link = link_;
        } while (cursor.more());
    }

    // One entry, or one field that belongs to none.
    [[gnu::noinline]] void read_entry_slowly() {
        const char* begin = cursor_->at;
        Field field = cursor_->next();
        if (!group_.counted || field.tag != group_.first_tag) return stray(field);
        ++group_.seen;
        entry_.clear();
        Layout& draft = entries_->draft();
        draft.clear();
        draft.end_before(field, begin);
        for (;;) {
            const Role role = table_.role(field.tag);
            draft.add(field, begin, is_entry(role) ? role : Role::none);
            if (is_entry(role)) {
                if (!entry_.set(role, field.value)) writer_.blame(message_, FixCount::repeated_field);
            } else {
                if (role == Role::data_length || role == Role::group_count) draft.spoil();
                at_root(field, role);
            }
            if (!cursor_->more()) break;
            begin = cursor_->at;
            field = cursor_->next();
            if (field.tag == group_.first_tag) {
                cursor_->at = begin;
                break;
            }
        }
        entries_->learn(link_);
        writer_.write(entry_, message_);
    }

    // A field outside of the root and of all entries.
    void stray(const Field& field) {
        const Role role = table_.role(field.tag);
        if (!group_.counted || !is_entry(role) || role == Role::symbol)
            at_root(field, role);  // a symbol: an empty group's, which stands behind it
        else if (!group_.lying)
            bad_group();
    }

    // What entries inherit where they do not say otherwise. The cursor stands behind the count.
    void begin_group() {
        if (message_.snapshot && !message_.has_symbol) find_symbol_ahead();
        if (!root_.has(Role::venue_seq)) return;
        const Unsigned number = message_unsigned(root_[Role::venue_seq]);
        if (number.ok())
            message_.venue_seq = number.value;
        else
            writer_.blame(message_, FixCount::bad_number);
    }

    // A W whose symbol stands behind its group: rare, so the message is read twice.
    [[gnu::noinline]] void find_symbol_ahead() {
        const char* here = cursor_->at;
        while (cursor_->more()) {
            const Field field = cursor_->next();
            const Role role = table_.role(field.tag);
            if (role == Role::data_length) skip_data(*cursor_, field);
            if (role != Role::symbol) continue;
            writer_.find_instrument(field.value, message_);
            break;
        }
        cursor_->at = here;
    }

    [[gnu::noinline]] void at_root(const Field& field, Role role) {
        if (role == Role::none) {
            if (field.tag == 0) writer_.blame(message_, FixCount::bad_field);
        } else if (role == Role::data_length) {
            if (!skip_data(*cursor_, field)) writer_.blame(message_, FixCount::bad_field);
        } else if (role == Role::symbol) {
            writer_.find_instrument(field.value, message_);
        } else if (role != Role::group_count) {
            root_.set(role, field.value);
        } else if (group_.counted) {
            bad_group();  // a second 268
        } else {
            count_entries(field.value);
        }
    }

    void count_entries(Text text) {
        const Unsigned count = message_unsigned(text, UINT32_MAX);
        group_.counted = true;
        group_.declared = count.value;
        if (!count.ok()) {
            writer_.blame(message_, FixCount::bad_number);
            bad_group();
        }
    }

    void bad_group() {
        writer_.blame(message_, FixCount::bad_group);
        group_.lying = true;
    }

    void finish() {
        if (!message_.timed) writer_.begin_time(message_);
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
    // A root leads to the entries that came behind it, and an entry of X may be none of W: each has its own.
    LayoutCache snapshot_roots_;
    LayoutCache incremental_roots_;
    LayoutCache snapshot_entries_;
    LayoutCache incremental_entries_;
    EntryWriter writer_;
    MessageState message_;
    Group group_;
    LayoutCache* roots_ = nullptr;
    LayoutCache* entries_ = nullptr;
    SectionFields root_;
    SectionFields entry_;
    Cursor* cursor_ = nullptr;
    std::array<Layout*, 2> expected_roots_{incremental_roots_.none(), snapshot_roots_.none()};
    Layout** link_ = nullptr;  // to the layout that is expected next
};

}  // namespace fh
