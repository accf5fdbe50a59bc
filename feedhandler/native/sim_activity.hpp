// Who trades how much, and when: Zipf-like activity whose busiest 5 % carry half of the flow, and tenfold bursts.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "feedhandler/native/sim_random.hpp"

namespace fh::sim {

// How many symbols are "the busiest 5 %": at least one.
inline std::size_t busiest_count(std::size_t symbols) noexcept { return std::max<std::size_t>(1, (symbols + 10) / 20); }

// Rank weights r^-s, r = 1..n, adding up to 1, with s chosen so that the busiest 5 % carry half. One symbol carries
// all.
inline std::vector<double> activity_by_rank(std::size_t symbols) {
    std::vector<double> weights(symbols, 1.0);
    const std::size_t top = busiest_count(symbols);
    double low = 0.0;
    double high = 8.0;
    for (int step = 0; step < 60; ++step) {
        const double exponent = 0.5 * (low + high);
        double all = 0.0;
        double busiest = 0.0;
        for (std::size_t rank = 0; rank < symbols; ++rank) {
            weights[rank] = std::pow(static_cast<double>(rank + 1), -exponent);
            all += weights[rank];
            if (rank < top) busiest += weights[rank];
        }
        for (double& weight : weights) weight /= all;
        (busiest / all < 0.5 ? low : high) = exponent;
    }
    return weights;
}

// Walker's alias table: one draw from fixed weights in constant time.
class AliasTable {
public:
    explicit AliasTable(const std::vector<double>& weights) : keep_(weights.size(), 1.0), other_(weights.size()) {
        const double n = static_cast<double>(weights.size());
        std::vector<std::size_t> small;
        std::vector<std::size_t> large;
        std::vector<double> scaled(weights);
        for (std::size_t i = 0; i < weights.size(); ++i) {
            other_[i] = i;
            scaled[i] *= n;
            (scaled[i] < 1.0 ? small : large).push_back(i);
        }
        while (!small.empty() && !large.empty()) {
            const std::size_t less = small.back();
            const std::size_t more = large.back();
            small.pop_back();
            keep_[less] = scaled[less];
            other_[less] = more;
            scaled[more] -= 1.0 - scaled[less];
            if (scaled[more] < 1.0) {
                large.pop_back();
                small.push_back(more);
            }
        }
    }

    std::size_t draw(Random& random) const noexcept {
        const std::size_t i = random.below(keep_.size());
        return random.chance(keep_[i]) ? i : other_[i];
    }

private:
    std::vector<double> keep_;
    std::vector<std::size_t> other_;
};

// One second in each period, a group of symbols is ten times as active as outside it. What the burst adds is taken
// from the whole period evenly, so that every full period carries the same total.
struct Burst {
    std::int64_t period_start_ns = 0;
    std::int64_t from_ns = 0;
    std::int64_t until_ns = 0;
    double share = 0.0;              // of the flow outside the burst
    std::vector<std::size_t> group;  // symbols
    std::vector<double> cumulative;  // within the group
};

class Activity {
public:
    static constexpr double FACTOR = 10.0;
    static constexpr std::int64_t SECOND = 1'000'000'000;
    static constexpr double SHARE_MAX = 0.05;  // a larger group would make the burst a change of the total rate

    Activity(std::size_t symbols, std::int64_t period_ns, Random& random)
        : period_ns_(period_ns), symbol_of_rank_(symbols), weights_(symbols), alias_(std::vector<double>{1.0}) {
        std::iota(symbol_of_rank_.begin(), symbol_of_rank_.end(), std::size_t{0});
        for (std::size_t i = symbols; i > 1; --i) std::swap(symbol_of_rank_[i - 1], symbol_of_rank_[random.below(i)]);
        const auto by_rank = activity_by_rank(symbols);
        for (std::size_t rank = 0; rank < symbols; ++rank) weights_[symbol_of_rank_[rank]] = by_rank[rank];
        alias_ = AliasTable(weights_);
        if (period_ns_ > 0) plan(0, random);
    }

    const std::vector<double>& weights() const noexcept { return weights_; }
    const Burst& burst() const noexcept { return burst_; }

    // Total activity at that moment; its mean over a period is 1.
    double intensity(std::int64_t offset_ns, Random& random) {
        if (period_ns_ <= 0) return 1.0;
        if (offset_ns >= burst_.period_start_ns + period_ns_) plan(offset_ns - offset_ns % period_ns_, random);
        const double extra = (FACTOR - 1.0) * burst_.share;
        const double base = 1.0 / (1.0 + extra * static_cast<double>(SECOND) / static_cast<double>(period_ns_));
        return bursting(offset_ns) ? base * (1.0 + extra) : base;
    }

    std::size_t draw(std::int64_t offset_ns, Random& random) const noexcept {
        const double extra = (FACTOR - 1.0) * burst_.share;
        if (bursting(offset_ns) && random.chance(extra / (1.0 + extra))) {
            const double point = random.uniform() * burst_.cumulative.back();
            const auto at = std::upper_bound(burst_.cumulative.begin(), burst_.cumulative.end(), point);
            const auto last = static_cast<std::ptrdiff_t>(burst_.group.size()) - 1;
            return burst_.group[static_cast<std::size_t>(std::min(at - burst_.cumulative.begin(), last))];
        }
        return alias_.draw(random);
    }

private:
    bool bursting(std::int64_t offset_ns) const noexcept {
        return period_ns_ > 0 && offset_ns >= burst_.from_ns && offset_ns < burst_.until_ns;
    }

    // Neighbours in rank burst together. Groups too heavy are drawn again; the quietest are the last resort.
    void plan(std::int64_t period_start_ns, Random& random) {
        const std::size_t symbols = weights_.size();
        const std::size_t members = std::max<std::size_t>(1, symbols / 100);
        std::size_t first = random.below(symbols - members + 1);
        for (int attempt = 0; attempt < 8 && share_of(first, members) > SHARE_MAX; ++attempt)
            first = random.below(symbols - members + 1);
        if (share_of(first, members) > SHARE_MAX) first = symbols - members;
        burst_.period_start_ns = period_start_ns;
        const auto latest = static_cast<double>(std::max<std::int64_t>(period_ns_ - SECOND, 0));
        burst_.from_ns = period_start_ns + static_cast<std::int64_t>(random.uniform() * latest);
        burst_.until_ns = burst_.from_ns + SECOND;
        burst_.share = share_of(first, members);
        burst_.group.clear();
        burst_.cumulative.clear();
        double sum = 0.0;
        for (std::size_t rank = first; rank < first + members; ++rank) {
            burst_.group.push_back(symbol_of_rank_[rank]);
            burst_.cumulative.push_back(sum += weights_[symbol_of_rank_[rank]]);
        }
    }

    double share_of(std::size_t first, std::size_t members) const noexcept {
        double sum = 0.0;
        for (std::size_t rank = first; rank < first + members; ++rank) sum += weights_[symbol_of_rank_[rank]];
        return sum;
    }

    std::int64_t period_ns_;
    std::vector<std::size_t> symbol_of_rank_;
    std::vector<double> weights_;
    AliasTable alias_;
    Burst burst_;
};

}  // namespace fh::sim
