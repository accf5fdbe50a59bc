// The instrument directory: (source, venue symbol) -> id, append-only, one mapped file on disk that
// every process shares. Ids are stable across restarts; an id is its entry's position, from 1.
//
// Invariant: entries [0, count) are complete and never change; `count` is stored last, with release, so a
// process killed in the middle of an append leaves the directory as it was. sync() makes a run of appends
// durable. A power loss before it may keep the count and lose entries: the next writer cuts those off.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>

#include "shm/atomics.hpp"
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
    alignas(CACHE_LINE) std::uint32_t source_count;
    alignas(CACHE_LINE) char sources[64][48];
};
static_assert(sizeof(DirectoryHeader) == 3 * CACHE_LINE + std::size_t{64} * 48);
static_assert(offsetof(DirectoryHeader, count) == 64 && offsetof(DirectoryHeader, source_count) == 128);

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
    char spare[48];
};
static_assert(sizeof(DirectoryEntry) == 256 && offsetof(DirectoryEntry, venue_symbol) == 40);
static_assert(offsetof(DirectoryEntry, symbol) == 112 && offsetof(DirectoryEntry, calendar) == 184);

inline constexpr std::int64_t DIRECTORY_LOCK_NS = 10'000'000'000;
inline constexpr std::uint32_t DIRECTORY_CAPACITY = 131072;
inline constexpr std::uint32_t SOURCE_CAPACITY = 64;
inline constexpr std::size_t DIRECTORY_BYTES =
    sizeof(DirectoryHeader) + std::size_t{DIRECTORY_CAPACITY} * sizeof(DirectoryEntry);

inline constexpr SegmentKind DIRECTORY_KIND{"an instrument directory", DIRECTORY_MAGIC, LAYOUT_VERSION,
                                            "run the release that wrote it: ids are for ever"};

class Directory {
public:
    // Opens, and where `writable` is set creates. The file is sparse: it takes the disk its entries need.
    // Throws what shm/errors.hpp has for what is wrong.
    Directory(std::string path, bool writable) : path_(std::move(path)), writable_(writable) {
        if (writable) create();
        File file;
        DirectoryHeader found;
        auto verdict = open_segment(path_, file, writable ? O_RDWR : O_RDONLY);
        if (verdict.good()) verdict = read_header(file, found, DIRECTORY_KIND);
        if (verdict.good() && (found.entry_bytes != sizeof(DirectoryEntry) || file.size() != DIRECTORY_BYTES))
            verdict = damaged("its header and its length contradict each other");
        if (!verdict.good()) raise(path_, verdict);
        mapping_ = Mapping(file, DIRECTORY_BYTES, writable, /*populate=*/false);
        header_ = mapping_.as<DirectoryHeader>();
        entries_ = mapping_.as<DirectoryEntry>(sizeof(DirectoryHeader));
        refresh();
        if (writable) cut_lost_entries();
    }

    // Takes in what others appended. Returns how many entries are known now.
    std::uint32_t refresh() {
        const auto count =
            load(header_->count, std::memory_order_acquire);  // SYNC directory.append: pairs with Directory::add()
        for (; known_ < std::min(count, DIRECTORY_CAPACITY) && entries_[known_].id == known_ + 1; ++known_)
            index_.emplace(key(entries_[known_].source, entries_[known_].venue_symbol), known_ + 1);
        return known_;
    }

    // 0 where it is not there. O(1); allocates nothing.
    [[nodiscard]] std::uint32_t find(std::uint16_t source, std::string_view venue_symbol) const noexcept {
        const auto found = index_.find(View{source, venue_symbol});
        return found == index_.end() ? 0 : found->second;
    }
    [[nodiscard]] std::uint32_t size() const noexcept { return known_; }
    [[nodiscard]] const DirectoryEntry* get(std::uint32_t id) const noexcept {
        return id >= 1 && id <= known_ ? &entries_[id - 1] : nullptr;
    }
    [[nodiscard]] std::uint16_t source_count() const noexcept {
        return static_cast<std::uint16_t>(
            load(header_->source_count, std::memory_order_acquire));  // SYNC directory.source: pairs with add_source()
    }
    [[nodiscard]] std::string source_name(std::uint16_t id) const {
        return id >= 1 && id <= source_count() ? std::string(header_->sources[id - 1]) : std::string();
    }
    [[nodiscard]] std::uint16_t source_id(std::string_view name) const {
        for (std::uint16_t id = 1; id <= source_count(); ++id)
            if (name == header_->sources[id - 1]) return id;
        return 0;
    }

