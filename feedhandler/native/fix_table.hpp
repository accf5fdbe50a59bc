// A dialect profile (fixspec/profiles/*.toml) compiled for the decoder: what each tag means, in arrays.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "feedhandler/native/fix_entries.hpp"
#include "feedhandler/native/fix_fields.hpp"
#include "feedhandler/native/fix_sequence.hpp"
#include "shm/layout.hpp"

namespace fh {

// What a tag is to us. From `action` on: fields of a market data entry.
enum class Role : std::uint8_t {
    none = 0,
    header,  // a header field we do not look into
    msg_type,
    seq,
    sender,
    target,
    poss_dup,
    sending_time,
    data_length,
    group_count,
    transact_time,
    action,
    type,
    id,
    ref_id,
    symbol,
    price,
    size,
    date,
    time,
    venue_seq,
    trade_id,
    trade_side,
    position,
    first_update,
    event_end,   // of the message, wherever it stands
    book_check,  // likewise
    count_
};
inline constexpr std::size_t ROLES = static_cast<std::size_t>(Role::count_);
static_assert(ROLES <= 32, "an entry's fields are a 32-bit set");
inline constexpr const char* ROLE_NAMES[ROLES] = {
    "none",         "header",      "msg_type",    "seq",           "sender",    "target",    "poss_dup",
    "sending_time", "data_length", "group_count", "transact_time", "action",    "type",      "id",
    "ref_id",       "symbol",      "price",       "size",          "date",      "time",      "venue_seq",
    "trade_id",     "trade_side",  "position",    "first_update",  "event_end", "book_check"};
constexpr bool is_header(Role role) noexcept { return role >= Role::header && role <= Role::sending_time; }
constexpr bool is_entry(Role role) noexcept { return role >= Role::action; }
constexpr bool is_of_message(Role role) noexcept { return role >= Role::event_end; }

enum class EntryType : std::uint8_t { unknown = 0, bid, ask, trade, clear, index, open_interest, ignored };

// What tells the levels of a book from one another.
enum class Keying : std::uint8_t { price = 0, id, position };

struct FixTable {
    static constexpr std::uint32_t TAGS = 32768;

    std::array<Role, TAGS> roles{};
    std::array<EntryType, 256> types{};  // by the one character of MDEntryType
    std::array<Action, 256> actions{};   // by the one character of MDUpdateAction; none = unknown
    std::uint32_t first_tag_snapshot = 269;
    std::uint32_t first_tag_incremental = 279;
    Keying keying = Keying::price;
    IdScope id_scope = IdScope::session;
    std::uint32_t position_depth = 0;  // levels a side of a book by position; 0: as many as come
    GapCheck gap_check = GapCheck::none;
    bool checks_book = false;     // book_check is crc32_top10
    bool spans_messages = false;  // event_end may say that more of the event follows
    double size_unknown = 0;      // the size of levels whose size the venue does not say; 0: it says it

    FixTable() {
        for (const int tag : {8,   9,   50,  57,  97,  115, 116, 122, 128,  129,  142,  143,
                              144, 145, 347, 369, 627, 628, 629, 630, 1128, 1129, 1137, 1156})
            roles[static_cast<std::size_t>(tag)] = Role::header;
        roles[34] = Role::seq;
        roles[35] = Role::msg_type;
        roles[43] = Role::poss_dup;
        roles[49] = Role::sender;
        roles[52] = Role::sending_time;
        roles[56] = Role::target;
        for (std::uint32_t tag = 1; tag < 2000; ++tag)
            if (data_tag_of(tag) != 0) roles[tag] = Role::data_length;
    }

    // Throws std::invalid_argument where the tag is out of range or means something else already.
    void set_role(std::uint32_t tag, Role role) {
        if (tag == 0 || tag >= TAGS) throw std::invalid_argument("tag " + std::to_string(tag) + " is not in 1..32767");
        if (roles[tag] != Role::none && roles[tag] != role)
            throw std::invalid_argument("tag " + std::to_string(tag) + " has a meaning already");
        roles[tag] = role;
        if (role == Role::event_end) spans_messages = true;
    }
    [[nodiscard]] bool id_keyed() const noexcept { return keying == Keying::id; }
    // A level is its side, price and size, nothing else is to be looked at, and it goes to the ring at once.
    [[nodiscard]] bool plain() const noexcept {
        return keying == Keying::price && size_unknown == 0 && !spans_messages && !checks_book &&
               (gap_check == GapCheck::none || gap_check == GapCheck::message);
    }
    [[nodiscard]] Role role(std::uint32_t tag) const noexcept { return tag < TAGS ? roles[tag] : Role::none; }
};

}  // namespace fh
