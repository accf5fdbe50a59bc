// One entry of a W or X message into ring records. What cannot be represented is counted, by one reason, and
// where that leaves a book wrong the ring says so (STATE bad_book) at the very place.
#pragma once

#include <array>
#include <cstdint>

#include "feedhandler/native/fix_book_check.hpp"
#include "feedhandler/native/fix_counts.hpp"
#include "feedhandler/native/fix_entries.hpp"
#include "feedhandler/native/fix_event.hpp"
#include "feedhandler/native/fix_number.hpp"
#include "feedhandler/native/fix_positions.hpp"
#include "feedhandler/native/fix_section.hpp"
#include "feedhandler/native/fix_symbols.hpp"
#include "feedhandler/native/fix_time.hpp"

namespace fh {

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
    const SectionFields* header = nullptr;
    const SectionFields* root = nullptr;
    bool snapshot = false;
    std::uint8_t flags = 0;
    std::int64_t ts_recv = 0;
    std::uint64_t seq = 0;
    std::uint64_t venue_seq = 0;     // 83 at the root, else 34
    std::uint64_t first_update = 0;  // that venue_seq ends a range from here on; 0: no range
    bool numbered = false;           // venue_seq is the venue's own number
    std::uint32_t instrument = 0;
    bool has_symbol = false;
    bool cleared = false;       // a W's BOOK_CLEAR is written
    std::int64_t ts_event = 0;  // 0 where it is bad
    bool timed = false;   // the times of header and root have been looked at: only where no entry's own come first
    bool untimed = true;  // an entry's time is not simply that of the one before
    bool plain = false;   // levels need no more than price and size
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
    EntryWriter(const FixTable& table, SymbolMap& symbols, EventStage& stage, FixCounts& counts, std::uint16_t source,
                std::size_t entries_max)
        : table_(table),
          symbols_(symbols),
          stage_(stage),
          ring_(stage.ring()),
          counts_(counts),
          source_(source),
          entries_(table.id_keyed() ? entries_max : 1, table.id_scope),
          check_(table.checks_book, table.id_keyed()) {
        for (std::size_t i = 0; i < sides_.size(); ++i) sides_[i] = side_of(table.types[i]);
    }

    void write(const SectionFields& entry, MessageState& message);
    void clear_book(MessageState& message);
    [[gnu::always_inline]] void find_instrument(Text symbol, MessageState& message) noexcept {
        message.has_symbol = true;
        message.instrument = symbols_.find(symbol);
    }
    // Counts a reason; the first of a message is what its bytes are kept for.
    void blame(MessageState& message, FixCount why) noexcept {
        counts_.add(why);
        if (message.why == FixCount::count_) message.why = why;
    }
    // The book of the message's instrument is no longer what the venue's is.
    void damage(MessageState& message, FixCount why);
    // A message's own number (1181): where one is missing, every book may be wrong.
    void take_message_number(MessageState& message);
    // The venue's checksum of the message's book.
    void check_book(Text expected, MessageState& message);
    // The instrument of a W that goes on in the next message; 0: none does.
    void keep_open(std::uint32_t instrument) noexcept { open_snapshot_ = instrument; }
    // What header and root say of the time of the entries.
    void begin_time(MessageState& message) noexcept;

    [[nodiscard]] Damaged& damaged() noexcept { return damaged_; }
    [[nodiscard]] EntryTable& entries() noexcept { return entries_; }
    [[nodiscard]] BookCheck& check() noexcept { return check_; }

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

    void time_entry(const SectionFields& entry, MessageState& message) noexcept;
    bool read_own_time(const SectionFields& entry, MessageState& message) noexcept;
    void read_time(const SectionFields& entry, MessageState& message) noexcept;
    static void set_time(MessageState& message, std::optional<std::int64_t> time, bool expected) noexcept;

