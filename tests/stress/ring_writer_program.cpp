// The writer of a stressed ring: events of all lengths, some dropped, some too long, two notes before each publish.
//
//   dir state ring capacity report    where
//   records=0                         end behind so many (0: never)
//   rate=0                            records a second (0: as fast as the machine)
//   batch=8 event=8 seed=1            events a publish, longest event, what is random
//   oversize=0 drop=0                 one of so many events is too long / is dropped (0: none)
//   open=0                            one of so many batches is published inside an event, which ends in the next
//   renote=0 idle=0 silent=0          one of so many events is noted by itself / batches is a note without records /
//                                     batches is not noted
//   first=0                           cursor at which the epoch begins
//   die=point:turn:signal             where it ends or stops
//   pages=a,b,…                       readers' reports: publish only when all of them have read everything
//   step=0                            1: a batch for every line of standard input, and behind its end no more
//
// Prints, once the ring is there: epoch, previous epoch, previous last, previous notes of sessions 0 and 63.
#ifdef FH_STRESS_POINTS
#include "tests/stress/kill_point.hpp"
#endif
#include <sched.h>

#include <sstream>
#include <vector>

#include "shm/ring_writer.hpp"
#include "tests/stress/pattern.hpp"
#include "tests/stress/reports.hpp"

namespace {

using stress::Options;
constexpr std::int64_t PATIENCE_NS = 20'000'000'000;

class Writer {
public:
    explicit Writer(const Options& options)
        : options_(options),
          report_(options.text("report"), true),
          ring_(options.text("dir"), options.text("state"), options.text("ring", "r"),
                options.number("capacity", 1024)),
          random_{options.number("seed", 1)},
          batch_(options.number("batch", 8)),
          event_(options.number("event", 8)),
          oversize_(options.number("oversize")),
          drop_(options.number("drop")),
          open_(options.number("open")),
          renote_(options.number("renote")),
          idle_(options.number("idle")),
          silent_(options.number("silent")),
          step_(options.number("step") != 0),
          cursor_(options.number("first")) {
        report_->first = report_->intent = report_->done = cursor_;
        for (std::istringstream pages(options.text("pages")); pages.good();) {
            std::string page;
            if (std::getline(pages, page, ',')) readers_.emplace_back(page, false);
        }
        noted_ = value_ = std::max(ring_.previous_note(0), ring_.previous_note(63));
        stress::put(report_->epoch, ring_.epoch());
        std::printf("%llu %llu %llu %llu %llu\n", as_printed(ring_.epoch()), as_printed(ring_.previous_epoch()),
                    as_printed(ring_.previous_last()), as_printed(ring_.previous_note(0)),
                    as_printed(ring_.previous_note(63)));
        std::fflush(stdout);
    }

    int run() {
        const auto records = options_.number("records");
        const auto first = cursor_;
        const auto rate = options_.number("rate");
        const auto begin = fh::monotonic_ns();
        while ((records == 0 || report_->done - first < records) && stepped()) {
            batch();
            if (rate != 0) {
                const auto due = begin + static_cast<std::int64_t>((cursor_ - first) * 1'000'000'000 / rate);
                if (const auto ahead = due - fh::monotonic_ns(); ahead > 100'000) fh::sleep_ns(ahead);
            }
            if (!await_readers()) return 4;
        }
        stress::put(report_->finished, std::uint64_t{1});
        return 0;
    }

private:
    static unsigned long long as_printed(std::uint64_t n) { return n; }

    // A byte at a time: what comes behind the line is the next step's.
    bool stepped() {
        char byte = 0;
        while (step_ && byte != '\n')
            if (::read(STDIN_FILENO, &byte, 1) != 1) return false;
        return true;
    }

    void batch() {
        stress::put(report_->batches, report_->batches + 1);
        finish_open_event();
        if (cursor_ != report_->done || !one_of(idle_)) {
            const auto events = 1 + random_.below(batch_);
            for (std::uint64_t i = 0; i < events; ++i) event();
            if (one_of(open_)) begin_open_event();
        }
        stress::put(report_->unstaged, std::uint64_t{cursor_ == report_->done});
        stress::put(report_->intent, cursor_);
        if (!one_of(silent_)) ++value_;
        const bool noted = value_ != noted_;
        stress::put(report_->note_intent, value_);
        if (noted) note();
        ring_.publish(stress::NOW_NS);
        stress::put(report_->done, cursor_);
        stress::put(report_->note_done, value_);
        stress::put(report_->events, events_);
        stress::put(report_->refused, ring_.refused());
        stress::put(report_->batches, report_->batches + 1);
        ring_.heartbeat(fh::monotonic_ns());
    }

    // One in `n`, by chance; never where n is 0.
    bool one_of(std::uint64_t n) { return n != 0 && random_.below(n) == 0; }

    void event() {
        const bool oversize = one_of(oversize_);
        const auto length = static_cast<std::uint32_t>(oversize ? ring_.capacity() / 4 + 1 + random_.below(100)
                                                                : 1 + random_.below(event_));
        if (one_of(drop_)) {
            append(length, events_ + 1'000'000'000);
            ring_.drop_event();
            return;
        }
        append(length, ++events_);
        ring_.end_event();
        cursor_ += oversize ? 1 : length;
        if (one_of(renote_)) {
            ++value_;  // never published by itself: the note before a publish is another
            note();
        }
    }

    void append(std::uint32_t length, std::uint64_t event, std::uint32_t from = 1, std::uint32_t to = 0) {
        for (std::uint32_t i = from; i <= (to == 0 ? length : to); ++i)
            ring_.append(stress::staged(ring_.epoch(), {cursor_ + i, event, length, static_cast<std::uint16_t>(i)}));
    }

    void begin_open_event() {
        open_length_ = static_cast<std::uint32_t>(2 + random_.below(event_));
        append(open_length_, ++events_, 1, open_length_ / 2);
    }
    void finish_open_event() {
        if (open_length_ == 0) return;
        append(open_length_, events_, open_length_ / 2 + 1);
        ring_.end_event();
        cursor_ += std::exchange(open_length_, 0);
    }

    void note() {
        noted_ = value_;
        ring_.note(0, value_);
        ring_.note(63, value_);
    }

    // Every reader has everything: all of them are about to wait, or wait. False: one of them slept through it.
    bool await_readers() {
        const auto deadline = fh::monotonic_ns() + PATIENCE_NS;
        for (const auto& reader : readers_)
            for (;;) {
                const auto account = reader->last();
                if (account.epoch == ring_.epoch() && account.next > report_->done) break;
                if (fh::monotonic_ns() > deadline) return false;
                ::sched_yield();
            }
        return true;
    }

    const Options& options_;
    stress::Figures<stress::WriterReport> report_;
    fh::RingWriter ring_;
    stress::Random random_;
    std::uint64_t batch_;
    std::uint64_t event_;
    std::uint64_t oversize_;
    std::uint64_t drop_;
    std::uint64_t open_;
    std::uint64_t renote_;
    std::uint64_t idle_;
    std::uint64_t silent_;
    bool step_;
    std::vector<stress::Figures<stress::ReaderReport>> readers_;
    std::uint64_t cursor_;
    std::uint64_t events_ = 0;
    std::uint64_t noted_ = 0;
    std::uint64_t value_ = 0;        // of notes: rises with each
    std::uint32_t open_length_ = 0;  // of the event that is staged in part; 0 = none
};

}  // namespace

int main(int argc, char** argv) {
    const Options options(argc, argv);
#ifdef FH_STRESS_POINTS
    stress::first_cursor = options.number("first");
    stress::arm(options.text("die"));
#endif
    return Writer(options).run();
}
