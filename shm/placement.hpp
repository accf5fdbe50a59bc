// How a segment is put into memory, and for whom: owner, group and mode, prefault, mlock, huge pages.
// Everybody who makes segments takes one of these; readers need none.
#pragma once

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "shm/errors.hpp"
#include "shm/region.hpp"

namespace fh {

enum class MemoryLock : std::uint8_t { off = 0, attempt = 1, require = 2 };

struct Placement {
    bool prefault = true;  // no page fault on the data path
    MemoryLock lock = MemoryLock::off;
    bool huge = false;          // transparent huge pages, where the mount allows them
    std::int64_t owner = -1;    // uid; -1: who makes it
    std::int64_t group = -1;    // gid; -1: of who makes it
    std::uint32_t mode = 0;     // 0600 or 0640; 0: 0640, and a page that is there already keeps what it has
    bool readers_park = false;  // the group may write the parking pages, so that its readers sleep there

    [[nodiscard]] mode_t file_mode() const noexcept { return mode == 0 ? 0640 : static_cast<mode_t>(mode); }
    [[nodiscard]] mode_t page_mode() const noexcept {
        const auto base = file_mode();
        return readers_park && (base & S_IRGRP) != 0 ? base | S_IWGRP : base;
    }
};

// Gives an open file to owner and group, and then its mode: never more rights than the end has. Throws SegmentDenied.
inline void hand_over(const File& file, const std::string& path, const Placement& placement, mode_t mode) {
    struct stat st{};
    if (::fstat(file.fd(), &st) != 0) fail_segment(path, "looking at it");
    const auto owner = placement.owner < 0 ? st.st_uid : static_cast<uid_t>(placement.owner);
    const auto group = placement.group < 0 ? st.st_gid : static_cast<gid_t>(placement.group);
    if ((owner != st.st_uid || group != st.st_gid) && ::fchown(file.fd(), owner, group) != 0)
        fail_segment(path, "giving it to user " + std::to_string(owner) + ", group " + std::to_string(group));
    if ((st.st_mode & 07777) != mode && ::fchmod(file.fd(), mode) != 0) fail_segment(path, "setting its mode");
}

// Opens a file that stays for ever for writing, and makes it where it is not there; `made` says which.
inline File open_kept(const std::string& path, bool& made) {
    constexpr int FLAGS = O_RDWR | O_NONBLOCK | O_NOCTTY;
    File file = File::open(path, FLAGS | O_CREAT | O_EXCL, 0600);
    made = file.ok();
    return made || errno != EEXIST ? std::move(file) : File::open(path, FLAGS | O_CREAT, 0600);
}

// A file that may have been there before and stays for ever: what it has is left alone where nothing was asked for.
inline void hand_over_kept(const File& file, const std::string& path, const Placement& placement, mode_t mode,
                           bool made_now) {
    if (made_now || placement.mode != 0) hand_over(file, path, placement, mode);
}

// A folder of segments: open to whom they are open.
inline void hand_over_folder(const std::string& path, const Placement& placement) {
    const File folder = File::open(path, O_RDONLY | O_DIRECTORY);
    if (!folder.ok()) fail_segment(path, "opening it");
    const bool group = (placement.file_mode() & S_IRGRP) != 0;
    hand_over(folder, path, placement, group ? 0750 : 0700);
}

inline void lock_memory(const Mapping& mapping, const std::string& path, MemoryLock lock) {
    if (lock == MemoryLock::off || ::mlock(mapping.as<void>(), mapping.bytes()) == 0) return;
    if (lock == MemoryLock::attempt) return;
    const int error = errno;
    struct rlimit limit{};
    ::getrlimit(RLIMIT_MEMLOCK, &limit);
    const auto allowed = limit.rlim_cur == RLIM_INFINITY ? std::string("any") : std::to_string(limit.rlim_cur);
    throw SegmentSpace(path,
                       "locking " + std::to_string(mapping.bytes()) + " bytes into memory: RLIMIT_MEMLOCK allows " +
                           allowed + "; raise it (LimitMEMLOCK= in the unit), or set memory.mlock to \"try\"",
                       error);
}

// tmpfs decides on huge pages when a page is first touched: through a mapping that wants them, before allocate() would
// take small ones. Where there are none, nothing is lost but a moment.
inline void take_huge_pages(const File& file, std::size_t bytes) {
    if (file.size() >= bytes || ::ftruncate(file.fd(), static_cast<off_t>(bytes)) != 0) return;
    const Mapping mapping(file, bytes, true, /*populate=*/false);
    if (::madvise(mapping.as<void>(), bytes, MADV_HUGEPAGE) != 0) return;
#ifdef MADV_POPULATE_WRITE
    ::madvise(mapping.as<void>(), bytes, MADV_POPULATE_WRITE);  // a full tmpfs is an answer here and no SIGBUS
#endif
}

// Takes all of the memory of a fresh segment and maps it. Throws SegmentSpace.
inline Mapping place(const File& file, std::size_t bytes, const std::string& path, const Placement& placement) {
    if (placement.huge) take_huge_pages(file, bytes);
    allocate(file, bytes, path);
    Mapping mapping(file, bytes, true, placement.prefault);
    if (placement.huge) ::madvise(mapping.as<void>(), bytes, MADV_HUGEPAGE);
    lock_memory(mapping, path, placement.lock);
    return mapping;
}

}  // namespace fh
