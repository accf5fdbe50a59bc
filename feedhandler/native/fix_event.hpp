// Where a session's records go: into the ring at once, or, at a venue whose events span messages, into a list until
// the event's last message is there. The ring is shared by sessions, so a half event cannot wait in it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "shm/ring_writer.hpp"

namespace fh {

class EventStage {
public:
    static constexpr std::size_t HELD_MAX = std::size_t{1} << 16;  // a venue that never ends an event: here it ends

    EventStage(RingWriter& ring, bool spans_messages) : ring_(ring), spans_(spans_messages) {
        if (spans_) held_.reserve(4096);
    }

    void append(const Record& record) {
        if (spans_)
            held_.push_back(record);
        else
            ring_.append(record);
    }
    // Only for who knows that events do not span messages.
    [[nodiscard]] RingWriter& ring() noexcept { return ring_; }
    [[nodiscard]] bool full() const noexcept { return held_.size() >= HELD_MAX; }
    // Records of an event whose end has not come.
    [[nodiscard]] bool holding() const noexcept { return !held_.empty(); }

    struct Ended {
        bool staged;   // there were records
        bool refused;  // the ring has a SKIP in their place
    };
    Ended end() {
        if (spans_) [[unlikely]]
            pass_on();
        const bool staged = ring_.event_size() > 0;
        const auto refused = ring_.refused();
        ring_.end_event();
        return {staged, ring_.refused() != refused};
    }

    // The rest will not come: what is there goes to the ring, and its books are marked at the end of it.
    template <class Mark>
    void abandon(Mark mark) {
        std::vector<std::uint32_t> books;
        for (const Record& record : held_)
            if (record.kind == Kind::level || record.kind == Kind::book_clear) books.push_back(record.instrument);
        std::sort(books.begin(), books.end());
        books.erase(std::unique(books.begin(), books.end()), books.end());
        for (const std::uint32_t instrument : books) mark(instrument);
        end();
    }

private:
    [[gnu::noinline]] void pass_on() {
        for (const Record& record : held_) ring_.append(record);
        held_.clear();
    }

    RingWriter& ring_;
    bool spans_;
    std::vector<Record> held_;
};

}  // namespace fh
