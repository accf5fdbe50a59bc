// The order-flow model: seeded, deterministic, open-ended. It keeps books of its own and writes events that fit them.
//
// What it holds to (measured by Character, checked by tests):
// - never crossed after any event; at least MIN_QUOTES quotes a side;
// - deletes : trades = CANCELS_PER_TRADE, steered; a trade takes from the best price in its own event;
// - mids revert to each symbol's own base; spreads are drawn from SPREADS and widen when a trade takes a level;
// - about four entries an event, most of them behind the best price.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "feedhandler/native/sim_activity.hpp"
#include "feedhandler/native/sim_book.hpp"
#include "feedhandler/native/sim_random.hpp"
#include "feedhandler/native/sim_script.hpp"

namespace fh::sim {

struct ModelSymbol {
    std::int64_t base_ticks = 0;  // where the mid returns to
    std::int64_t tick = 1;        // in units of the price's last decimal
    std::int64_t lot = 1;         // in units of the size's last decimal
};

struct ModelOptions {
    std::uint64_t seed = 1;
    double rate = 0.0;  // entries a second
    std::uint32_t levels = 10;
    bool by_id = false;
    std::int64_t burst_period_ns = 10'000'000'000;  // 0 = no bursts
};

class Model {
public:
    static constexpr double CANCELS_PER_TRADE = 10.0;
    static constexpr std::size_t MIN_QUOTES = 3;
    static constexpr std::int64_t BASE_TICKS_MIN = 1'000;  // far above what the mid wanders and the book reaches down
    static constexpr std::uint64_t FIRST_QUOTE_ID = 1'000'000'000;

    Model(const ModelOptions& options, const std::vector<ModelSymbol>& symbols)
        : options_(checked(options, symbols)),
          random_(options.seed),
          activity_(symbols.size(), options.burst_period_ns, random_) {
        for (const ModelSymbol& symbol : symbols) {
            State state{symbol, Book(options.by_id)};
            state.fair = static_cast<double>(symbol.base_ticks) + 4.0 * random_.normal();
            state.spread = draw_spread();
            states_.push_back(std::move(state));
        }
    }

    const Activity& activity() const noexcept { return activity_; }
    std::size_t symbols() const noexcept { return states_.size(); }

    // Books before the flow: one snapshot event a symbol, at offset 0. Call once, first.
    void opening(Batch& batch) {
        for (std::size_t symbol = 0; symbol < states_.size(); ++symbol) {
            begin(batch, symbol, 0);
            batch.events.back().kind = EventKind::snapshot;
            State& state = states_[symbol];
            const auto bid = best_target(state);
            for (const EntryType side : {EntryType::bid, EntryType::ask}) {
                std::int64_t price = side == EntryType::bid ? bid : bid + state.spread;
                for (std::uint32_t level = 0; level < options_.levels; ++level) {
                    add(side, price);
                    price += away(side) * static_cast<std::int64_t>(1 + random_.geometric(0.25, 4));
                }
            }
            end();
        }
        deletes_ = trades_ = 0;
    }

    void append(Batch& batch, std::size_t events) {
        for (std::size_t i = 0; i < events; ++i) append_one(batch);
    }

private:
    struct State {
        ModelSymbol symbol;
        Book book;
        double fair = 0.0;
        std::int64_t spread = 1;
    };

    static const ModelOptions& checked(const ModelOptions& options, const std::vector<ModelSymbol>& symbols) {
        if (symbols.empty()) throw std::invalid_argument("model: no instruments");
        if (!(options.rate > 0.0)) throw std::invalid_argument("model: rate must be above 0");
        if (options.levels < MIN_QUOTES || options.levels > 200)
            throw std::invalid_argument("model: levels must be 3 to 200");
        if (options.burst_period_ns != 0 && options.burst_period_ns < Activity::SECOND)
            throw std::invalid_argument("model: bursts cannot come more often than every second");
        for (const ModelSymbol& symbol : symbols)
            if (symbol.base_ticks < BASE_TICKS_MIN || symbol.tick < 1 || symbol.lot < 1)
                throw std::invalid_argument("model: base price below 1000 ticks, or tick or lot below 1");
        return options;
    }

