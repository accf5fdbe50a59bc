// What can be wrong with a segment, one type each. Thrown where segments are made and attached, never on the data path.
// Python has the same types (feedhandler/errors.py). The text is one line: path, what is wrong, what to do about it.
#pragma once

#include <cerrno>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <system_error>

namespace fh {

[[noreturn]] inline void fail(const std::string& what, int error = errno) {
    throw std::system_error(error, std::generic_category(), what);
}

class SegmentError : public std::runtime_error {
public:
    SegmentError(const std::string& path, const std::string& why, int error = 0)
        : std::runtime_error(path + ": " + why), path_(path), why_(why), error_(error) {}
    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] const std::string& why() const noexcept { return why_; }
    // The errno of the call that was refused; 0 where it was no call.
    [[nodiscard]] int error() const noexcept { return error_; }

private:
    std::string path_;
    std::string why_;
    int error_;
};

// There is no such segment, or nobody has finished making it. Worth another try.
struct SegmentMissing : SegmentError {
    using SegmentError::SegmentError;
};
// This user may not open it, or may not make it.
struct SegmentDenied : SegmentError {
    using SegmentError::SegmentError;
};
// Not a segment of this kind, or not a whole one: truncated, foreign, zero-filled, contradicting its own length.
struct SegmentDamaged : SegmentError {
    using SegmentError::SegmentError;
};
// Ours, whole, and of a layout that this release does not read.
struct SegmentVersion : SegmentError {
    SegmentVersion(const std::string& path, const std::string& why, std::uint32_t found_version)
        : SegmentError(path, why), found(found_version) {}
    std::uint32_t found;
};
// Another living process writes it.
struct SegmentBusy : SegmentError {
    SegmentBusy(const std::string& path, const std::string& why, std::int64_t writer)
        : SegmentError(path, why), pid(writer) {}
    std::int64_t pid;  // 0 where it is not known
};
// There is no room for it: memory, disk, or the right to lock so much.
struct SegmentSpace : SegmentError {
    using SegmentError::SegmentError;
};
// It takes no more: the instrument directory holds what it can.
struct SegmentFull : SegmentError {
    using SegmentError::SegmentError;
};

// What the operating system refused about `path`, as the type that fits.
[[noreturn]] inline void fail_segment(const std::string& path, const std::string& doing, int error = errno) {
    const std::string why = doing + ": " + std::generic_category().message(error);
    switch (error) {
        case ENOENT:
        case ENOTDIR:
            throw SegmentMissing(path, why, error);
        case EACCES:
        case EPERM:
        case EROFS:
            throw SegmentDenied(path, why, error);
        case ENOSPC:
        case EDQUOT:
        case EFBIG:
        case ENOMEM:
            throw SegmentSpace(path, why, error);
        default:
            fail(path + ": " + doing, error);
    }
}

}  // namespace fh
