// From version 1 of the instrument directory, whose entries have no checksum, to 2.
#pragma once

#include <string>

#include "shm/directory.hpp"

namespace fh {

// In place; with all processes stopped: a writer of the old release would go on appending entries without a checksum.
// The version comes last, so a process killed in the middle leaves a version 1. Nothing happens to a version 2. Entries
// that a power loss took are cut. Throws what shm/errors.hpp has for what is wrong.
// Returns the version that it had.
inline std::uint32_t upgrade_directory(const std::string& path) {
    if (const File there = File::open(path, O_RDONLY | O_NONBLOCK); !there.ok()) raise(path, refusal(errno));
    const Directory::Lock lock(path);
    const Directory old(path, /*writable=*/false);
    if (old.version_ == DIRECTORY_VERSION) return old.version_;
    const File file = File::open(path, O_RDWR);
    if (!file.ok()) fail_segment(path, "opening it");
    const std::size_t bytes = sizeof(DirectoryHeader) + old.size() * sizeof(DirectoryEntry);
    allocate(file, bytes, path);
    const Mapping mapping(file, bytes, true);
    auto* header = mapping.as<DirectoryHeader>();
    auto* entries = mapping.as<DirectoryEntry>(sizeof(DirectoryHeader));
    for (std::uint32_t id = 1; id <= old.size(); ++id) entries[id - 1].check = check_of(entries[id - 1]);
    header->durable = old.size();
    if (::fsync(file.fd()) != 0) fail_segment(path, "syncing it");
    store(header->count, old.size(), std::memory_order_release);  // SYNC directory.append: pairs with refresh()
    store(header->version, DIRECTORY_VERSION, std::memory_order_relaxed);
    if (::fsync(file.fd()) != 0) fail_segment(path, "syncing it");
    return old.version_;
}

}  // namespace fh