    void append_one(Batch& batch) {
        const std::size_t symbol = activity_.draw(now_ns_, random_);
        begin(batch, symbol, now_ns_);
        const std::size_t wanted = draw_length();
        move_fair_price();
        const double ratio = static_cast<double>(deletes_ + 1) / (CANCELS_PER_TRADE * static_cast<double>(trades_ + 1));
        const double what = random_.uniform();
        const double trade_chance = 0.085 * std::clamp(ratio * ratio * ratio * ratio, 0.1, 4.0);
        if (what < trade_chance) {
            trade();
        } else if (what < trade_chance + 0.27) {
            requote();
        }
        while (written() < wanted) stir();
        end();
        // The gap is in proportion to what was written, so the rate in entries holds whatever the mix.
        const double gap = random_.exponential() * static_cast<double>(batch_->events.back().count) / options_.rate;
        now_ns_ += static_cast<std::int64_t>(1e9 * gap / activity_.intensity(now_ns_, random_));
    }

    void begin(Batch& batch, std::size_t symbol, std::int64_t offset_ns) {
        batch_ = &batch;
        state_ = &states_[symbol];
        Event event;
        event.offset_ns = offset_ns;
        event.first = batch.entries.size();
        event.instrument = static_cast<std::uint32_t>(symbol);
        batch.events.push_back(event);
    }
    void end() noexcept { batch_->events.back().count = static_cast<std::uint32_t>(written()); }
    std::size_t written() const noexcept { return batch_->entries.size() - batch_->events.back().first; }

    static std::int64_t away(EntryType side) noexcept { return side == EntryType::bid ? -1 : 1; }
    static EntryType opposite(EntryType side) noexcept {
        return side == EntryType::bid ? EntryType::ask : EntryType::bid;
    }
    EntryType any_side() noexcept { return random_.chance(0.5) ? EntryType::bid : EntryType::ask; }
    std::int64_t best_target(const State& state) const noexcept {
        return static_cast<std::int64_t>(std::floor(state.fair - 0.5 * static_cast<double>(state.spread - 1)));
    }
    std::int64_t best_ticks(EntryType side) const noexcept {
        return state_->book.side(side).from_best(0).price / state_->symbol.tick;
    }

    std::int64_t draw_spread() noexcept {
        static constexpr double SPREADS[] = {0.50, 0.26, 0.12, 0.06};  // 1, 2, 3, 4 ticks; the rest 5 to 8
        double point = random_.uniform();
        for (std::int64_t ticks = 1; ticks <= 4; ++ticks)
            if ((point -= SPREADS[ticks - 1]) < 0.0) return ticks;
        return 5 + static_cast<std::int64_t>(random_.below(4));
    }

    std::size_t draw_length() noexcept {
        static constexpr std::uint8_t LENGTHS[] = {1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 5, 5, 6, 6, 8, 8, 10};
        return LENGTHS[random_.below(std::size(LENGTHS))];
    }

    std::int64_t draw_size() noexcept {
        const double lots = random_.chance(0.3) ? 10.0 * static_cast<double>(1 + random_.below(10))
                                                : 1.0 + 12.0 * random_.exponential();
        return static_cast<std::int64_t>(lots) * state_->symbol.lot;
    }

    void move_fair_price() noexcept {
        const auto base = static_cast<double>(state_->symbol.base_ticks);
        state_->fair += 0.0005 * (base - state_->fair) + 0.35 * random_.normal();
    }

    void write(Entry entry) {
        if (entry.type != EntryType::trade) state_->book.apply(entry);
        deletes_ += entry.action == EntryAction::remove ? 1U : 0U;
        trades_ += entry.type == EntryType::trade ? 1U : 0U;
        batch_->entries.push_back(entry);
    }

    // A quote at a price in ticks. A price-keyed book that has the level already sees its size change.
    void add(EntryType side, std::int64_t ticks) {
        Entry entry;
        entry.type = side;
        entry.price = ticks * state_->symbol.tick;
        entry.size = draw_size();
        if (options_.by_id)
            entry.id = next_quote_id_++;
        else if (state_->book.side(side).find_price(entry.price) != BookSide::NONE)
            entry.action = EntryAction::change;
        write(entry);
    }

    void change(EntryType side, std::size_t position, std::int64_t size) {
        const Quote& quote = state_->book.side(side).from_best(position);
        write({quote.price, size, quote.id, side, EntryAction::change});
    }

