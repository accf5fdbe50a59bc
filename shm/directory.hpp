// The instrument directory: (source, venue symbol) -> id, append-only, one mapped file on disk that
// every process shares. Ids are stable across restarts; an id is its entry's position, from 1.
//
// Invariant: entries [0, count) are complete and never change; `count` is stored last, with release, so a
// process killed in the middle of an append leaves the directory as it was. sync() makes a run of appends
// durable. A power loss before it may keep the count and lose entries or parts of them: such an entry contradicts its
// checksum. Readers stop there, and the next writer cuts there, unless it had been durable: then the file is damaged.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "shm/atomics.hpp"
#include "shm/directory_index.hpp"
#include "shm/directory_layout.hpp"
#include "shm/placement.hpp"

namespace fh {

// One thread.
class Directory {
public:
    // Opens, and where `writable` is set creates. The file is sparse, and takes its disk 1,024 entries at a time.
    // Throws what shm/errors.hpp has for what is wrong.
    // Of `placement` it takes owner, group and mode: it lies on disk and is not read on the data path.
    Directory(std::string path, bool writable, const Placement& placement = {})
        : path_(std::move(path)), writable_(writable) {
        if (writable) create(placement);
        if (const auto verdict = open_directory(path_, writable, file_, version_); !verdict.good())
            raise(path_, verdict);
        if (writable) take_disk(0);
        if (writable) hand_over_kept(file_, path_, placement, placement.file_mode(), /*made_now=*/false);
        mapping_ = Mapping(file_, DIRECTORY_BYTES, writable, /*populate=*/false);
        header_ = mapping_.as<DirectoryHeader>();
        entries_ = mapping_.as<DirectoryEntry>(sizeof(DirectoryHeader));
        refresh();
        refuse_damage();
        if (writable) cut_lost_entries();
    }

    // Takes in what others appended. Returns how many entries are known now.
    std::uint32_t refresh() {
        const auto count =
            load(header_->count, std::memory_order_acquire);  // SYNC directory.append: pairs with Directory::append()
        for (; known_ < std::min(count, DIRECTORY_CAPACITY) && whole(entries_[known_], known_ + 1, version_); ++known_)
            index_.add(entries_, known_ + 1);
        return known_;
    }

    // By (source, venue symbol): 0 where it is not there. O(1); allocates nothing.
    [[nodiscard]] std::uint32_t find(std::uint16_t source, std::string_view venue_symbol) const noexcept {
        return index_.find(entries_, source, venue_symbol);
    }
    // By normalized symbol: the first of all sources, in the order of ids; 0 where there is none. O(1) each.
    [[nodiscard]] std::uint32_t first_of(std::string_view symbol) const noexcept {
        return index_.first_of(entries_, symbol);
    }
    // The next id of the same normalized symbol; 0 behind the last.
    [[nodiscard]] std::uint32_t next_of(std::uint32_t id) const noexcept { return index_.next_of(id); }
    [[nodiscard]] std::uint32_t size() const noexcept { return known_; }
    // By id: null where it is unknown. Valid as long as this object is.
    [[nodiscard]] const DirectoryEntry* get(std::uint32_t id) const noexcept {
        return id >= 1 && id <= known_ ? &entries_[id - 1] : nullptr;
    }

    [[nodiscard]] std::uint16_t source_count() const noexcept {
        const auto count =
            load(header_->source_count, std::memory_order_acquire);  // SYNC directory.source: pairs with add_source()
        return static_cast<std::uint16_t>(std::min(count, SOURCE_CAPACITY));
    }
    // Empty where it is unknown. UTF-8, unless somebody spoiled the file.
    [[nodiscard]] std::string source_name(std::uint16_t id) const {
        return id >= 1 && id <= source_count() ? std::string(text_of(header_->sources[id - 1])) : std::string();
    }
    [[nodiscard]] std::uint16_t source_id(std::string_view name) const noexcept {
        for (std::uint16_t id = 1; id <= source_count(); ++id)
            if (name == text_of(header_->sources[id - 1])) return id;
        return 0;
    }

