// Filtered reads: what passes, where events end, and that read + filtered + lost is what was published.
#include "shm/ring_filter.hpp"

#include <random>
#include <string>
#include <vector>

#include "shm/ring_writer.hpp"
#include "tests/native/check.hpp"

namespace {

constexpr std::uint64_t CAPACITY = 64;

// An event in letters, a record each: instrument 'a' = 1, 'b' = 2 ...; '.' = 0, the whole source; '!' is a SKIP of 'z',
// capitals are trades.
void write_event(fh::RingWriter& writer, const std::string& letters) {
    for (const char letter : letters) {
        fh::Record record;
        record.kind = letter == '!'                   ? fh::Kind::skip
                      : letter < 'a' && letter != '.' ? fh::Kind::trade
                                                      : fh::Kind::level;
        record.instrument = letter == '.'   ? 0
                            : letter == '!' ? 26
                                            : static_cast<std::uint32_t>((letter | 32) - 'a' + 1);
        writer.append(record);
    }
    writer.end_event();
    writer.publish(0);
}

// A read's seqs, with '|' behind each LAST; then what was filtered and lost.
std::string read(fh::RingReader& reader, const fh::RingFilter& filter, std::size_t max = CAPACITY) {
    std::vector<fh::Record> out(max);
    const auto result = fh::read_filtered(reader, filter, out.data(), max);
    std::string told;
    for (std::size_t i = 0; i < result.count; ++i)
        told += std::to_string(out[i].seq) + ((out[i].flags & fh::flag::last) != 0 ? "|" : " ");
    return told + "f" + std::to_string(result.filtered) + " l" + std::to_string(result.lost);
}

fh::RingFilter of(std::vector<std::uint32_t> ids, std::vector<std::uint8_t> kinds = {}) {
    fh::RingFilter filter;
    if (!ids.empty()) filter.instruments(ids);
    if (!kinds.empty()) filter.kinds(kinds);
    return filter;
}
constexpr std::uint8_t LEVEL = static_cast<std::uint8_t>(fh::Kind::level);
constexpr std::uint8_t TRADE = static_cast<std::uint8_t>(fh::Kind::trade);

struct Bench {
    fh::RingWriter writer;
    fh::RingReader reader;
    Bench(const std::string& dir, const std::string& name) : writer(dir, dir, name, CAPACITY), reader(dir, name) {
        CHECK(reader.attach() == fh::Attach::ok);
    }
};

void records_pass_by_instrument_and_kind(const std::string& dir) {
    const std::string event = "aAbB.!cC";
    const auto passed = [&](const fh::RingFilter& filter) {
        Bench bench(dir, "pass");
        write_event(bench.writer, event);
        return read(bench.reader, filter);
    };
    CHECK_EQ(passed({}), std::string("1 2 3 4 5 6 7 8|f0 l0"));
    CHECK_EQ(passed(of({2})), std::string("3 4 5 6|f4 l0"));
    CHECK_EQ(passed(of({1, 3})), std::string("1 2 5 6 7 8|f2 l0"));
    CHECK_EQ(passed(of({}, {TRADE})), std::string("2 4 8|f5 l0"));
    CHECK_EQ(passed(of({2}, {LEVEL})), std::string("3 5|f6 l0"));
    CHECK_EQ(passed(of({9999})), std::string("5 6|f6 l0"));
    CHECK_EQ(passed(of({}, {99})), std::string("f8 l0"));
}

void the_last_that_passes_ends_its_event(const std::string& dir) {
    Bench bench(dir, "last");
    for (const char* event : {"ab", "b", "aab", "ba"}) write_event(bench.writer, event);
    CHECK_EQ(read(bench.reader, of({1})), std::string("1|4 5|8|f4 l0"));
}

void a_short_buffer_cuts_between_events_where_it_can(const std::string& dir) {
    Bench bench(dir, "cut");
    for (const char* event : {"aa", "b", "ababa", "b", "a"}) write_event(bench.writer, event);
    CHECK_EQ(read(bench.reader, of({1}), 4), std::string("1 2|f1 l0"));
    CHECK_EQ(read(bench.reader, of({1}), 2), std::string("4 6 f2 l0"));  // longer than the buffer: in parts
    CHECK_EQ(read(bench.reader, of({1}), 2), std::string("8|10|f1 l0"));
    CHECK_EQ(read(bench.reader, of({1}), 2), std::string("f0 l0"));
}

void what_only_others_wrote_is_filtered_to_the_end(const std::string& dir) {
    Bench bench(dir, "none");
    for (int i = 0; i < 20; ++i) write_event(bench.writer, "bb");
    CHECK_EQ(read(bench.reader, of({1})), std::string("f40 l0"));
    CHECK_EQ(bench.reader.next(), 41U);
}

void an_id_beyond_the_bound_is_refused() {
    bool refused = false;
    try {
        of({fh::RingFilter::INSTRUMENTS_MAX});
    } catch (const std::invalid_argument&) {
        refused = true;
    }
    CHECK(refused);
}

// Random events, buffers, laps: every record is accounted for, and those read are the ones that pass, in order.
void nothing_is_unaccounted_for(const std::string& dir) {
    std::mt19937 chance(7);
    const auto below = [&](unsigned n) { return static_cast<unsigned>(chance()) % n; };
    for (int round = 0; round < 200; ++round) {
        Bench bench(dir, "all");
        const auto filter = of({1, 3});
        std::uint64_t read = 0, filtered = 0, lost = 0, position = 0;
        for (int turn = 0; turn < 60; ++turn) {
            for (unsigned events = below(4); events > 0; --events) {
                std::string event;
                for (unsigned size = 1 + below(8); size > 0; --size) event += static_cast<char>('a' + below(4));
                write_event(bench.writer, event);
            }
            if (below(3) == 0 && turn < 59) continue;
            std::vector<fh::Record> out(1 + below(turn < 59 ? 16 : 200));
            fh::ReadResult result;
            do {
                result = fh::read_filtered(bench.reader, filter, out.data(), out.size());
                for (std::size_t i = 0; i < result.count; ++i) {
                    CHECK(out[i].seq > position && (out[i].instrument == 1 || out[i].instrument == 3));
                    position = out[i].seq;
                }
                read += result.count, filtered += result.filtered, lost += result.lost;
                CHECK_EQ(read + filtered + lost, bench.reader.next() - 1);
            } while (turn == 59 && (result.count != 0 || result.lost != 0));
        }
        CHECK_EQ(read + filtered + lost, bench.writer.published());
    }
}

}  // namespace

int main() {
    char pattern[] = "/dev/shm/fh-filter-test-XXXXXX";
    const std::string dir = ::mkdtemp(pattern);
    records_pass_by_instrument_and_kind(dir);
    the_last_that_passes_ends_its_event(dir);
    a_short_buffer_cuts_between_events_where_it_can(dir);
    what_only_others_wrote_is_filtered_to_the_end(dir);
    an_id_beyond_the_bound_is_refused();
    nothing_is_unaccounted_for(dir);
    std::filesystem::remove_all(dir);
    return check_failures;
}
