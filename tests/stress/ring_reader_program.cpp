// A reader of a stressed ring. It never ends by itself: it follows every epoch until it is killed.
//
//   dir ring report       where
//   policy=0              0 spin, 1 yield, 2 park, 3 adaptive
//   timeout_ms=100        of a wait
//   max=1024              records of its buffer
//   sleep_us=0            longest pause behind a read
//   view=0                1: borrows records instead of copying them
//   trusting=0            1: and never asks whether they are still valid (a reader that must be found out)
//   beside=ring           parks on that ring's page as well
//   follower=0            1: is a RingFollower, as an engine would be
//   uid=0 gid=0           gives up root for these, before it attaches
//   resume=report         goes on where the reader of that report was killed
//   die=point:turn:signal where it ends or stops
//   list=1                prints the outcomes (name, allowed, what it means) and ends
#ifdef FH_STRESS_POINTS
#include "tests/stress/kill_point.hpp"
#endif
#include <grp.h>

#include <array>
#include <utility>
#include <vector>

#include "shm/ring_follower.hpp"
#include "shm/wait_any.hpp"
#include "tests/stress/ring_checker.hpp"

namespace {

using stress::Outcome;
constexpr std::int64_t STALL_NS = 2'000'000'000;

std::int64_t timeout(const stress::Options& options) {
    return static_cast<std::int64_t>(options.number("timeout_ms", 100)) * 1'000'000;
}

void give_up_root(const stress::Options& options) {
    const auto gid = static_cast<gid_t>(options.number("gid"));
    const auto uid = static_cast<uid_t>(options.number("uid"));
    if (uid == 0) return;
    if (::setgroups(0, nullptr) != 0 || ::setresgid(gid, gid, gid) != 0 || ::setresuid(uid, uid, uid) != 0)
        fh::fail("giving up root");
}

class Reader {
public:
    explicit Reader(const stress::Options& options)
        : report_(options.text("report"), true),
          ring_(options.text("dir"), options.text("ring", "r")),
          checker_(*report_),
          buffer_(options.number("max", 1024)),
          policy_(static_cast<fh::WaitPolicy>(options.number("policy"))),
          timeout_ns_(timeout(options)),
          sleep_us_(options.number("sleep_us")),
          view_(options.number("view") != 0),
          trusting_(options.number("trusting") != 0),
          beside_(options.text("dir"), options.text("beside")) {
        give_up_root(options);
    }

    void attach(const std::string& resume) {
        if (!resume.empty())
            if (const auto from = stress::Figures<stress::ReaderReport>(resume, false)->last(); from.epoch != 0) {
                if (ring_.attach(from.epoch) == fh::Attach::ok) {
                    ring_.seek(from.next);
                    checker_.resume(from);
                    return;
                }
                checker_.count(Outcome::place_gone);
            }
        // Nothing to go on from, or no more: the oldest epoch there is.
        fh::Attach state;
        while ((state = ring_.attach(ring_.following_epoch(), true)) != fh::Attach::ok) {
            if (state == fh::Attach::version_mismatch) checker_.forbid(Outcome::attach_refused, "attach", 3, 0);
            fh::sleep_ns(200'000);
        }
        checker_.begin(ring_.epoch(), ring_.next());
    }

    [[noreturn]] void run() {
        stress::Random random{static_cast<std::uint64_t>(::getpid())};
        for (;;) {
            stress::put(report_->doing, static_cast<std::uint64_t>(stress::Doing::reading));
            if (!(view_ ? borrow() : copy())) idle();
            if (sleep_us_ != 0) fh::sleep_ns(static_cast<std::int64_t>(random.below(sleep_us_)) * 1000);
        }
    }

private:
    bool copy() {
        const auto before = ring_.next();
        const auto result = ring_.read(buffer_.data(), buffer_.size());
        if (ring_.next() < before) checker_.forbid(Outcome::went_back, "next", ring_.next(), before);
        if (ring_.next() - before != result.count + result.lost)
            checker_.forbid(Outcome::miscounted, "next - before", ring_.next() - before, result.count + result.lost);
        if (result.count != 0) checker_.take(buffer_.data(), result.count);
        if (result.lost != 0) checker_.lapped(result.lost, ring_.next());
        if (result.count + result.lost == 0) return false;
        checker_.commit();
        return true;
    }

    // Borrowed records are trusted only behind still_valid(): copied to be judged then.
    bool borrow() {
        std::size_t count = 0;
        const auto first = ring_.next();
        const fh::Record* records = ring_.view(buffer_.size(), count);
        if (count == 0) return false;
        fh::load_words(buffer_.data(), records, count * fh::RECORD_WORDS);
        if (!trusting_ && !ring_.still_valid(first)) {
            checker_.count(Outcome::view_overtaken);
            const auto lost = ring_.lapped();
            checker_.lapped(lost, ring_.next());
        } else {
            ring_.advance(count);
            checker_.take(buffer_.data(), count);
            checker_.count(Outcome::view_used);
        }
        checker_.commit();
        return true;
    }

    void idle() {
        checker_.count(Outcome::nothing_new);
        if (follow()) return;
        stress::put(report_->doing, static_cast<std::uint64_t>(stress::Doing::waiting));
        checker_.count(wait() ? Outcome::wait_ended : Outcome::wait_timed_out);
    }

    bool wait() {
        if (beside_.name().empty()) return ring_.wait(policy_, timeout_ns_);
        if (!beside_.attached() && beside_.attach() != fh::Attach::ok) fh::fail("attaching " + beside_.name(), ENOENT);
        const std::array pages{beside_.wait_page(), ring_.wait_page()};
        const auto ready = [this] { return ring_.published() >= ring_.next() || ring_.newer_epoch(); };
        return fh::wait_any(pages, policy_, ready, timeout_ns_);
    }

    // By the contract's rule: drained, the writer dead, and drained still.
    bool follow() {
        if (ring_.state(fh::monotonic_ns(), STALL_NS) != fh::Attach::writer_dead) return false;
        const auto following = ring_.following_epoch();
        if (following == 0 || ring_.next() <= ring_.published()) return false;
        const auto epoch = ring_.epoch();
        const auto last = ring_.next() - 1;
        if (checker_.account.open != 0) checker_.forbid(Outcome::half_event, "open", checker_.account.open, 0);
        const auto state = ring_.attach(following, true);
        if (state == fh::Attach::missing) return false;  // unlinked since it was found: there is a later one
        if (state != fh::Attach::ok) {
            checker_.forbid(Outcome::attach_refused, "attach", static_cast<std::uint64_t>(state), 0);
            return false;
        }
        if (ring_.previous_epoch() != epoch) {
            checker_.count(Outcome::epoch_gone);
        } else if (ring_.previous_last() != last) {
            checker_.forbid(Outcome::left_undrained, "previous last", last, ring_.previous_last());
        }
        checker_.begin(ring_.epoch(), ring_.next());
        checker_.count(Outcome::followed);
        return true;
    }

    stress::Figures<stress::ReaderReport> report_;
    fh::RingReader ring_;
    stress::Checker checker_;
    std::vector<fh::Record> buffer_;
    fh::WaitPolicy policy_;
    std::int64_t timeout_ns_;
    std::uint64_t sleep_us_;
    bool view_;
    bool trusting_;
    fh::RingReader beside_;
};

// The same by the class that engines use. It cannot resume: it begins with the oldest event.
class Follower {
public:
    explicit Follower(const stress::Options& options)
        : report_(options.text("report"), true),
          checker_(*report_),
          ring_(options.text("dir"), options.text("ring", "r"),
                {.from_oldest = true, .max_records = options.number("max", 1024), .wait = policy(options)}),
          timeout_ns_(timeout(options)) {
        give_up_root(options);
    }