    Numbers read_numbers(const SectionFields& entry) noexcept;
    void forget_book(std::uint32_t instrument) noexcept;
    void fill_size(Numbers& numbers, const MessageState& message) const noexcept;
    bool is_next(const SectionFields& entry, MessageState& message);
    template <bool Plain>
    void put_level(MessageState& message, const Numbers& numbers, std::uint64_t ref, Side side, Action action);
    void write_level_by_price(const SectionFields& entry, MessageState& message, Side side, Action action);
    void write_range(const SectionFields& entry, MessageState& message, Side side, Action action);
    void write_level_by_position(const SectionFields& entry, MessageState& message, Side side, Action action);
    void set_position(const Numbers& numbers, MessageState& message, Side side, std::size_t position, Action action);
    void remove_positions(MessageState& message, Side side, std::size_t first, std::size_t count);
    void show_price(MessageState& message, Side side, double price, Action action, std::uint8_t flags);
    void write_trade(const SectionFields& entry, MessageState& message, Action action);
    void write_plain(const SectionFields& entry, MessageState& message, Kind kind, Action action);
    void write_carefully(const SectionFields& entry, MessageState& message);

    void find_by_id(Text id, MessageState& message) noexcept;
    void write_level_by_id(const SectionFields& entry, MessageState& message, Side side, Action action);
    void re_key(const SectionFields& entry, MessageState& message, Level& level);
    void store_level(MessageState& message, Level& level);
    void remove_by_id(MessageState& message, EntryNode* node, std::uint64_t handle, Side side, double price);

    static Side side_of(EntryType type) noexcept {
        return type == EntryType::bid ? Side::bid : type == EntryType::ask ? Side::ask : Side::none;
    }
    [[nodiscard, gnu::always_inline]] Action action_of(const SectionFields& entry,
                                                       const MessageState& message) const noexcept {
        if (message.snapshot) return Action::add;
        return entry.has(Role::action) ? table_.actions[static_cast<unsigned char>(entry.action)] : Action::none;
    }
    static bool is_removal(Action action) noexcept {
        return action == Action::remove || action == Action::remove_through || action == Action::remove_from;
    }
    static bool is_of_one_level(Action action) noexcept { return static_cast<unsigned>(action) - 1 < 3; }
    static_assert(Action::add == Action{1} && Action::remove == Action{3});
    void lose(MessageState& message, FixCount why, bool book) {
        blame(message, why);
        if (book) damage(message, why);
    }
    [[nodiscard, gnu::always_inline]] Record start(const MessageState& message, Kind kind,
                                                   std::uint8_t flags = 0) const noexcept {
        Record record;
        record.ts_event = message.ts_event;
        record.ts_recv = message.ts_recv;
        record.ref = message.venue_seq;
        record.instrument = message.instrument;
        record.source = source_;
        record.kind = kind;
        record.flags = message.flags | flags;
        return record;
    }
    void append(const Record& record) {
        stage_.append(record);
        if (check_.on()) check_.observe(record);
    }
    template <bool Plain = false>
    [[gnu::always_inline]] void append_tick(MessageState& message, const Record& record) {
        if constexpr (Plain)
            ring_.append(record);
        else
            append(record);
        message.flags &= static_cast<std::uint8_t>(~flag::gap);  // said once
        ++message.ticks;
    }
    [[gnu::noinline]] std::uint64_t entry_seq(const SectionFields& entry, MessageState& message) noexcept {
        if (!entry.has(Role::venue_seq)) return message.venue_seq;
        const auto number = message_unsigned(entry[Role::venue_seq]);
        if (number.ok()) return number.value;
        blame(message, FixCount::bad_number);
        return message.venue_seq;
    }

    const FixTable& table_;
    SymbolMap& symbols_;
    EventStage& stage_;
    RingWriter& ring_;  // where plain levels go at once: nobody else wants them
    FixCounts& counts_;
    std::uint16_t source_;
    std::uint32_t open_snapshot_ = 0;
    std::array<Side, 256> sides_;  // of levels, by the one character of MDEntryType
    EntryTable entries_;
    PositionTable positions_;
    UpdateNumbers numbers_;
    BookCheck check_;
    TimeParser times_;
    Damaged damaged_;
};

}  // namespace fh

#include "feedhandler/native/fix_entry_check.hpp"
#include "feedhandler/native/fix_entry_id.hpp"
#include "feedhandler/native/fix_entry_position.hpp"
#include "feedhandler/native/fix_entry_time.hpp"
#include "feedhandler/native/fix_entry_write.hpp"
