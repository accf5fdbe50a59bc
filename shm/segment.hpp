// What is asked of a segment before its first byte is mapped. A file that passes is of the kind, version and length it
// should be and has all of its memory, so nothing that is read later can raise SIGBUS, unless somebody truncates it.
//
// Nothing here throws: a verdict says what is wrong, and raise() makes the exception of it. A reader that polls for a
// ring must not pay for an exception a turn.
#pragma once

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <utility>

#include "shm/errors.hpp"
#include "shm/layout.hpp"
#include "shm/region.hpp"

namespace fh {

enum class Fault : std::uint8_t { none = 0, missing, denied, damaged, version, other };

struct Verdict {
    Fault fault = Fault::none;
    std::string why;
    int error = 0;            // errno, where the system refused
    std::uint32_t found = 0;  // the version found, of Fault::version
    [[nodiscard]] bool good() const noexcept { return fault == Fault::none; }
};

inline Verdict damaged(std::string why) { return {Fault::damaged, std::move(why), 0, 0}; }

[[noreturn]] inline void raise(const std::string& path, const Verdict& verdict) {
    switch (verdict.fault) {
        case Fault::missing:
            throw SegmentMissing(path, verdict.why, verdict.error);
        case Fault::denied:
            throw SegmentDenied(path, verdict.why, verdict.error);
        case Fault::version:
            throw SegmentVersion(path, verdict.why, verdict.found);
        case Fault::none:
        case Fault::damaged:
            throw SegmentDamaged(path, verdict.why, verdict.error);
        case Fault::other:
            fail(path + ": " + verdict.why, verdict.error);
    }
    throw std::logic_error("no such fault");
}

// One kind of segment: how its files begin, and which version this release reads and writes.
struct SegmentKind {
    const char* name;
    std::uint64_t magic;
    std::uint32_t version;
    const char* remedy;  // where the version is another
};

inline constexpr std::pair<std::uint64_t, const char*> MAGICS[] = {
    {RING_MAGIC, "a ring"},           {WAIT_MAGIC, "a wait page"}, {BOARD_MAGIC, "a board"},
    {COUNT_MAGIC, "a counters file"}, {CLOCK_MAGIC, "a clock"},    {DIRECTORY_MAGIC, "an instrument directory"},
};

inline Verdict check_magic(std::uint64_t magic, const SegmentKind& kind) {
    if (magic == kind.magic) return {};
    const std::string name = kind.name;
    if (magic == 0) return damaged("not " + name + ": it begins with zeros, so nobody finished it");
    for (const auto& [other, other_name] : MAGICS)
        if (magic == other) return damaged("not " + name + " but " + other_name);
    return damaged("not " + name + ": it does not begin as one");
}

// The first bytes of every kind but the clock, which has no version but the one in its magic.
struct SegmentStart {
    std::uint64_t magic;
    std::uint32_t version;
};

inline Verdict check_start(const void* header, const SegmentKind& kind) {
    SegmentStart start{};
    std::memcpy(&start, header, sizeof start.magic + sizeof start.version);
    if (auto verdict = check_magic(start.magic, kind); !verdict.good()) return verdict;
    if (start.version == kind.version) return {};
    if (start.version == 0) return damaged("its version is 0, so nobody finished it");
    const char* age = start.version > kind.version ? "a newer" : "an older";
    return {Fault::version,
            std::string(age) + " feedhandler wrote it: layout version " + std::to_string(start.version) +
                ", and this one reads " + std::to_string(kind.version) + "; " + kind.remedy,
            0, start.version};
}

// tmpfs and hugetlbfs count exactly what they have given; on disks compression and delay make the count useless.
inline bool in_memory(const struct statfs& fs) noexcept {
    return fs.f_type == TMPFS_MAGIC || fs.f_type == HUGETLBFS_MAGIC;
}

// The length of a segment of so many bytes on the file system of `file`: huge pages are not cut.
inline std::size_t length_on(const struct statfs& fs, std::size_t bytes) noexcept {
    const auto page = static_cast<std::size_t>(fs.f_bsize);
    return fs.f_type == HUGETLBFS_MAGIC ? (bytes + page - 1) / page * page : bytes;
}

// The file is as long as its own header says, and all of it is there.
inline Verdict check_length(const File& file, std::size_t bytes) {
    struct stat st{};
    struct statfs fs{};
    if (::fstat(file.fd(), &st) != 0 || ::fstatfs(file.fd(), &fs) != 0)
        return {Fault::other, "looking at it", errno, 0};
    const auto length = static_cast<std::size_t>(st.st_size);
    if (const auto wanted = length_on(fs, bytes); length != wanted)
        return damaged("it has " + std::to_string(length) + " bytes, and " + std::to_string(wanted) +
                       " by its own header");
    if (in_memory(fs) && static_cast<std::size_t>(st.st_blocks) * 512 < length)
        return damaged("a sparse file: " + std::to_string(st.st_blocks * 512) + " of " + std::to_string(length) +
                       " bytes are allocated");
    return {};
}

inline Verdict refusal(int error) {
    const std::string why = std::generic_category().message(error);
    switch (error) {
        case ENOENT:
        case ENOTDIR:
            return {Fault::missing, "there is none", error, 0};
        case EACCES:
        case EPERM:
        case EROFS:
            return {Fault::denied,
                    why + " for user " + std::to_string(::geteuid()) + ": ask for its group, or look at `group` and " +
                        "`mode` in the configuration of who writes it",
                    error, 0};
        case ENXIO:
        case ELOOP:
            return {Fault::damaged, "not a file", error, 0};
        default:
            return {Fault::other, "opening it", error, 0};
    }
}

inline Verdict regular(const File& file) {
    struct stat st{};
    if (::fstat(file.fd(), &st) != 0) return {Fault::other, "looking at it", errno, 0};
    return S_ISREG(st.st_mode) ? Verdict{} : damaged("not a file");
}

// Opens a regular file for reading; never waits, whatever stands there.
inline Verdict open_segment(const std::string& path, File& file, int flags = O_RDONLY) {
    file = File::open(path, flags | O_NONBLOCK | O_NOCTTY);
    return file.ok() ? regular(file) : refusal(errno);
}

// Reads a header without mapping it: a mapped page that has no memory behind it raises SIGBUS, a read does not.
template <class Header>
inline Verdict read_header(const File& file, Header& header, const SegmentKind& kind) {
    static_assert(std::is_trivially_copyable_v<Header>);
    const auto got = ::pread(file.fd(), static_cast<void*>(&header), sizeof header, 0);
    if (got < 0) return {Fault::other, "reading it", errno, 0};
    if (got < static_cast<ssize_t>(sizeof header))
        return damaged("it has " + std::to_string(got) + " bytes, too few for " + std::string(kind.name));
    return check_start(&header, kind);
}

}  // namespace fh
