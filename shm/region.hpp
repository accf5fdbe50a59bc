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

namespace fh {

[[noreturn]] inline void fail(const std::string& what, int error = errno) {
    throw std::system_error(error, std::generic_category(), what);
}

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

inline bool lock_wait(const File& file) noexcept {
    struct flock lock{};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_len = 1;
    int result = 0;
    do result = ::fcntl(file.fd(), F_OFD_SETLKW, &lock);
    while (result != 0 && errno == EINTR);
    return result == 0;
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

// Takes the memory now, so that a full /dev/shm is an error here and not SIGBUS later.
inline void allocate(const File& file, std::size_t bytes, const std::string& path) {
    if (const int error = ::posix_fallocate(file.fd(), 0, static_cast<off_t>(bytes)); error != 0)
        fail("allocating " + std::to_string(bytes) + " bytes for " + path, error);
}

inline void publish_by_rename(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) != 0) fail("renaming " + from + " to " + to);
}

}  // namespace fh