    void remove(EntryType side, std::size_t position) {
        const Quote& quote = state_->book.side(side).from_best(position);
        write({quote.price, 0, quote.id, side, EntryAction::remove});
    }

    // An aggressor takes the best quote, whole or in part, now and then the next one too.
    void trade() {
        const EntryType hit = any_side();
        const std::uint8_t aggressor = hit == EntryType::ask ? 1 : 2;
        bool more = true;
        while (more && state_->book.side(hit).size() > MIN_QUOTES) {
            const Quote best = state_->book.side(hit).from_best(0);
            const bool whole = best.size <= state_->symbol.lot || random_.chance(0.3);
            const auto lots = best.size / state_->symbol.lot;
            const auto taken =
                static_cast<std::int64_t>(random_.below(static_cast<std::size_t>(std::max<std::int64_t>(lots - 1, 1))));
            const std::int64_t size = whole ? best.size : (1 + taken) * state_->symbol.lot;
            write({best.price, size, next_trade_id_++, EntryType::trade, EntryAction::add, aggressor});
            if (size >= best.size) {
                remove(hit, 0);
            } else {
                change(hit, 0, best.size - size);
            }
            more = size >= best.size && random_.chance(0.25);
        }
    }

    // The best prices go to where the fair price and the spread want them; what stands in the way is cancelled first.
    void requote() {
        if (random_.chance(0.3)) state_->spread = draw_spread();
        const std::int64_t target[] = {best_target(*state_), best_target(*state_) + state_->spread};
        for (const EntryType side : {EntryType::bid, EntryType::ask}) pull_back(side, target[static_cast<int>(side)]);
        for (const EntryType side : {EntryType::bid, EntryType::ask}) {
            const std::int64_t wanted = target[static_cast<int>(side)];
            const std::int64_t other = best_ticks(opposite(side));
            const bool crosses = side == EntryType::bid ? wanted >= other : wanted <= other;
            if (!crosses && best_ticks(side) != wanted && state_->book.side(side).better(wanted, best_ticks(side)))
                add(side, wanted);
        }
        if (written() == 0) change(any_side(), 0, draw_size());
    }

    void pull_back(EntryType side, std::int64_t limit) {
        const BookSide& one = state_->book.side(side);
        for (int pulled = 0; pulled < 3 && one.size() > MIN_QUOTES && one.better(best_ticks(side), limit); ++pulled)
            remove(side, 0);
    }

    // Business behind the best price: sizes change, quotes come and go, the number of levels stays near its target.
    void stir() {
        const EntryType side = any_side();
        const BookSide& one = state_->book.side(side);
        const bool deep = one.size() > options_.levels;
        const double what = random_.uniform();
        const double adding = deep ? 0.12 : 0.36;
        const double removing = deep ? 0.36 : 0.12;
        if (what < adding || one.size() < MIN_QUOTES + 1) {
            add(side, best_ticks(side) +
                          away(side) * static_cast<std::int64_t>(1 + random_.geometric(0.8, 2 * options_.levels)));
        } else if (what < adding + removing) {
            const bool stale = deep && random_.chance(0.5);
            remove(side, stale ? one.size() - 1 : behind_best(one));
        } else if (options_.by_id && random_.chance(0.1)) {
            reprice(side, behind_best(one));
        } else {
            change(side, behind_best(one), draw_size());
        }
    }

    // Only an id-keyed quote can change its price and stay the same quote.
    void reprice(EntryType side, std::size_t position) {
        const Quote& quote = state_->book.side(side).from_best(position);
        const std::int64_t price = quote.price + away(side) * state_->symbol.tick;
        write({price, draw_size(), quote.id, side, EntryAction::change});
    }

    std::size_t behind_best(const BookSide& side) noexcept { return 1 + random_.geometric(0.75, side.size() - 2); }

    ModelOptions options_;
    Random random_;
    Activity activity_;
    std::vector<State> states_;
    State* state_ = nullptr;
    Batch* batch_ = nullptr;
    std::int64_t now_ns_ = 0;
    std::uint64_t next_trade_id_ = 1;
    std::uint64_t next_quote_id_ = FIRST_QUOTE_ID;
    std::uint64_t deletes_ = 0;
    std::uint64_t trades_ = 0;
};

}  // namespace fh::sim
