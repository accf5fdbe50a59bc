// For builds with ThreadSanitizer, included before everything else: a file that is mapped twice in this process is
// mapped once, at one address. TSan knows memory by its address: through two mappings of one file it would see neither
// that a load reads what a store wrote, nor any race between them.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <mutex>
#include <string>
#include <vector>

namespace one_map {

struct Held {
    dev_t device;
    ino_t inode;
    std::size_t bytes;
    void* data;
    int users;
};
inline std::mutex mutex;
inline std::vector<Held> held;

// By a descriptor of its own: the mapping would keep the caller's open file, and with it a dead writer's lock. Writable
// for all: who comes first may be a reader.
inline void* map(void* wanted, std::size_t bytes, int protection, int flags, int fd, off_t offset) {
    const std::lock_guard guard(mutex);
    struct stat st{};
    if (::fstat(fd, &st) != 0) return ::mmap(wanted, bytes, protection, flags, fd, offset);
    for (Held& one : held)
        if (one.device == st.st_dev && one.inode == st.st_ino && one.bytes == bytes) {
            ++one.users;
            return one.data;
        }
    const int own = ::open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_RDWR | O_CLOEXEC);
    if (own < 0) return ::mmap(wanted, bytes, protection, flags, fd, offset);
    void* data = ::mmap(wanted, bytes, protection | PROT_WRITE, flags, own, offset);
    ::close(own);
    if (data != MAP_FAILED) held.push_back({st.st_dev, st.st_ino, bytes, data, 1});
    return data;
}

inline int unmap(void* data, std::size_t bytes) {
    const std::lock_guard guard(mutex);
    for (std::size_t i = 0; i < held.size(); ++i)
        if (held[i].data == data) {
            if (--held[i].users > 0) return 0;
            held.erase(held.begin() + static_cast<std::ptrdiff_t>(i));
            break;
        }
    return ::munmap(data, bytes);
}

}  // namespace one_map

#define mmap(...) one_map_mmap(__VA_ARGS__)
#define munmap(...) one_map_munmap(__VA_ARGS__)
inline void* one_map_mmap(void* wanted, std::size_t bytes, int protection, int flags, int fd, off_t offset) {
    return one_map::map(wanted, bytes, protection, flags, fd, offset);
}
inline int one_map_munmap(void* data, std::size_t bytes) { return one_map::unmap(data, bytes); }
