// A named file mapped shared: create in full, publish by rename, lock, map.
// Errors are std::system_error naming the path: at start only, never on the data path.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <string>
#include <system_error>
#include <utility>

#include "shm/errors.hpp"

namespace fh {

class File {
public:
    File() = default;
    explicit File(int fd) noexcept : fd_(fd) {}
    File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    File& operator=(File&& other) noexcept {
        if (this != &other) {
            reset();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    ~File() { reset(); }

    static File open(const std::string& path, int flags, mode_t mode = 0640) {
        return File(::open(path.c_str(), flags | O_CLOEXEC, mode));
    }
    [[nodiscard]] bool ok() const noexcept { return fd_ >= 0; }
    [[nodiscard]] int fd() const noexcept { return fd_; }
    [[nodiscard]] std::size_t size() const {
        struct stat st{};
        return ::fstat(fd_, &st) == 0 ? static_cast<std::size_t>(st.st_size) : 0;
    }
    void reset() noexcept {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }

private:
    int fd_ = -1;
};

// Open-file-description locks belong to the open file, not to the process: they end with the last
// descriptor, however the process ends, and are seen between threads too.
inline bool try_lock(const File& file) noexcept {
    struct flock lock{};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_len = 1;
    return ::fcntl(file.fd(), F_OFD_SETLK, &lock) == 0;
}

// Takes the lock as soon as its holder gives it back; false where that takes longer. Holders are at work for
// milliseconds: one that is stopped must not stop others for ever.
inline bool lock_within(const File& file, std::int64_t limit_ns) noexcept {
    constexpr std::int64_t LOOK_NS = 200'000;
    for (std::int64_t waited = 0; !try_lock(file); waited += LOOK_NS) {
        if (waited >= limit_ns) return false;
        ::usleep(LOOK_NS / 1000);
    }
    return true;
}

// A mapping keeps the open file alive, and with it the lock: what is mapped must be unlocked by hand.
inline void unlock(const File& file) noexcept {
    struct flock lock{};
    lock.l_type = F_UNLCK;
    lock.l_whence = SEEK_SET;
    lock.l_len = 1;
    ::fcntl(file.fd(), F_OFD_SETLK, &lock);
}

inline bool locked_by_other(const File& file) noexcept {
    struct flock lock{};
    lock.l_type = F_RDLCK;  // a read lock conflicts with the holder's write lock; nothing is taken
    lock.l_whence = SEEK_SET;
    lock.l_len = 1;
    return ::fcntl(file.fd(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

class Mapping {
public:
    Mapping() = default;
    // `populate` takes all pages now: no page fault on the data path.
    Mapping(const File& file, std::size_t bytes, bool writable, bool populate = true) : bytes_(bytes) {
        const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
        data_ = ::mmap(nullptr, bytes, protection, populate ? MAP_SHARED | MAP_POPULATE : MAP_SHARED, file.fd(), 0);
        if (data_ == MAP_FAILED) {
            data_ = nullptr;
            fail("mmap of " + std::to_string(bytes) + " bytes");
        }
    }
    Mapping(Mapping&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    Mapping& operator=(Mapping&& other) noexcept {
        if (this != &other) {
            reset();
            data_ = std::exchange(other.data_, nullptr);
            bytes_ = std::exchange(other.bytes_, 0);
        }
        return *this;
    }
    ~Mapping() { reset(); }

    template <class T>
    [[nodiscard]] T* as(std::size_t offset = 0) const noexcept {
        return reinterpret_cast<T*>(static_cast<char*>(data_) + offset);
    }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    [[nodiscard]] explicit operator bool() const noexcept { return data_ != nullptr; }
    void reset() noexcept {
        if (data_ != nullptr) ::munmap(data_, bytes_);
        data_ = nullptr;
        bytes_ = 0;
    }

private:
    void* data_ = nullptr;
    std::size_t bytes_ = 0;
};

// Takes the memory now, so that a full /dev/shm is an error here and not SIGBUS later. In pieces: a signal undoes
// the call that it interrupts. On a disk it takes the blocks, for the same reason; `from`: behind so many bytes.
inline void allocate(const File& file, std::size_t bytes, const std::string& path, std::size_t from = 0) {
    constexpr std::size_t PIECE = std::size_t{64} << 20;
    for (std::size_t done = 0; done < bytes;) {
        const std::size_t length = bytes - done < PIECE ? bytes - done : PIECE;
        const int error = ::posix_fallocate(file.fd(), static_cast<off_t>(from + done), static_cast<off_t>(length));
        if (error != 0 && error != EINTR)
            fail_segment(path, "taking " + std::to_string(bytes) + " bytes of memory", error);
        if (error == 0) done += length;
    }
}

inline void publish_by_rename(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) != 0) fail_segment(to, "putting it in its place");
}

}  // namespace fh
