// The bytes of the instrument directory, and how an entry shows that it is whole.
#pragma once

#include <algorithm>
#include <cstring>
#include <string_view>

#include "shm/checksum.hpp"
#include "shm/layout.hpp"
#include "shm/segment.hpp"

namespace fh {

enum class Keying : std::uint8_t { none = 0, price = 1, id = 2 };

struct DirectoryHeader {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t entry_bytes;
    std::uint32_t capacity;
    std::uint32_t source_capacity;
    alignas(CACHE_LINE) std::uint32_t count;
    std::uint32_t durable;  // so many entries had reached the disk at the last sync()
    alignas(CACHE_LINE) std::uint32_t source_count;
    alignas(CACHE_LINE) char sources[64][48];
};
static_assert(sizeof(DirectoryHeader) == 3 * CACHE_LINE + std::size_t{64} * 48);
static_assert(offsetof(DirectoryHeader, count) == 64 && offsetof(DirectoryHeader, durable) == 68);
static_assert(offsetof(DirectoryHeader, source_count) == 128);

struct DirectoryEntry {
    std::uint32_t id;
    std::uint16_t source;
    std::uint8_t keying;
    std::uint8_t reserved;
    double tick;
    double lot;
    std::uint8_t price_decimals;
    std::uint8_t size_decimals;
    char currency[14];
    char venue_symbol[72];
    char symbol[72];
    char calendar[24];
    char spare[44];
    std::uint32_t check;  // CRC-32C of all before it
};
static_assert(sizeof(DirectoryEntry) == 256 && offsetof(DirectoryEntry, venue_symbol) == 40);
static_assert(offsetof(DirectoryEntry, symbol) == 112 && offsetof(DirectoryEntry, calendar) == 184);
static_assert(offsetof(DirectoryEntry, check) == 252);

inline constexpr std::uint32_t DIRECTORY_VERSION = 2;
inline constexpr std::uint32_t DIRECTORY_VERSION_UNCHECKED = 1;  // entries without `check`; still read
inline constexpr std::int64_t DIRECTORY_LOCK_NS = 10'000'000'000;
inline constexpr std::uint32_t DIRECTORY_CAPACITY = 131072;
inline constexpr std::uint32_t SOURCE_CAPACITY = 64;
inline constexpr std::uint32_t DIRECTORY_GROWTH = 1024;  // entries for which disk is taken at a time
inline constexpr std::size_t DIRECTORY_BYTES =
    sizeof(DirectoryHeader) + std::size_t{DIRECTORY_CAPACITY} * sizeof(DirectoryEntry);

inline constexpr SegmentKind DIRECTORY_KIND{"an instrument directory", DIRECTORY_MAGIC, DIRECTORY_VERSION,
                                            "run the release that wrote it: ids are for ever"};

// Of a field that ends with a zero byte, or, where somebody spoiled it, with the field.
template <std::size_t N>
inline std::string_view text_of(const char (&field)[N]) noexcept {
    return {field, ::strnlen(field, N)};
}

inline std::uint32_t check_of(const DirectoryEntry& entry) noexcept {
    return crc32c(&entry, offsetof(DirectoryEntry, check));
}

// An entry is whole when it stands in its place and, where its file's version has checks, its own says so.
inline bool whole(const DirectoryEntry& entry, std::uint32_t id, std::uint32_t version) noexcept {
    return entry.id == id && (version == DIRECTORY_VERSION_UNCHECKED || entry.check == check_of(entry));
}

// Opens a directory and looks at all that can be looked at before it is mapped. Version 1 is good for readers.
inline Verdict open_directory(const std::string& path, bool writable, File& file, std::uint32_t& version) {
    DirectoryHeader found;
    auto verdict = open_segment(path, file, writable ? O_RDWR : O_RDONLY);
    if (verdict.good()) verdict = read_header(file, found, DIRECTORY_KIND);
    if (verdict.fault == Fault::version && verdict.found == DIRECTORY_VERSION_UNCHECKED) {
        if (writable)
            verdict.why =
                "an older feedhandler wrote it: layout version 1, and this one writes 2; stop all processes "
                "and run `feedhandler directory upgrade " +
                path + "`";
        else
            verdict = {};
    }
    if (!verdict.good()) return verdict;
    version = found.version;
    if (found.entry_bytes != sizeof(DirectoryEntry) || file.size() != DIRECTORY_BYTES)
        return damaged("its header and its length contradict each other");
    return {};
}

}  // namespace fh
