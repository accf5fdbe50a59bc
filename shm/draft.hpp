// A segment in the making: a file beside its place until publish() puts it there, and gone where that never happens.
// So a name stands for a whole segment or for none.
#pragma once

#include <string>
#include <utility>

#include "shm/errors.hpp"
#include "shm/placement.hpp"

namespace fh {

class Draft {
public:
    // Creates `draft`, in place of what a maker that was killed left of it.
    Draft(std::string draft, std::string path, const Placement& placement)
        : draft_(std::move(draft)), path_(std::move(path)), placement_(placement) {
        ::unlink(draft_.c_str());
        file_ = File::open(draft_, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (!file_.ok()) fail_segment(draft_, "creating it");
    }
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;
    ~Draft() {
        if (!published_) ::unlink(draft_.c_str());
    }

    // Takes all of the memory and maps it.
    [[nodiscard]] Mapping map(std::size_t bytes) { return place(file_, bytes, path_, placement_); }
    // From here on it has its place, and its readers their rights.
    void publish() {
        hand_over(file_, path_, placement_, placement_.file_mode());
        publish_by_rename(draft_, path_);
        published_ = true;
    }
    [[nodiscard]] const File& file() const noexcept { return file_; }
    // The file itself, for who keeps its lock.
    [[nodiscard]] File take() noexcept { return std::move(file_); }

private:
    std::string draft_;
    std::string path_;
    Placement placement_;
    File file_;
    bool published_ = false;
};

}  // namespace fh
