// Measures a flow as it was generated: nothing here reads the model's constants.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "feedhandler/native/sim_model.hpp"

namespace fh::sim {

class Character {
public:
    static constexpr std::size_t SPREAD_MAX = 9;  // the last bucket also holds everything wider

    std::uint64_t events = 0;
    std::uint64_t entries = 0;
    std::uint64_t trades = 0;
    std::uint64_t deletes = 0;
    std::uint64_t bbo_changes = 0;
    std::uint64_t crossed = 0;
    std::uint64_t misfits = 0;
    std::uint64_t bursts = 0;
    std::uint64_t spreads[SPREAD_MAX + 1] = {};  // events after which the spread was that many ticks
    std::int64_t last_ns = 0;

    Character(const std::vector<ModelSymbol>& symbols, bool by_id)
        : symbols_(symbols),
          books_(symbols.size(), Book(by_id)),
          outside_(symbols.size()),
          inside_(symbols.size()),
          burst_ns_(symbols.size()) {}

    void opening(const Batch& batch) {
        for (const Event& event : batch.events) apply(batch, event);
    }

    // `burst` is the model's burst of the period these events belong to.
    void add(const Batch& batch, const Event& event, const Burst& burst) {
        const Book& book = books_[event.instrument];
        const Best bid = book.bids().best();
        const Best ask = book.asks().best();
        apply(batch, event);
        ++events;
        entries += event.count;
        bbo_changes += bid != book.bids().best() || ask != book.asks().best() ? 1U : 0U;
        crossed += book.crossed() ? 1U : 0U;
        const auto ticks = (book.asks().best().price - book.bids().best().price) / symbols_[event.instrument].tick;
        ++spreads[static_cast<std::size_t>(std::clamp<std::int64_t>(ticks, 0, SPREAD_MAX))];
        last_ns = event.offset_ns;
        note_burst(event, burst);
    }

    double busiest_share() const {
        std::vector<std::uint64_t> totals(outside_.size());
        for (std::size_t i = 0; i < totals.size(); ++i) totals[i] = outside_[i] + inside_[i];
        std::sort(totals.begin(), totals.end(), std::greater<>());
        const auto top = totals.begin() + static_cast<std::ptrdiff_t>(busiest_count(totals.size()));
        return static_cast<double>(std::accumulate(totals.begin(), top, std::uint64_t{0})) /
               static_cast<double>(std::max<std::uint64_t>(entries, 1));
    }

    // Rate of the bursting symbols inside their bursts over the rate of the same symbols outside. 0 = no burst seen.
    double burst_factor() const {
        double inside = 0.0;
        double expected = 0.0;
        for (std::size_t i = 0; i < inside_.size(); ++i) {
            const std::int64_t quiet_ns = last_ns - burst_ns_[i];
            if (burst_ns_[i] == 0 || quiet_ns <= 0) continue;
            inside += static_cast<double>(inside_[i]);
            expected +=
                static_cast<double>(outside_[i]) * static_cast<double>(burst_ns_[i]) / static_cast<double>(quiet_ns);
        }
        return expected > 0.0 ? inside / expected : 0.0;
    }

private:
    void apply(const Batch& batch, const Event& event) {
        for (std::uint32_t i = 0; i < event.count; ++i) {
            const Entry& entry = batch.entries[event.first + i];
            misfits += books_[event.instrument].apply(entry) ? 0U : 1U;
            if (event.kind == EventKind::snapshot) continue;
            trades += entry.type == EntryType::trade ? 1U : 0U;
            deletes += entry.action == EntryAction::remove ? 1U : 0U;
        }
    }

    void note_burst(const Event& event, const Burst& burst) {
        const bool running =
            !burst.group.empty() && event.offset_ns >= burst.from_ns && event.offset_ns < burst.until_ns;
        if (running && burst.from_ns != noted_from_) {
            noted_from_ = burst.from_ns;
            ++bursts;
            for (const std::size_t symbol : burst.group) burst_ns_[symbol] += burst.until_ns - burst.from_ns;
        }
        const bool member =
            running && std::find(burst.group.begin(), burst.group.end(), event.instrument) != burst.group.end();
        (member ? inside_ : outside_)[event.instrument] += event.count;
    }

    std::vector<ModelSymbol> symbols_;
    std::vector<Book> books_;
    std::vector<std::uint64_t> outside_;
    std::vector<std::uint64_t> inside_;
    std::vector<std::int64_t> burst_ns_;
    std::int64_t noted_from_ = -1;
};

// Generates that much flow and measures it.
inline Character measure(const ModelOptions& options, const std::vector<ModelSymbol>& symbols, double seconds) {
    Model model(options, symbols);
    Character character(symbols, options.by_id);
    Batch batch;
    model.opening(batch);
    character.opening(batch);
    while (static_cast<double>(character.last_ns) < seconds * 1e9) {
        batch.clear();
        const Burst burst = model.activity().burst();
        model.append(batch, 1);
        character.add(batch, batch.events.front(), burst);
    }
    return character;
}

}  // namespace fh::sim