    std::uint16_t add_source(const std::string& name) {
        const Lock lock(*this);
        if (const auto id = source_id(name); id != 0) return id;
        if (name.empty() || name.size() >= sizeof header_->sources[0])
            throw std::invalid_argument("source name must have 1 to 47 characters, got '" + name + "'");
        const auto count = load(header_->source_count, std::memory_order_relaxed);
        if (count >= SOURCE_CAPACITY) throw std::length_error("the instrument directory holds at most 64 sources");
        alignas(8) char text[sizeof header_->sources[0]] = {};
        std::memcpy(text, name.c_str(), name.size());
        store_words(header_->sources[count], text, sizeof text / 8);
        sync();
        FH_POINT("directory.source_written");
        store(header_->source_count, count + 1, std::memory_order_release);  // SYNC directory.source: name before count
        FH_POINT("directory.source_counted");
        return static_cast<std::uint16_t>(count + 1);
    }

    // The id of (source, venue_symbol): the one it has, or a new one. What an existing entry says stays.
    std::uint32_t add(DirectoryEntry entry) {
        const Lock lock(*this);
        refresh();
        if (const auto id = find(entry.source, entry.venue_symbol); id != 0) return id;
        const auto count = load(header_->count, std::memory_order_relaxed);
        if (count >= DIRECTORY_CAPACITY) throw std::length_error("the instrument directory is full");
        entry.id = count + 1;
        FH_POINT("directory.locked");
        store_words(&entries_[count], &entry, sizeof entry / 8);
        FH_POINT("directory.written");
        unsynced_ = true;
        store(header_->count, count + 1, std::memory_order_release);  // SYNC directory.append: entry before count
        FH_POINT("directory.counted");
        refresh();
        return entry.id;
    }

    // Makes all entries durable; called once after a run of add().
    void sync() {
        if (::msync(mapping_.as<void>(), DIRECTORY_BYTES, MS_SYNC) != 0) fail("syncing " + path_);
        unsynced_ = false;
    }

private:
    struct View {
        std::uint16_t source;
        std::string_view symbol;
    };
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(const View& view) const noexcept {
            return std::hash<std::string_view>{}(view.symbol) * 31 + view.source;
        }
        std::size_t operator()(const std::pair<std::uint16_t, std::string>& k) const noexcept {
            return (*this)(View{k.first, k.second});
        }
    };
    struct Equal {
        using is_transparent = void;
        bool operator()(const std::pair<std::uint16_t, std::string>& a,
                        const std::pair<std::uint16_t, std::string>& b) const noexcept {
            return a == b;
        }
        bool operator()(const View& a, const std::pair<std::uint16_t, std::string>& b) const noexcept {
            return a.source == b.first && a.symbol == b.second;
        }
        bool operator()(const std::pair<std::uint16_t, std::string>& a, const View& b) const noexcept {
            return (*this)(b, a);
        }
    };
    // One writer at a time, by a lock on the file beside it; readers never lock.
    struct Lock {
        explicit Lock(const Directory& directory) : file(File::open(directory.path_ + ".lock", O_RDWR | O_CREAT)) {
            if (!directory.writable_) throw std::logic_error("the instrument directory was opened for reading");
            if (!file.ok() || !lock_within(file, DIRECTORY_LOCK_NS)) fail("locking " + directory.path_ + ".lock");
        }
        File file;
    };

    static std::pair<std::uint16_t, std::string> key(std::uint16_t source, const char* symbol) {
        return {source, symbol};
    }

    // Entries whose bytes a power loss took: nobody can have used their ids, for all readers stop there too.
    void cut_lost_entries() {
        const Lock lock(*this);
        if (const auto known = refresh(); known < load(header_->count, std::memory_order_relaxed))
            store(header_->count, known, std::memory_order_release);  // SYNC directory.append: back to what is there
    }

    void create() {
        const File lock = File::open(path_ + ".lock", O_RDWR | O_CREAT);
        if (!lock.ok() || !lock_within(lock, DIRECTORY_LOCK_NS)) fail("locking " + path_ + ".lock");
        if (const File there = File::open(path_, O_RDONLY); there.ok()) return;
        const std::string draft = path_ + ".new";
        const File file = File::open(draft, O_RDWR | O_CREAT | O_TRUNC);
        if (!file.ok() || ::ftruncate(file.fd(), static_cast<off_t>(DIRECTORY_BYTES)) != 0) fail("creating " + draft);
        const Mapping mapping(file, sizeof(DirectoryHeader), true);
        auto* header = mapping.as<DirectoryHeader>();
        header->magic = DIRECTORY_MAGIC;
        header->version = LAYOUT_VERSION;
        header->entry_bytes = sizeof(DirectoryEntry);
        header->capacity = DIRECTORY_CAPACITY;
        header->source_capacity = SOURCE_CAPACITY;
        if (::fsync(file.fd()) != 0) fail("syncing " + draft);
        FH_POINT("directory.ready");
        publish_by_rename(draft, path_);
        FH_POINT("directory.renamed");
    }

    std::string path_;
    bool writable_;
    Mapping mapping_;
    DirectoryHeader* header_ = nullptr;
    DirectoryEntry* entries_ = nullptr;
    std::uint32_t known_ = 0;
    bool unsynced_ = false;
    std::unordered_map<std::pair<std::uint16_t, std::string>, std::uint32_t, Hash, Equal> index_;
};

}  // namespace fh
