// One entry of a W or X message into ring records. What cannot be represented is counted, by one reason, and
// where that leaves a book wrong the ring says so (STATE bad_book) at the very place.
#pragma once

#include <array>
#include <cstdint>

#include "feedhandler/native/decimal.hpp"
#include "feedhandler/native/fix_counts.hpp"
#include "feedhandler/native/fix_entries.hpp"
#include "feedhandler/native/fix_symbols.hpp"
#include "feedhandler/native/fix_table.hpp"
#include "feedhandler/native/fix_time.hpp"
#include "shm/ring_writer.hpp"

namespace fh {

// The fields of the entry being read, by role. Texts point into the message.
struct EntryFields {
    std::array<Text, ROLES> values;
    std::uint32_t present = 0;
    static constexpr std::uint32_t bit(Role role) noexcept { return 1U << static_cast<unsigned>(role); }
    [[nodiscard]] bool has(Role role) const noexcept { return (present & bit(role)) != 0; }
    [[nodiscard]] const Text& operator[](Role role) const noexcept { return values[static_cast<std::size_t>(role)]; }
    // False where the field is there already; then the first stays.
    [[gnu::always_inline]] bool set(Role role, const char* begin, const char* end) noexcept {
        if (has(role)) return false;
        present |= bit(role);
        Text& to = values[static_cast<std::size_t>(role)];
        to.begin = begin;
        to.end = end;
        return true;
    }
};

// Books that lost an entry since Python last asked, each at most once; full means "ask for all".
struct Damaged {
    std::array<std::uint32_t, 256> instruments{};
    std::size_t count = 0;
    bool overflow = false;
    void add(std::uint32_t instrument) noexcept {
        for (std::size_t i = 0; i < count; ++i)
            if (instruments[i] == instrument) return;
        if (count == instruments.size())
            overflow = true;
        else
            instruments[count++] = instrument;
    }
    void clear() noexcept {
        count = 0;
        overflow = false;
    }
};

// What all entries of a message share, and what they inherit from one another.
struct MessageState {
    bool snapshot = false;
    std::uint8_t flags = 0;
    std::int64_t ts_recv = 0;
    std::uint64_t seq = 0;
    std::uint64_t venue_seq = 0;  // 83 at the root, else 34
    std::uint32_t instrument = 0;
    bool has_symbol = false;
    bool cleared = false;  // a W's BOOK_CLEAR is written
    std::int64_t ts_event = 0;
    bool bad_time = false;
    bool time_blamed = false;
    std::int64_t midnight = 0;     // of the last date seen
    bool dated_by_header = false;  // that date is 52's, which may be the next or the last day's
    std::int64_t header_time = 0;
    FixCount why = FixCount::count_;  // the first reason to keep the message's bytes
    std::uint32_t damaged = 0;
    std::uint64_t ticks = 0;
};

class EntryWriter {
public:
    EntryWriter(const FixTable& table, const SymbolMap& symbols, RingWriter& ring, FixCounts& counts,
                std::uint16_t source, std::size_t entries_max)
        : table_(table),
          symbols_(symbols),
          ring_(ring),
          counts_(counts),
          source_(source),
          entries_(table.id_keyed ? entries_max : 1, table.id_scope) {}

    void write(const EntryFields& entry, MessageState& message);
    void clear_book(MessageState& message);
    void find_instrument(const Text& symbol, MessageState& message) noexcept;
    void find_by_id(const Text& id, MessageState& message) noexcept;
    // Counts a reason; the first of a message is what its bytes are kept for.
    void blame(MessageState& message, FixCount why) noexcept {
        counts_.add(why);
        if (message.why == FixCount::count_) message.why = why;
    }
    // The book of the message's instrument is no longer what the venue's is.
    void damage(MessageState& message, FixCount why);
    void read_time(const EntryFields& entry, MessageState& message) noexcept;

    [[nodiscard]] TimeParser& times() noexcept { return times_; }
    [[nodiscard]] Damaged& damaged() noexcept { return damaged_; }
    [[nodiscard]] EntryTable& entries() noexcept { return entries_; }

private:
    struct Numbers {
        double price = NO_VALUE;
        double size = NO_VALUE;
        std::uint8_t flags = 0;
        bool bad = false;
    };

    // A level of an id-keyed book on its way to the ring.
    struct Level {
        EntryNode* node = nullptr;
        std::uint64_t handle = 0;
        double price = NO_VALUE;
        double size = NO_VALUE;
        Side side = Side::none;
        Action action = Action::none;
        std::uint8_t flags = 0;
    };

    Numbers read_numbers(const EntryFields& entry, MessageState& message) noexcept;
    void write_level_by_price(const EntryFields& entry, MessageState& message, Side side, Action action);
    void write_level_by_id(const EntryFields& entry, MessageState& message, Side side, Action action);
    void re_key(const EntryFields& entry, MessageState& message, Level& level);
    void store_level(MessageState& message, Level& level);
    void remove_by_id(MessageState& message, EntryNode* node, std::uint64_t handle, Side side, double price);
    void write_trade(const EntryFields& entry, MessageState& message, Action action);
    void write_plain(const EntryFields& entry, MessageState& message, Kind kind, Action action);
    void lose(MessageState& message, FixCount why, bool book) {
        blame(message, why);
        if (book) damage(message, why);
    }
    [[nodiscard]] Record start(const MessageState& message, Kind kind, std::uint8_t flags = 0) const noexcept {
        Record record;
        record.ts_event = message.bad_time ? 0 : message.ts_event;
        record.ts_recv = message.ts_recv;
        record.ref = message.venue_seq;
        record.instrument = message.instrument;
        record.source = source_;
        record.kind = kind;
        record.flags =
            static_cast<std::uint8_t>(message.flags | flags | (message.bad_time ? flag::bad_time : std::uint8_t{0}));
        return record;
    }
    void append_tick(MessageState& message, const Record& record) {
        ring_.append(record);
        message.flags &= static_cast<std::uint8_t>(~flag::gap);  // said once
        ++message.ticks;
    }
    [[nodiscard]] std::uint64_t entry_seq(const EntryFields& entry, MessageState& message) noexcept {
        if (!entry.has(Role::venue_seq)) return message.venue_seq;
        const Text& text = entry[Role::venue_seq];
        const auto number = parse_unsigned(text.begin, text.end);
        if (number.ok()) return number.value;
        blame(message, FixCount::bad_number);
        return message.venue_seq;
    }

    const FixTable& table_;
    const SymbolMap& symbols_;
    RingWriter& ring_;
    FixCounts& counts_;
    std::uint16_t source_;
    EntryTable entries_;
    TimeParser times_;
    Damaged damaged_;
};

}  // namespace fh

#include "feedhandler/native/fix_entry_write.hpp"