    [[noreturn]] void run() {
        for (;;) {
            stress::put(report_->doing, static_cast<std::uint64_t>(stress::Doing::waiting));
            const fh::RingBatch batch = ring_.next(timeout_ns_);
            stress::put(report_->doing, static_cast<std::uint64_t>(stress::Doing::reading));
            if (batch.epoch_changed) begin(batch);
            if (batch.lost != 0) lose(batch.lost);
            if (!batch.records.empty()) checker_.take(batch.records.data(), batch.records.size());
            checker_.count(batch.news() ? Outcome::wait_ended : Outcome::wait_timed_out);
            if (batch.epoch != 0) checker_.commit();
        }
    }

private:
    static fh::WaitPolicy policy(const stress::Options& options) {
        return static_cast<fh::WaitPolicy>(options.number("policy"));
    }

    void begin(const fh::RingBatch& batch) {
        const auto& before = checker_.account;
        if (before.open != 0) checker_.forbid(Outcome::half_event, "open", before.open, 0);
        gone_ = before.epoch != 0 && ring_.reader().previous_epoch() != before.epoch;
        if (gone_)
            checker_.count(Outcome::epoch_gone);
        else if (before.epoch != 0 && ring_.reader().previous_last() != before.next - 1)
            checker_.forbid(Outcome::left_undrained, "previous last", before.next - 1, ring_.reader().previous_last());
        if (before.epoch != 0) checker_.count(Outcome::followed);
        // What lay before the first epoch's first record is nobody's loss; in later ones it is in `lost`.
        const auto next = ring_.reader().next() - batch.records.size() - batch.lost;
        checker_.begin(batch.epoch, before.epoch == 0 ? next : 1);
    }

    // An epoch that is gone as a whole counts 1 in the first loss of the one behind it.
    void lose(std::uint64_t lost) {
        if (std::exchange(gone_, false)) --lost;
        if (lost != 0) checker_.lapped(lost, checker_.account.next + lost);
    }

    stress::Figures<stress::ReaderReport> report_;
    stress::Checker checker_;
    fh::RingFollower ring_;
    std::int64_t timeout_ns_;
    bool gone_ = false;
};

}  // namespace

int main(int argc, char** argv) {
    const stress::Options options(argc, argv);
    if (options.number("list") != 0) {
#define STRESS_PRINT(name, allowed, meaning) std::printf("%s\t%d\t%s\n", #name, allowed, meaning);
        STRESS_OUTCOMES(STRESS_PRINT)
        return 0;
    }
#ifdef FH_STRESS_POINTS
    stress::arm(options.text("die"));
#endif
    if (options.number("follower") != 0) Follower(options).run();
    Reader reader(options);
    reader.attach(options.text("resume"));
    reader.run();
}
