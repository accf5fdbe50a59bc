// Instruments by symbol: what an engine asks of the directory. Read-only; follows what is appended.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shm/directory.hpp"

namespace fh {

// One thread. Ids are stable for ever; string views are valid as long as this object is.
class Symbols {
public:
    // `path` is usually `<state_dir>/instruments.dir`. It need not be there yet.
    // Throws std::runtime_error where the file there is of another version.
    explicit Symbols(std::string path) : path_(std::move(path)) { refresh(); }

    // Takes in what was appended since; returns how many instruments are known. Costs two loads where nothing was.
    std::uint32_t refresh() {
        if (!directory_.has_value()) {
            if (::access(path_.c_str(), F_OK) != 0) return 0;
            directory_.emplace(path_, /*writable=*/false);
        }
        return directory_->refresh();
    }

    // All instruments of this symbol, normalized ("EUR/USD") or the venue's own ("EURUSD"); of one source where it is
    // named. In the order of ids; empty where there is none yet.
    [[nodiscard]] std::vector<std::uint32_t> find(std::string_view symbol, std::string_view source = {}) const {
        std::vector<std::uint32_t> ids;
        if (!directory_.has_value()) return ids;
        const auto only = source.empty() ? std::uint16_t{0} : directory_->source_id(source);
        if (!source.empty() && only == 0) return ids;
        for (auto id = directory_->first_of(symbol); id != 0; id = directory_->next_of(id))
            if (only == 0 || directory_->get(id)->source == only) ids.push_back(id);
        const auto last = only == 0 ? directory_->source_count() : only;
        for (auto each = only == 0 ? std::uint16_t{1} : only; each <= last; ++each)
            if (const auto id = directory_->find(each, symbol); id != 0) ids.push_back(id);
        std::sort(ids.begin(), ids.end());
        ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
        return ids;
    }

    [[nodiscard]] std::uint32_t size() const noexcept { return directory_.has_value() ? directory_->size() : 0; }
    // Everything the directory says of an instrument; null where the id is unknown.
    [[nodiscard]] const DirectoryEntry* get(std::uint32_t id) const noexcept {
        return directory_.has_value() ? directory_->get(id) : nullptr;
    }
    [[nodiscard]] std::string_view symbol(std::uint32_t id) const noexcept {
        const auto* entry = get(id);
        return entry == nullptr ? std::string_view() : text_of(entry->symbol);
    }
    [[nodiscard]] std::string source(std::uint32_t id) const {
        const auto* entry = get(id);
        return entry == nullptr ? std::string() : directory_->source_name(entry->source);
    }

private:
    std::string path_;
    std::optional<Directory> directory_;
};

// The instruments that an engine acts on: those of the chosen symbols, also when they join the directory later.
class Watchlist {
public:
    // No symbols: every instrument. `source` empty: of every source.
    explicit Watchlist(std::vector<std::string> symbols = {}, std::string source = {})
        : symbols_(std::move(symbols)), source_(std::move(source)), chosen_(DIRECTORY_CAPACITY + 1) {}

    // Call after Symbols::refresh() where that found new instruments. Returns how many are chosen.
    std::size_t update(const Symbols& symbols) {
        for (const auto& symbol : symbols_)
            for (const auto id : symbols.find(symbol, source_)) choose(id);
        for (; symbols_.empty() && seen_ < symbols.size(); ++seen_)
            if (source_.empty() || symbols.source(seen_ + 1) == source_) choose(seen_ + 1);
        return ids_.size();
    }

    // One load: for every record of a ring.
    [[nodiscard]] bool wants(std::uint32_t instrument) const noexcept {
        return instrument < chosen_.size() && chosen_[instrument] != 0;
    }
    [[nodiscard]] const std::vector<std::uint32_t>& ids() const noexcept { return ids_; }

private:
    void choose(std::uint32_t id) {
        if (wants(id) || id >= chosen_.size()) return;
        chosen_[id] = 1;
        ids_.push_back(id);
    }

    std::vector<std::string> symbols_;
    std::string source_;
    std::uint32_t seen_ = 0;
    std::vector<std::uint8_t> chosen_;
    std::vector<std::uint32_t> ids_;
};

}  // namespace fh
