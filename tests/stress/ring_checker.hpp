// What a reader's records must be: whole, dense, in order, event by event.
#pragma once

#include "tests/stress/pattern.hpp"
#include "tests/stress/reports.hpp"

namespace stress {

class Checker {
public:
    explicit Checker(ReaderReport& report) : report_(report) {}

    void count(Outcome outcome, std::uint64_t n = 1) noexcept {
        auto& word = report_.counts[static_cast<std::size_t>(outcome)];
        put(word, word + n);
    }
    // The first of each forbidden outcome is told on stderr with what was found.
    void forbid(Outcome outcome, const char* what, std::uint64_t found, std::uint64_t wanted) noexcept {
        if (report_.counts[static_cast<std::size_t>(outcome)] == 0)
            std::fprintf(stderr, "forbidden: %s: found %llu, wanted %llu; epoch %llu, seq %llu\n", what,
                         static_cast<unsigned long long>(found), static_cast<unsigned long long>(wanted),
                         static_cast<unsigned long long>(account.epoch), static_cast<unsigned long long>(account.next));
        count(outcome);
    }

    // A new epoch: `next` is the seq that the reader stands at.
    void begin(std::uint64_t epoch, std::uint64_t next) noexcept {
        open_row({epoch, next - 1, 0, 0, 0, next, 0, 0, 0, next == 1});
    }
    // Goes on where an earlier life stood.
    void resume(Account from) noexcept {
        from.skipped = from.read = from.lost = from.laps = 0;
        open_row(from);
        count(Outcome::resumed);
    }

    void take(const fh::Record* records, std::size_t n) noexcept {
        for (std::size_t i = 0; i < n; ++i) take(records[i]);
        account.read += n;
        count(Outcome::batch_read);
        if (account.open != 0) count(Outcome::part_of_an_event);
    }
    void lapped(std::uint64_t lost, std::uint64_t next) noexcept {
        account.lost += lost;
        ++account.laps;
        account.next = next;
        account.open = 0;
        account.exact = 0;
        count(Outcome::lapped);
    }
    void commit() noexcept {
        AccountRow& row = report_.row[report_.rows - 1];
        row.copies[(row.turn + 1) & 1U] = account;
        put(row.turn, row.turn + 1);
    }

    Account account{};

private:
    void open_row(const Account& first) noexcept {
        const auto n = get(report_.rows);
        if (n >= ReaderReport::ROWS) std::abort();
        report_.row[n].copies[0] = account = first;
        put(report_.rows, n + 1);
    }

    void take(const fh::Record& record) noexcept {
        if (record.seq != account.next) forbid(Outcome::misordered, "seq", record.seq, account.next);
        const Place place = place_of(record);
        const bool skip = record.kind == fh::Kind::skip;
        const fh::Record wanted = skip ? expected_skip(account.epoch, place) : expected(account.epoch, place);
        if (std::memcmp(&record, &wanted, sizeof record) != 0)
            forbid(Outcome::torn, "record", checksum(record), checksum(wanted));
        if (skip) count(Outcome::skip_read);
        follow(place, skip);
        account.next = record.seq + 1;
    }

    void follow(const Place& place, bool skip) noexcept {
        if (account.open != 0) {  // inside an event: nothing but its next record may come
            if (place.event != account.event || place.position != account.open + 1 || place.length != account.length)
                forbid(Outcome::half_event, "position", place.position, account.open + 1);
        } else if (place.position != 1) {
            forbid(account.exact != 0 ? Outcome::half_event : Outcome::resumed_inside_event, "position", place.position,
                   1);
        } else if (account.exact != 0 ? place.event != account.event + 1 : place.event <= account.event) {
            forbid(Outcome::misordered, "event", place.event, account.event + 1);
        }
        account.exact = 1;
        account.event = place.event;
        account.length = place.length;
        account.open = skip || place.position == place.length ? 0 : place.position;
    }

    ReaderReport& report_;
};

}  // namespace stress
