// What happened to the bytes of one session, counted by reason; and the bytes that could not be
// represented, kept until Python takes them to the quarantine file.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

namespace fh {

// X(name, meaning). docs/contracts/fix-decoding.md has the outcome and the test of each.
#define FH_FIX_COUNTS(X)                                                                   \
    X(reads, "reads that brought bytes")                                                   \
    X(bytes, "bytes read")                                                                 \
    X(messages, "messages with good length and checksum")                                  \
    X(market_data, "in-sequence W and X decoded")                                          \
    X(snapshots, "W among them")                                                           \
    X(ticks, "LEVEL and TRADE records written")                                            \
    X(events, "events written")                                                            \
    X(garbled, "runs of bytes that are no message, whatever reason")                       \
    X(bad_begin, "garbled: no 8=FIX where a message should begin")                         \
    X(bad_length, "garbled: BodyLength")                                                   \
    X(bad_type, "garbled: 35 is not the third field")                                      \
    X(bad_checksum, "garbled: CheckSum")                                                   \
    X(oversize, "refused: longer than the configured limit")                               \
    X(skipped_bytes, "bytes thrown away while looking for a message")                      \
    X(admin, "messages handed to the session")                                             \
    X(duplicates, "PossDup below the expected sequence, ignored")                          \
    X(too_high_dropped, "W and X above the expected sequence while a resend is under way") \
    X(recovered, "PossDup messages in sequence")                                           \
    X(unknown_symbol, "entries for an instrument that is not ours")                        \
    X(unknown_type, "entries of an MDEntryType outside the profile")                       \
    X(unknown_action, "entries of an MDUpdateAction outside the profile")                  \
    X(unknown_id, "changes and deletes of an entry id never seen")                         \
    X(no_side, "entries whose side nothing tells")                                         \
    X(no_price, "entries without the price they need")                                     \
    X(no_size, "entries without the size they need")                                       \
    X(no_entry_id, "entries without id in an id-keyed book")                               \
    X(bad_number, "numbers that are no number or out of range")                            \
    X(bad_group, "groups whose count lies, or without first tag")                          \
    X(empty_group, "X messages with a count of zero")                                      \
    X(bad_field, "fields without tag number, or data of wrong length")                     \
    X(repeated_field, "fields that occur twice in one entry")                              \
    X(bad_time, "times that are no time")                                                  \
    X(rounded, "numbers that binary64 cannot give back")                                   \
    X(entry_table_full, "entries that found no room among the ids")                        \
    X(event_refused, "events longer than a quarter of the ring")                           \
    X(damaged, "books marked bad because an entry of theirs was lost")                     \
    X(quarantined, "messages kept for the quarantine file")                                \
    X(quarantine_dropped, "messages that found no room there")                             \
    X(sequence_gap, "updates missing by the venue's own numbers")                          \
    X(old_update, "entries that the book had already, by the venue's own numbers")         \
    X(no_position, "entries without the position they need, or with an impossible one")    \
    X(bad_check, "books that are not what the venue's checksum says")                      \
    X(event_cut, "events whose last message did not come")

enum class FixCount : std::uint8_t {
#define FH_FIX_COUNT_ENUM(name, meaning) name,
    FH_FIX_COUNTS(FH_FIX_COUNT_ENUM)
#undef FH_FIX_COUNT_ENUM
        count_
};
inline constexpr std::size_t FIX_COUNTS = static_cast<std::size_t>(FixCount::count_);
inline constexpr const char* FIX_COUNT_NAMES[] = {
#define FH_FIX_COUNT_NAME(name, meaning) #name,
    FH_FIX_COUNTS(FH_FIX_COUNT_NAME)
#undef FH_FIX_COUNT_NAME
};

struct FixCounts {
    std::array<std::uint64_t, FIX_COUNTS> values{};
    void add(FixCount what, std::uint64_t n = 1) noexcept { values[static_cast<std::size_t>(what)] += n; }
    [[nodiscard]] std::uint64_t get(FixCount what) const noexcept { return values[static_cast<std::size_t>(what)]; }
};

// A bounded list of (time, reason, bytes). Full is an answer (counted), never growth.
class Quarantine {
public:
    struct Entry {
        std::int64_t ts_recv;
        FixCount why;
        std::uint32_t total;  // bytes of the original
        std::uint32_t offset;
        std::uint32_t length;  // bytes kept
    };
    static constexpr std::size_t BYTES_MAX = 256 * 1024;
    static constexpr std::size_t ENTRIES_MAX = 256;
    static constexpr std::size_t ENTRY_BYTES_MAX = 64 * 1024;  // of a longer message the beginning is kept

    Quarantine() {
        bytes_.reserve(BYTES_MAX);
        entries_.reserve(ENTRIES_MAX);
    }

    void keep(FixCounts& counts, std::int64_t ts_recv, FixCount why, const char* p, std::size_t n) noexcept {
        const std::size_t kept = n < ENTRY_BYTES_MAX ? n : ENTRY_BYTES_MAX;
        if (entries_.size() == ENTRIES_MAX || bytes_.size() + kept > BYTES_MAX) {
            counts.add(FixCount::quarantine_dropped);
            return;
        }
        entries_.push_back({ts_recv, why, static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(bytes_.size()),
                            static_cast<std::uint32_t>(kept)});
        bytes_.insert(bytes_.end(), p, p + kept);
        counts.add(FixCount::quarantined);
    }
    [[nodiscard]] const std::vector<Entry>& entries() const noexcept { return entries_; }
    [[nodiscard]] const char* bytes(const Entry& entry) const noexcept { return bytes_.data() + entry.offset; }
    void clear() noexcept {
        bytes_.clear();
        entries_.clear();
    }

private:
    std::vector<char> bytes_;
    std::vector<Entry> entries_;
};

}  // namespace fh
