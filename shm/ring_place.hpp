// Where a reader stands, for somebody who waits in its place (ring_watch.hpp). Keeps what it points to mapped.
#pragma once

#include <cstdint>
#include <memory>

#include "shm/atomics.hpp"
#include "shm/wait_page.hpp"

namespace fh {

struct RingPlace {
    std::shared_ptr<const Mapping> mapping;
    WaitView wait;
    const RingHeader* header = nullptr;
    std::uint64_t next = 1;
    std::uint64_t epoch = 0;  // a hint above it ends the wait

    // There is something to read, or a newer epoch.
    [[nodiscard]] bool ready() const noexcept {
        const auto published =
            load(header->published, std::memory_order_acquire);  // SYNC ring.publish: pairs with RingWriter::publish()
        return next <= published || (wait.hint != nullptr && hint() > epoch);
    }
    [[nodiscard]] std::uint64_t hint() const noexcept {
        return load(wait.hint->epoch_hint,
                    std::memory_order_acquire);  // SYNC ring.epoch: pairs with RingWriter::create_epoch()
    }
};

}  // namespace fh
