// The venue's own numbering of updates, one an instrument (83) or one a session (1181): what is missing, what is old.
#pragma once

#include <cstdint>
#include <vector>

namespace fh {

// Which numbers a venue's updates have. `entry`: each entry of an instrument has the next number, or all of a message
// the same. `range`: an update says its first and its last number (25043, 25044). `message`: each message the next.
enum class GapCheck : std::uint8_t { none = 0, entry, range, message };

enum class Update : std::uint8_t { next, old, gap };

class UpdateNumbers {
public:
    // A snapshot: numbers go on behind its own; 0 where it has none.
    void start(std::uint32_t instrument, std::uint64_t last) { of(instrument) = {last, 0}; }

    // An update of `first` to `last` in the message of this MsgSeqNum. After a gap it goes on from there.
    Update take(std::uint32_t instrument, std::uint64_t first, std::uint64_t last, std::uint64_t message) {
        Numbers& known = of(instrument);
        const Numbers before = known;
        if (before.last != 0 && last <= before.last)
            return last == before.last && message == before.message ? Update::next : Update::old;
        known = {last, message};
        return before.last != 0 && first > before.last + 1 ? Update::gap : Update::next;
    }

private:
    struct Numbers {
        std::uint64_t last = 0;     // 0: not known
        std::uint64_t message = 0;  // that brought it
    };
    Numbers& of(std::uint32_t instrument) {
        if (instrument >= numbers_.size()) numbers_.resize(instrument + 1);
        return numbers_[instrument];
    }
    std::vector<Numbers> numbers_;
};

}  // namespace fh
