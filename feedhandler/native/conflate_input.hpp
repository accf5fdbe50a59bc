// One ring as the conflator reads it: batches of whole events, following the writer's restarts.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "shm/ring_reader.hpp"
#include "shm/wait_any.hpp"

namespace fh {

inline constexpr std::size_t INPUT_BATCH = 1024;
inline constexpr std::int64_t INPUT_STALL_NS = 2'000'000'000;

// What the ring's writer is to us; a change of it is a STATE of the ring's sources.
enum class Writer : std::uint8_t { unknown, alive, stalled, dead };

struct Input {
    Input(const std::string& dir, const std::string& ring, std::uint32_t number)
        : reader(dir, ring), index(number), batch(INPUT_BATCH) {}

    RingReader reader;
    std::uint32_t index;
    std::vector<Record> batch;
    std::vector<std::uint16_t> sources;  // that write into this ring
    Writer writer = Writer::unknown;
    std::uint64_t silent_until = 0;  // records up to here, in silent_epoch, were published by our predecessor
    std::uint64_t silent_epoch = 0;

    [[nodiscard]] bool silent(std::uint64_t seq) const noexcept {
        return reader.epoch() < silent_epoch || (reader.epoch() == silent_epoch && seq <= silent_until);
    }
    [[nodiscard]] bool ready() const noexcept { return reader.attached() && reader.next() <= reader.published(); }
};

struct Followed {
    bool moved = false;      // a newer epoch is attached now
    std::uint64_t lost = 0;  // records of the old epoch, or of epochs in between, that nobody will read
};

// Goes on with the next epoch once the old one is drained and its writer is dead.
inline Followed follow(Input& input) {
    RingReader& reader = input.reader;
    if (!reader.attached()) return {reader.attach(0, true) == Attach::ok, 0};
    const auto writer = reader.state(monotonic_ns(), INPUT_STALL_NS);
    input.writer = writer == Attach::writer_dead ? Writer::dead
                   : writer == Attach::stalled   ? Writer::stalled
                                                 : Writer::alive;
    if (input.writer != Writer::dead || input.ready()) return {};
    if (reader.following_epoch() == 0 || input.ready()) return {};
    const auto old_epoch = reader.epoch();
    const auto old_last = reader.next() - 1;
    if (!reader.attach_following()) return {};
    input.writer = Writer::alive;
    const bool chained = reader.previous_epoch() == old_epoch;
    std::uint64_t lost = reader.next() - 1;
    if (chained && reader.previous_last() > old_last) lost += reader.previous_last() - old_last;
    if (!chained) ++lost;  // an epoch in between came and went: at least one record
    return {true, lost};
}

// Waits until an attached input has a record, parked on the wait pages of all of them.
class InputWait {
public:
    bool wait(const std::vector<Input>& inputs, WaitPolicy policy, std::int64_t timeout_ns) {
        pages_.clear();
        std::size_t attached = 0;
        for (const Input& input : inputs) {
            if (!input.reader.attached()) continue;
            ++attached;
            if (WaitPage* page = input.reader.wait_page(); page != nullptr) pages_.push_back(page);
        }
        if (attached == 0) {
            sleep_ns(std::max<std::int64_t>(timeout_ns, 0));
            return false;
        }
        if (pages_.size() < attached) pages_.clear();  // one of them cannot wake us: timed waits for all
        const auto ready = [&inputs] {
            return std::any_of(inputs.begin(), inputs.end(), [](const Input& input) { return input.ready(); });
        };
        return wait_any(pages_, policy, ready, timeout_ns);
    }

private:
    std::vector<WaitPage*> pages_;
};

}  // namespace fh
