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
          stage_(ring, table.spans_messages),
          counts_(counts),
          snapshot_roots_(predict),
          incremental_roots_(predict),
          snapshot_entries_(predict),
          incremental_entries_(predict),
          writer_(table, symbols, stage_, counts, source, entries_max) {
        snapshot_roots_.then(snapshot_entries_.none());
        incremental_roots_.then(incremental_entries_.none());
    }

    // One event into the ring (staged, not published), or a part of one that goes on in the next message. The cursor
    // stands behind the header. `flags` stand in every record; GAP in the first only.
    DecodeResult decode(const FixHeader& header, Cursor& cursor, std::int64_t ts_recv, std::uint8_t flags) {
        begin_message(header, cursor, ts_recv, flags);
        read_root();
        begin_group();
        if (cursor.more()) read_entries();
        finish();
        const bool goes_on = more_follows();
        writer_.keep_open(goes_on && message_.snapshot ? message_.instrument : 0);
        if (!goes_on) end_event();
        counts_.add(FixCount::ticks, message_.ticks);
        counts_.add(FixCount::market_data);
        if (message_.snapshot) counts_.add(FixCount::snapshots);
        return {message_.ticks, message_.why};
    }

    // An event has begun whose last message has not come.
    [[nodiscard]] bool holding() const noexcept { return stage_.holding(); }
    // It will not come.
    void abandon_event() {
        if (!stage_.holding()) return;
        counts_.add(FixCount::event_cut);
        writer_.keep_open(0);
        stage_.abandon([this](std::uint32_t instrument) {
            message_.instrument = instrument;
            message_.damaged = 0;
            writer_.damage(message_, FixCount::event_cut);
        });
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
        message_.plain = !message_.snapshot && table_.plain();
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
        if (!group_.counted || !is_entry(role) || role == Role::symbol || is_of_message(role))
            at_root(field, role);  // a symbol: an empty group's, which stands behind it
        else if (!group_.lying)
            bad_group();
    }

    // What entries inherit where they do not say otherwise. The cursor stands behind the count.
    void begin_group() {
        if (message_.snapshot && !message_.has_symbol) find_symbol_ahead();
        if (!root_.has(Role::venue_seq)) return;
        const Unsigned number = message_unsigned(root_[Role::venue_seq]);
        if (!number.ok()) return writer_.blame(message_, FixCount::bad_number);
        message_.venue_seq = number.value;
        message_.numbered = true;
        writer_.take_message_number(message_);
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
        if (table_.checks_book && says(Role::book_check)) writer_.check_book(said(Role::book_check), message_);
    }

    // A field of the message that may stand behind its last entry, which took it.
    [[nodiscard]] bool says(Role role) const noexcept {
        return root_.has(role) || (group_.seen > 0 && entry_.has(role));
    }
    [[nodiscard]] Text said(Role role) const noexcept { return root_.has(role) ? root_[role] : entry_[role]; }
    [[nodiscard]] bool more_follows() const noexcept {
        if (!table_.spans_messages || !says(Role::event_end) || stage_.full()) return false;
        const Text end = said(Role::event_end);
        return end.is('N') || end.is('0');
    }

    void end_event() {
        const EventStage::Ended ended = stage_.end();
        if (ended.refused) [[unlikely]]
            return refuse();
        counts_.add(FixCount::events, ended.staged ? 1 : 0);
    }

    // The writer put a SKIP in the place of an event too long for the ring: its book is wrong from here.
    void refuse() {
        counts_.add(FixCount::event_refused);
        message_.damaged = 0;
        message_.ticks = 0;
        writer_.damage(message_, FixCount::event_refused);
        stage_.end();
    }

    const FixTable& table_;
    EventStage stage_;
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
