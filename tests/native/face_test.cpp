// What an engine reads beside rings and board: clock, counters, instruments by symbol.
#include "shm/feedhandler.hpp"
#include "tests/native/check.hpp"

namespace {

std::string folder() {
    char pattern[] = "/dev/shm/fh-face-test-XXXXXX";
    return ::mkdtemp(pattern);
}

void the_clock_is_the_shared_one_once_it_is_there(const std::string& dir) {
    fh::ClockReader reader(dir);
    CHECK(!reader.attached());
    CHECK(reader.now_ns() > 1'000'000'000'000'000'000);  // this process's own measurement until then
    CHECK_EQ(reader.steps(), 0U);
    fh::SharedClock clock(dir);
    CHECK(reader.attach());
    CHECK_EQ(reader.offset_ns(), clock.offset_ns());
    const auto before = clock.now_ns();
    const auto now = reader.now_ns();
    CHECK(before <= now && now <= clock.now_ns());
}

void a_clock_that_is_not_ready_is_not_there(const std::string& dir) {
    const fh::File file = fh::File::open(dir + "/clock", O_RDWR | O_CREAT);
    fh::ClockReader reader(dir);
    CHECK(!reader.attached());
    fh::allocate(file, sizeof(fh::ClockPage), dir + "/clock");
    CHECK(!reader.attach());
}

void counters_are_read_by_name_and_followed_over_a_restart(const std::string& dir) {
    fh::CountersReader reader(dir, "handler1");
    CHECK(!reader.attached());
    CHECK_EQ(reader.total(fh::Counter::fix_ticks), 0U);
    fh::Counters first(dir, "handler1", 7);
    CHECK(reader.attach());
    first.add(fh::Counter::fix_ticks, 0, 5);
    first.add(fh::Counter::fix_ticks, 3, 6);
    CHECK(fh::counter_named("fix_ticks") == fh::Counter::fix_ticks);
    CHECK(!fh::counter_named("nonsense").has_value());
    CHECK_EQ(reader.get(fh::Counter::fix_ticks), 5U);
    CHECK_EQ(reader.get(fh::Counter::fix_ticks, 3), 6U);
    CHECK_EQ(reader.get(fh::Counter::fix_ticks, 64), 0U);
    CHECK_EQ(reader.total(fh::Counter::fix_ticks), 11U);
    CHECK_EQ(reader.pid(), static_cast<std::uint32_t>(::getpid()));
    CHECK_EQ(reader.created_ns(), 7);
    CHECK(!reader.replaced());
    const fh::Counters second(dir, "handler1", 8);
    CHECK(reader.replaced());
    CHECK(reader.attach() && !reader.replaced());
    CHECK_EQ(reader.total(fh::Counter::fix_ticks), 0U);
}

void counters_of_another_version_are_refused(const std::string& dir) {
    {
        const fh::Counters counters(dir, "other", 7);
    }
    const fh::File file = fh::File::open(dir + "/other.counters", O_RDWR);
    const std::uint32_t version = 77;
    CHECK(::pwrite(file.fd(), &version, sizeof version, 8) == sizeof version);
    CHECK(!fh::CountersReader(dir, "other").attached());
    CHECK(fh::CountersReader(dir, "other").problem().find("a newer feedhandler wrote it") != std::string::npos);
    CHECK(::ftruncate(file.fd(), 100) == 0);
    CHECK(!fh::CountersReader(dir, "other").attached());
}

void counters_of_another_release_are_found_by_name(const std::string& dir) {
    fh::Counters counters(dir, "later", 7);
    counters.add(fh::Counter::fix_reads, 0, 5);  // the first two of the list
    counters.add(fh::Counter::fix_bytes, 0, 600);
    const fh::File file = fh::File::open(dir + "/later.counters", O_RDWR);
    const fh::CounterName names[] = {{"fix_bytes"}, {"a_counter_of_tomorrow"}};
    CHECK(::pwrite(file.fd(), names, sizeof names, sizeof(fh::CountersHeader)) == sizeof names);
    const fh::CountersReader reader(dir, "later");
    CHECK_EQ(reader.get(fh::Counter::fix_bytes), 5U);
    CHECK_EQ(reader.get(fh::Counter::fix_reads), 0U);
}

fh::DirectoryEntry entry(std::uint16_t source, const char* venue_symbol, const char* symbol) {
    fh::DirectoryEntry made{};
    made.source = source;
    std::strcpy(made.venue_symbol, venue_symbol);
    std::strcpy(made.symbol, symbol);
    return made;
}

void instruments_are_found_by_symbol_as_they_come(const std::string& dir) {
    const std::string path = dir + "/instruments.dir";
    fh::Symbols symbols(path);
    fh::Watchlist chosen({"EUR/USD"});
    fh::Watchlist everything;
    fh::Watchlist one_source({}, "b");
    CHECK_EQ(symbols.refresh(), 0U);
    CHECK_EQ(chosen.update(symbols), 0U);
    fh::Directory directory(path, true);
    const auto a = directory.add_source("a");
    const auto b = directory.add_source("b");
    directory.add(entry(a, "EURUSD", "EUR/USD"));
    CHECK_EQ(symbols.refresh(), 1U);
    CHECK_EQ(chosen.update(symbols), 1U);
    directory.add(entry(b, "EUR/USD", "EUR/USD"));
    directory.add(entry(b, "GBPUSD", "GBP/USD"));
    CHECK_EQ(symbols.refresh(), 3U);
    CHECK(symbols.find("EUR/USD") == std::vector<std::uint32_t>({1, 2}));
    CHECK(symbols.find("EUR/USD", "b") == std::vector<std::uint32_t>({2}));
    CHECK(symbols.find("GBPUSD") == std::vector<std::uint32_t>({3}));
    CHECK(symbols.find("nonsense").empty());
    CHECK(symbols.symbol(3) == "GBP/USD" && symbols.source(3) == "b");
    CHECK(symbols.symbol(4).empty() && symbols.source(4).empty() && symbols.get(4) == nullptr);
    CHECK_EQ(chosen.update(symbols), 2U);
    CHECK(chosen.wants(1) && chosen.wants(2) && !chosen.wants(3) && !chosen.wants(0) && !chosen.wants(1U << 31));
    CHECK(chosen.ids() == std::vector<std::uint32_t>({1, 2}));
    CHECK_EQ(everything.update(symbols), 3U);
    CHECK_EQ(one_source.update(symbols), 2U);
    CHECK(!one_source.wants(1) && one_source.wants(3));
}

}  // namespace

int main() {
    const std::string dir = folder();
    the_clock_is_the_shared_one_once_it_is_there(dir);
    std::filesystem::remove(dir + "/clock");
    a_clock_that_is_not_ready_is_not_there(dir);
    counters_are_read_by_name_and_followed_over_a_restart(dir);
    counters_of_another_version_are_refused(dir);
    counters_of_another_release_are_found_by_name(dir);
    instruments_are_found_by_symbol_as_they_come(dir);
    std::filesystem::remove_all(dir);
    return check_failures == 0 ? 0 : 1;
}