    // The id of a source: the one it has, or a new one, durable on return. Throws SegmentFull beyond 64.
    std::uint16_t add_source(const std::string& name) {
        const Lock lock(*this);
        if (const auto id = source_id(name); id != 0) return id;
        if (name.empty() || name.size() >= sizeof header_->sources[0])
            throw std::invalid_argument("source name must have 1 to 47 characters, got '" + name + "'");
        const auto count = load(header_->source_count, std::memory_order_relaxed);
        if (count >= SOURCE_CAPACITY) throw SegmentFull(path_, "it holds at most 64 sources");
        alignas(8) char text[sizeof header_->sources[0]] = {};
        std::memcpy(text, name.c_str(), name.size());
        store_words(header_->sources[count], text, sizeof text / 8);
        flush();
        FH_POINT("directory.source_written");
        store(header_->source_count, count + 1, std::memory_order_release);  // SYNC directory.source: name before count
        FH_POINT("directory.source_counted");
        return static_cast<std::uint16_t>(count + 1);
    }

    // The id of (source, venue_symbol): the one it has, or a new one. What an existing entry says stays.
    std::uint32_t add(const DirectoryEntry& entry) {
        std::uint32_t id = 0;
        add_many({&entry, 1}, &id);
        return id;
    }

    // As add() for many at once, under one lock: ids[i] is that of wanted[i]. All of the new ones are there or none,
    // whenever the process dies. Throws SegmentFull or SegmentSpace before the first is written.
    void add_many(std::span<const DirectoryEntry> wanted, std::uint32_t* ids) {
        for (const auto& entry : wanted) check_texts(entry);
        const Lock lock(*this);
        const auto count = refresh();
        if (count != load(header_->count, std::memory_order_relaxed))
            throw SegmentDamaged(path_, "entry " + std::to_string(count + 1) + " is torn; restart its writers");
        std::vector<DirectoryEntry> fresh;
        DirectoryIndex in_batch;
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            const auto symbol = text_of(wanted[i].venue_symbol);
            if (ids[i] = find(wanted[i].source, symbol); ids[i] != 0) continue;
            auto place = in_batch.find(fresh.data(), wanted[i].source, symbol);
            if (place == 0) {
                fresh.push_back(wanted[i]);
                place = static_cast<std::uint32_t>(fresh.size());
                in_batch.add(fresh.data(), place);
            }
            ids[i] = count + place;
        }
        if (!fresh.empty()) append(fresh, count);
    }

    // Makes all entries durable; called once after a run of appends, before anybody uses their ids.
    void sync() {
        const Lock lock(*this);
        const auto count = refresh();
        flush();
        store(header_->durable, count, std::memory_order_relaxed);
        flush();
    }

private:
    // One writer at a time, by a lock on the file beside it; readers never lock.
    struct Lock {
        explicit Lock(const Directory& directory) : Lock(directory.path_) {
            if (!directory.writable_) throw std::logic_error("the instrument directory was opened for reading");
        }
        explicit Lock(const std::string& path, const Placement& placement = {}) {
            bool made = false;
            file = open_kept(path + ".lock", made);
            if (!file.ok()) fail_segment(path + ".lock", "opening it");
            hand_over_kept(file, path + ".lock", placement, placement.file_mode(), made);
            if (!lock_within(file, DIRECTORY_LOCK_NS))
                throw SegmentBusy(path, "somebody has held its lock for 10 s; stop who that is", 0);
        }
        File file;
    };
    friend std::uint32_t upgrade_directory(const std::string& path);

    static void check_texts(const DirectoryEntry& entry) {
        const auto ends = [](const auto& field) { return text_of(field).size() < sizeof field; };
        if (!ends(entry.venue_symbol) || !ends(entry.symbol) || !ends(entry.currency) || !ends(entry.calendar))
            throw std::invalid_argument("a text of an instrument is too long: it must end with a zero byte");
    }

