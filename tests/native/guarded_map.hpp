// For builds with AddressSanitizer, included before everything else: whatever shm/region.hpp maps lies between margins
// that ASan knows as poisoned, and so does the rest of its last page. A read or write outside a segment's bounds is
// reported at the instruction, where it would else hit another mapping, or the zeros behind the file's end, unseen.
#pragma once

#include <sanitizer/asan_interface.h>
#include <sys/mman.h>

#include <cstddef>

namespace guarded {

inline constexpr std::size_t PAGE = 4096;
inline constexpr std::size_t MARGIN = 16 * PAGE;

inline std::size_t whole_pages(std::size_t bytes) { return (bytes + PAGE - 1) / PAGE * PAGE; }

inline void* map(void* wanted, std::size_t bytes, int protection, int flags, int fd, off_t offset) {
    if (wanted != nullptr || bytes == 0) return ::mmap(wanted, bytes, protection, flags, fd, offset);
    const std::size_t total = whole_pages(bytes) + 2 * MARGIN;
    void* all = ::mmap(nullptr, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) return MAP_FAILED;
    char* data = static_cast<char*>(all) + MARGIN;
    if (::mmap(data, bytes, protection, flags | MAP_FIXED, fd, offset) == MAP_FAILED) {
        ::munmap(all, total);
        return MAP_FAILED;
    }
    __asan_poison_memory_region(all, MARGIN);
    __asan_poison_memory_region(data + bytes, whole_pages(bytes) - bytes + MARGIN);
    return data;
}

inline int unmap(void* data, std::size_t bytes) {
    char* all = static_cast<char*>(data) - MARGIN;
    const std::size_t total = whole_pages(bytes) + 2 * MARGIN;
    __asan_unpoison_memory_region(all, total);
    return ::munmap(all, total);
}

}  // namespace guarded

#define mmap(...) guarded_mmap(__VA_ARGS__)
#define munmap(...) guarded_munmap(__VA_ARGS__)
inline void* guarded_mmap(void* wanted, std::size_t bytes, int protection, int flags, int fd, off_t offset) {
    return guarded::map(wanted, bytes, protection, flags, fd, offset);
}
inline int guarded_munmap(void* data, std::size_t bytes) { return guarded::unmap(data, bytes); }
