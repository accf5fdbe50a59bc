// One writer a segment: an exclusive lock on `<segment>.lock`, whose text is the holder's pid. The kernel drops the
// lock when the holder ends, however it ends; the text of a dead holder says nothing.
#pragma once

#include <cstdlib>
#include <string>
#include <utility>

#include "shm/errors.hpp"
#include "shm/placement.hpp"
#include "shm/point.hpp"

namespace fh {

// Whether the file of this name is still the one that is open: `ring unlink` removes lock files, under their lock.
inline bool still_named(const File& file, const std::string& path) noexcept {
    struct stat open{};
    struct stat named{};
    return ::fstat(file.fd(), &open) == 0 && ::stat(path.c_str(), &named) == 0 && open.st_nlink != 0 &&
           open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

// Opens and locks a lock file, and makes it where it is not there. A lock on a file that was removed between the two
// excludes nobody: then once more. The file is open and not locked where somebody else holds it; not ok() where it
// cannot be opened.
inline File lock_named(const std::string& name, bool& made, bool& locked) {
    for (;;) {
        File file = open_kept(name, made);
        if (!file.ok()) return file;
        FH_POINT("lock.opened");
        locked = try_lock(file);
        if (!locked || still_named(file, name)) return file;
    }
}

class WriterLock {
public:
    WriterLock() = default;
    // Takes the lock of `path`; `what` says in messages what it is. Throws SegmentBusy with the holder's pid.
    WriterLock(const std::string& path, const std::string& what, const Placement& placement) {
        const std::string name = path + ".lock";
        bool made = false;
        bool locked = false;
        file_ = lock_named(name, made, locked);
        if (!file_.ok()) fail_segment(name, "opening it");
        if (!locked) {
            const auto pid = holder();
            throw SegmentBusy(path, what + " has a writer already, pid " + (pid > 0 ? std::to_string(pid) : "unknown"),
                              pid);
        }
        const std::string pid = std::to_string(::getpid());
        if (::ftruncate(file_.fd(), 0) != 0 || ::pwrite(file_.fd(), pid.data(), pid.size(), 0) < 0)
            fail_segment(name, "writing it");
        hand_over_kept(file_, name, placement, placement.file_mode(), made);
    }

private:
    // Its new holder writes its pid right after it took the lock: a few looks see it.
    [[nodiscard]] std::int64_t holder() const noexcept {
        for (int look = 0; look < 20; ++look) {
            char text[32] = {};
            if (::pread(file_.fd(), text, sizeof text - 1, 0) > 0)
                if (const auto pid = std::strtoll(text, nullptr, 10); pid > 0) return pid;
            ::usleep(500);
        }
        return 0;
    }

    File file_;
};

}  // namespace fh