    // Behind `count` entries, in one step for readers.
    void append(std::vector<DirectoryEntry>& fresh, std::uint32_t count) {
        if (fresh.size() > DIRECTORY_CAPACITY - count)
            throw SegmentFull(path_, "it holds " + std::to_string(count) + " instruments of at most " +
                                         std::to_string(DIRECTORY_CAPACITY) + ": no room for " +
                                         std::to_string(fresh.size()) + " more");
        const auto end = count + static_cast<std::uint32_t>(fresh.size());
        take_disk(end);
        FH_POINT("directory.locked");
        for (auto id = count + 1; id <= end; ++id) {
            auto& entry = fresh[id - count - 1];
            entry.id = id;
            entry.reserved = 0;
            std::fill(std::begin(entry.spare), std::end(entry.spare), '\0');
            entry.check = check_of(entry);
            store_words(&entries_[id - 1], &entry, sizeof entry / 8);
        }
        FH_POINT("directory.written");
        store(header_->count, end, std::memory_order_release);  // SYNC directory.append: entries before count
        FH_POINT("directory.counted");
        refresh();
    }

    // A store into a hole of the file, on a disk that is full by then, would be SIGBUS: here it is SegmentSpace.
    void take_disk(std::uint32_t entries) {
        if (entries < taken_) return;
        const auto wanted = std::min((entries / DIRECTORY_GROWTH + 1) * DIRECTORY_GROWTH, DIRECTORY_CAPACITY);
        const auto end_of = [](std::uint32_t n) { return sizeof(DirectoryHeader) + n * sizeof(DirectoryEntry); };
        const auto from = taken_ == 0 ? 0 : end_of(taken_);
        allocate(file_, end_of(wanted) - from, path_, from);
        taken_ = wanted;
    }

    void flush() {
        if (::msync(mapping_.as<void>(), DIRECTORY_BYTES, MS_SYNC) != 0) fail_segment(path_, "syncing it");
    }

    void refuse_damage() const {
        const auto durable = std::min(load(header_->durable, std::memory_order_relaxed),
                                      load(header_->count, std::memory_order_relaxed));
        if (version_ == DIRECTORY_VERSION_UNCHECKED || known_ >= durable) return;
        raise(path_, damaged("entry " + std::to_string(known_ + 1) + " of " + std::to_string(durable) +
                             " contradicts its checksum; put back a copy: ids are for ever"));
    }

    // Entries whose bytes a power loss took: nobody can have used their ids, for all readers stop there too.
    void cut_lost_entries() {
        const Lock lock(*this);
        if (const auto known = refresh(); known < load(header_->count, std::memory_order_relaxed))
            store(header_->count, known, std::memory_order_release);  // SYNC directory.append: back to what is there
    }

    void create(const Placement& placement) {
        const Lock lock(path_, placement);
        if (const File there = File::open(path_, O_RDONLY | O_NONBLOCK); there.ok()) return;
        const std::string draft = path_ + ".new";
        const File file = File::open(draft, O_RDWR | O_CREAT | O_TRUNC, 0600);
        if (!file.ok()) fail_segment(draft, "creating it");
        allocate(file, sizeof(DirectoryHeader), path_);
        if (::ftruncate(file.fd(), static_cast<off_t>(DIRECTORY_BYTES)) != 0) fail_segment(draft, "creating it");
        const Mapping mapping(file, sizeof(DirectoryHeader), true);
        auto* header = mapping.as<DirectoryHeader>();
        header->magic = DIRECTORY_MAGIC;
        header->version = DIRECTORY_VERSION;
        header->entry_bytes = sizeof(DirectoryEntry);
        header->capacity = DIRECTORY_CAPACITY;
        header->source_capacity = SOURCE_CAPACITY;
        if (::fsync(file.fd()) != 0) fail_segment(draft, "syncing it");
        hand_over(file, draft, placement, placement.file_mode());
        FH_POINT("directory.ready");
        publish_by_rename(draft, path_);
        FH_POINT("directory.renamed");
    }

    std::string path_;
    bool writable_;
    std::uint32_t version_ = 0;
    std::uint32_t taken_ = 0;  // entries whose disk this object has seen to
    File file_;
    Mapping mapping_;
    DirectoryHeader* header_ = nullptr;
    DirectoryEntry* entries_ = nullptr;
    std::uint32_t known_ = 0;
    DirectoryIndex index_;
};

}  // namespace fh
