// The instruments and sources the conflator knows, made from the instrument directory on first sight.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "feedhandler/native/conflate_input.hpp"
#include "feedhandler/native/conflate_state.hpp"

namespace fh {

class Registry {
public:
    // `ring_sources[i]` names the sources that write into `inputs[i]`.
    Registry(const std::string& directory_path, std::vector<std::vector<std::string>> ring_sources, std::size_t depth,
             std::vector<Input>& inputs)
        : directory_(directory_path, false), ring_sources_(std::move(ring_sources)), depth_(depth), inputs_(inputs) {}

    // Takes in what handlers added to the directory.
    void refresh() {
        directory_.refresh();
        for (auto id = static_cast<std::uint16_t>(sources_.size()); id <= directory_.source_count(); ++id) {
            auto state = std::make_unique<SourceState>();
            state->name = directory_.source_name(id);
            state->state_topic.name = "state|*|" + state->name;
            state->tick_topic.name = "tick|*|" + state->name;
            for (std::uint32_t ring = 0; ring < ring_sources_.size(); ++ring) {
                const auto& names = ring_sources_[ring];
                if (std::find(names.begin(), names.end(), state->name) == names.end()) continue;
                state->ring = ring;
                inputs_[ring].sources.push_back(id);
            }
            sources_.push_back(std::move(state));  // index 0 is nobody's
        }
    }

    // Null where the directory does not know it.
    SourceState* source(std::uint16_t id) {
        if (id >= sources_.size()) refresh();
        return id < sources_.size() && id != 0 ? sources_[id].get() : nullptr;
    }
    // A source spoke in this ring, so it is the ring's, whatever the configuration said when we started: a handler
    // may have got it since, or another one have had it. Called for STATE records only.
    void heard_in(std::uint16_t id, std::uint32_t ring) {
        SourceState* state = source(id);
        if (state == nullptr || ring >= inputs_.size()) return;
        auto& own = inputs_[ring].sources;
        if (std::find(own.begin(), own.end(), id) != own.end()) return;
        for (Input& input : inputs_) std::erase(input.sources, id);
        own.push_back(id);
        state->ring = ring;
    }
    InstrumentState* instrument(std::uint32_t id) {
        if (id < instruments_.size() && instruments_[id]) return instruments_[id].get();
        if (directory_.get(id) == nullptr) refresh();
        const DirectoryEntry* entry = directory_.get(id);
        if (entry == nullptr) return nullptr;
        if (id >= instruments_.size()) instruments_.resize(id + 1);
        instruments_[id] = std::make_unique<InstrumentState>(*entry, directory_.source_name(entry->source), depth_);
        return instruments_[id].get();
    }

    // Calls visit(state) for every instrument in the directory whose source writes into the ring.
    template <class Visit>
    void each_of_ring(std::uint32_t ring, Visit visit) {
        for (std::uint32_t id = 1; id <= directory_.size(); ++id) {
            const SourceState* owner = source(directory_.get(id)->source);
            if (owner == nullptr || owner->ring != ring) continue;
            if (InstrumentState* state = instrument(id); state != nullptr) visit(*state);
        }
    }

    [[nodiscard]] std::vector<std::unique_ptr<InstrumentState>>& instruments() noexcept { return instruments_; }
    [[nodiscard]] const std::vector<std::unique_ptr<SourceState>>& sources() const noexcept { return sources_; }

private:
    Directory directory_;
    std::vector<std::vector<std::string>> ring_sources_;
    std::size_t depth_;
    std::vector<Input>& inputs_;
    std::vector<std::unique_ptr<InstrumentState>> instruments_;
    std::vector<std::unique_ptr<SourceState>> sources_;
};

}  // namespace fh
