// A trading engine on shared memory, without the trading: it reacts to every change of the best bid and ask of its
// instruments, watches their trades, and knows how late it was.
//
// Three things that an engine must do stand here: it trusts no flagged row, it knows what it did not see, and it goes
// on when a process of the feed is restarted.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdio>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "latency.hpp"
#include "options.hpp"
#include "shm/feedhandler.hpp"
#include "summary.hpp"

// A number by shortest printing: it comes back exactly.
struct Shortest {
    explicit Shortest(double number) noexcept { *std::to_chars(text, text + sizeof text - 1, number).ptr = '\0'; }
    char text[32];
};

class Engine {
public:
    explicit Engine(const Options& options)
        : options_(options),
          symbols_(options.state_dir + "/instruments.dir"),
          chosen_(options.symbols, options.source),
          clock_(options.shm_dir),
          board_(options.shm_dir, {.from_now = false, .wait = options.wait}),
          quotes_(fh::DIRECTORY_CAPACITY + 1) {
        news_.add(board_);
        for (const auto& name : options.rings) news_.add(rings_.emplace_back(options.shm_dir, name));
    }

    // Waits for news of the feed, a while at most, and reacts to it.
    void turn() {
        news_.wait(options_.wait, 100'000'000);
        learn();
        take_board();
        for (auto& ring : rings_) take_ring(ring);
        if (!options_.quiet) std::fflush(stdout);
    }

    [[nodiscard]] std::uint64_t reactions() const noexcept { return reactions_; }
    [[nodiscard]] Summary summary() const {
        Summary all{chosen_.ids().size(), reactions_, untrusted_,     volume_, std::string(fh::name_of(board_.state())),
                    board_.restarts(),    rescans_,   clock_.steps(), {},      &quote_latency_,
                    &trade_latency_};
        for (const auto& ring : rings_)
            all.rings.push_back({ring.reader().name(), std::string(fh::name_of(ring.state())), ring.records(),
                                 ring.lost(), ring.laps(), ring.restarts()});
        return all;
    }

private:
    struct Quote {
        double bid = fh::NO_VALUE;
        double bid_size = fh::NO_VALUE;
        double ask = fh::NO_VALUE;
        double ask_size = fh::NO_VALUE;
        std::int64_t ts_recv = 0;
        bool trusted = false;
        [[nodiscard]] bool same_as(const Quote& b) const noexcept {
            return same(bid, b.bid) && same(bid_size, b.bid_size) && same(ask, b.ask) && same(ask_size, b.ask_size) &&
                   trusted == b.trusted;
        }
        [[nodiscard]] bool empty() const noexcept { return std::isnan(bid) && std::isnan(ask); }
        static bool same(double a, double b) noexcept { return a == b || (std::isnan(a) && std::isnan(b)); }
    };

    // Instruments may join the directory at any time, and the directory, the clock, the system itself come later.
    void learn() {
        const auto known = symbols_.refresh();
        clock_.attach();
        if (known == known_) return;
        known_ = known;
        chosen_.update(symbols_);
    }

    void take_board() {
        const fh::BoardNews news = board_.poll();
        if (news.board_changed) tell("board", "another one, that of restart " + std::to_string(board_.restarts()));
        if (news.state_changed) tell("board", fh::name_of(news.state), board_.problem());
        if (news.all && !news.board_changed) ++rescans_;
        for (const auto id : news.ids)
            if (chosen_.wants(id)) look_at(id, news.all);
    }

    // `old` rows are as the board had them when we came: what changed in them is not new to anybody.
    void look_at(std::uint32_t id, bool old) {
        const fh::BoardRow* row = board_.row(id);
        if (row == nullptr) return;  // its writer died inside it: the next board has it
        const fh::BoardTop& top = row->top;
        const bool synced = top.state == 0 || top.state == static_cast<std::uint16_t>(fh::State::synced);
        const Quote quote{top.bid, top.bid_size, top.ask, top.ask_size, row->ts_recv, synced && top.flags == 0};
        const Quote before = std::exchange(quotes_[id], quote);
        if (quote.same_as(before) || (quote.empty() && before.empty())) return;
        if (!quote.trusted) {
            ++untrusted_;
            return;
        }
        const auto late_ns = clock_.now_ns() - quote.ts_recv;
        const bool news = !old && quote.ts_recv != before.ts_recv;
        ++reactions_;
        if (news) quote_latency_.add(late_ns);
        if (options_.quiet) return;
        const auto name = symbols_.symbol(id);
        std::printf("%.*s %s %s x %s / %s x %s", static_cast<int>(name.size()), name.data(),
                    symbols_.source(id).c_str(), Shortest(quote.bid).text, Shortest(quote.bid_size).text,
                    Shortest(quote.ask).text, Shortest(quote.ask_size).text);
        if (news)
            std::printf(" after %.1f us\n", static_cast<double>(late_ns) / 1e3);
        else
            std::printf("\n");
    }

    void take_ring(fh::RingFollower& ring) {
        const fh::RingBatch batch = ring.poll();
        const std::string& name = ring.reader().name();
        if (batch.epoch_changed) tell(name, "epoch", std::to_string(batch.epoch));
        if (batch.state_changed) tell(name, fh::name_of(batch.state));
        if (batch.lost != 0) tell(name, "lost", std::to_string(batch.lost) + " records");
        for (const fh::Record& record : batch.records)
            if (record.kind == fh::Kind::trade && chosen_.wants(record.instrument)) {
                trade_latency_.add(clock_.now_ns() - record.ts_recv);
                if (record.size == record.size) volume_ += record.size;
            }
    }

    void tell(std::string_view who, std::string_view what, std::string_view more = "") const {
        if (options_.quiet) return;
        const auto length = [](std::string_view text) { return static_cast<int>(text.size()); };
        std::printf("-- %.*s: %.*s%s%.*s\n", length(who), who.data(), length(what), what.data(),
                    more.empty() ? "" : " ", length(more), more.data());
    }

    const Options& options_;
    fh::Symbols symbols_;
    fh::Watchlist chosen_;
    fh::ClockReader clock_;
    fh::BoardFollower board_;
    std::deque<fh::RingFollower> rings_;
    fh::WaitList news_;
    std::vector<Quote> quotes_;
    std::uint32_t known_ = 0;
    std::uint64_t reactions_ = 0;
    std::uint64_t untrusted_ = 0;
    std::uint64_t rescans_ = 0;
    double volume_ = 0;
    Latency quote_latency_;
    Latency trade_latency_;
};
