// The venue without Python: bytes on a socket pair, counts that follow what the kernel took, bounds that hold.
#include "feedhandler/native/sim_venue.hpp"

#include <sys/socket.h>

#include <string>

#include "tests/native/check.hpp"

namespace {

using namespace fh::sim;

struct Pair {
    int ours = -1;
    int theirs = -1;
    Pair() {
        int both[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, both) != 0) throw std::runtime_error("socketpair");
        ours = both[0];
        theirs = both[1];
    }
    ~Pair() { ::close(theirs); }
    std::string read() const {
        std::string all;
        char bytes[65536];
        for (ssize_t n = 0; (n = ::recv(theirs, bytes, sizeof bytes, 0)) > 0;)
            all.append(bytes, static_cast<std::size_t>(n));
        return all;
    }
};

std::string readable(std::string text) {
    for (char& c : text)
        if (c == '\x01') c = '|';
    return text;
}

// Without 9, 10 and 52, which carry lengths, sums and times; the sums are checked here.
std::string bare(const std::string& message) {
    const std::size_t trailer = message.rfind(
                                    "\x01"
                                    "10=") +
                                1;
    char sum[8];
    std::snprintf(sum, sizeof sum, "10=%03u", byte_sum(std::string_view(message).substr(0, trailer)) % 256);
    CHECK_EQ(message.substr(trailer, 6), std::string(sum));
    const std::size_t body = message.find(
                                 "\x01"
                                 "35=") +
                             1;
    const std::string length =
        "\x01"
        "9=" +
        std::to_string(trailer - body) + "\x01";
    CHECK(message.find(length) != std::string::npos);
    std::string text = message.substr(body, trailer - body);
    const std::size_t stamp = text.find(
        "\x01"
        "52=");
    text.erase(stamp, text.find('\x01', stamp + 1) - stamp);
    return readable(text);
}

Entry entry(EntryType type, EntryAction action, std::int64_t price, std::int64_t size, std::uint64_t id = 0,
            std::uint8_t aggressor = 0) {
    return {price, size, id, type, action, aggressor};
}

Batch two_events() {
    Batch batch;
    batch.entries = {entry(EntryType::bid, EntryAction::add, 108500, 150),
                     entry(EntryType::ask, EntryAction::add, 108501, 5),
                     entry(EntryType::trade, EntryAction::add, 108501, 5, 77, 1),
                     entry(EntryType::ask, EntryAction::remove, 108501, 0)};
    batch.events.resize(2);
    batch.events[0].count = 2;
    batch.events[0].rpt_seq = 9;
    batch.events[1].first = 2;
    batch.events[1].count = 2;
    batch.events[1].rpt_seq = 10;
    return batch;
}

struct Ready {
    Pair pair;
    Venue venue{"SIM", false, 1'790'000'000'000'000'000 - fh::monotonic_ns(), 1U << 20U};
    std::shared_ptr<SentStore> store = std::make_shared<SentStore>(1U << 20U);
    std::uint32_t slot = 0;

    explicit Ready(Batch script) {
        venue.add_instrument("EURUSD", 5, 2);
        venue.set_feed(std::make_unique<Feed>(std::move(script)));
        slot = venue.attach(pair.ours);
        venue.log_on(slot, store, "FH");
    }
    void run(std::int64_t for_ns = 2'000'000) {
        inbound.clear();
        venue.run(-1, fh::monotonic_ns() + for_ns, inbound);
    }
    std::vector<Inbound> inbound;
};

void messages_are_exact() {
    Ready ready(two_events());
    ready.venue.subscribe(ready.slot, 0, true);
    ready.venue.send_snapshot(ready.slot, 0, "req");
    ready.run();
    CHECK_EQ(bare(ready.pair.read()), std::string("35=W|34=1|49=SIM|56=FH|262=req|55=EURUSD|268=0|"));
    ready.venue.flow.start(fh::monotonic_ns());
    ready.run();
    const std::string all = ready.pair.read();
    const std::size_t second = all.find("8=FIX.4.4", 1);
    std::string first = bare(all.substr(0, second));
    const std::size_t date = first.find("272=");
    CHECK_EQ(first.substr(date, 17), std::string("272=20260921|273="));
    first.erase(date, first.find("83=") - date);
    CHECK_EQ(first, std::string("35=X|34=2|49=SIM|56=FH|268=2|279=0|269=0|55=EURUSD|270=1.08500|271=1.50|83=9|"
                                "279=0|269=1|55=EURUSD|270=1.08501|271=0.05|83=9|"));
    std::string last = bare(all.substr(second));
    const std::size_t time = last.find("272=");
    last.erase(time, last.find("54=") - time);
    CHECK_EQ(last, std::string("35=X|34=3|49=SIM|56=FH|268=2|279=0|269=2|278=77|55=EURUSD|270=1.08501|271=0.05|54=1|"
                               "279=2|269=1|55=EURUSD|270=1.08501|83=10|"));
    CHECK_EQ(ready.venue.instruments()[0].counts.sent, 4U);
    CHECK_EQ(ready.store->last_seq_sent, 3U);
    CHECK_EQ(ready.store->messages().size(), 3U);
    CHECK_EQ(ready.venue.counts.misfits, 0U);
    CHECK(ready.venue.flow.state() == FlowState::done);
}

Batch many_events(std::uint32_t count) {
    Batch batch;
    for (std::uint32_t i = 0; i < count; ++i) {
        Event event;
        event.first = batch.entries.size();
        event.count = 1;
        batch.events.push_back(event);
        batch.entries.push_back(entry(EntryType::bid, i == 0 ? EntryAction::add : EntryAction::change, 5, 1 + i));
    }
    return batch;
}

std::size_t count_of(const std::string& text, const std::string& part) {
    std::size_t n = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
    return n;
}

void only_what_the_kernel_took_counts() {
    Ready ready(many_events(8000));
    ready.venue.subscribe(ready.slot, 0, true);
    ready.venue.flow.start(fh::monotonic_ns());
    ready.run(20'000'000);
    ready.run(20'000'000);
    const auto& counts = ready.venue.instruments()[0].counts;
    CHECK(counts.sent > 0 && counts.sent < 8000);
    CHECK_EQ(counts.sent, ready.store->last_seq_sent);
    const std::uint64_t sent = counts.sent;
    ready.venue.detach(ready.slot);  // the rest of the buffer is gone
    CHECK_EQ(counts.sent + counts.cut, 8000U);
    const std::string got = ready.pair.read();
    CHECK_EQ(count_of(got,
                      "\x01"
                      "10="),
             sent);  // whole messages; a torn one may follow
    CHECK(ready.venue.flow.state() == FlowState::done);
}

void a_slow_consumer_is_cut_off() {
    Ready ready(many_events(16000));  // 1 MB bound, 130 bytes each
    ready.venue.subscribe(ready.slot, 0, true);
    ready.venue.flow.start(fh::monotonic_ns());
    for (int i = 0; i < 20 && ready.inbound.empty(); ++i) ready.run(20'000'000);
    CHECK_EQ(ready.inbound.size(), 1U);
    CHECK(ready.inbound[0].closed && ready.inbound[0].data == "slow consumer");
    CHECK_EQ(ready.venue.connections().slow_consumers, 1U);
    ready.venue.detach(ready.slot);
    const auto& counts = ready.venue.instruments()[0].counts;
    ready.run(20'000'000);
    CHECK_EQ(counts.sent + counts.cut + counts.unsent, 16000U);
}

void flat_out_waits_for_the_reader() {
    Ready ready(many_events(50000));
    ready.venue.flow.configure(0.0, 0, 100'000);
    ready.venue.flow.start(fh::monotonic_ns());
    ready.run();
    CHECK_EQ(ready.venue.counts.events, 0U);  // nobody has subscribed
    ready.venue.subscribe(ready.slot, 0, true);
    std::string all;  // a read may cut a message anywhere
    for (int i = 0; i < 10'000 && ready.venue.flow.state() != FlowState::done; ++i) {
        ready.run(1'000'000);
        all += ready.pair.read();
    }
    ready.run();
    all += ready.pair.read();
    CHECK_EQ(count_of(all, "8=FIX.4.4"), 50000U);
    CHECK(ready.inbound.empty());
    CHECK_EQ(ready.venue.instruments()[0].counts.sent, 50000U);
}

void the_schedule_moves_only_by_pauses() {
    Flow flow;
    flow.configure(2.0, 1000, 10);
    Event event;
    event.offset_ns = 800;
    flow.start(5000);
    CHECK_EQ(flow.intended(event), 5400);
    flow.pause(5100);
    flow.resume(5600);
    CHECK_EQ(flow.intended(event), 5900);
    flow.published(event, 7900);
    CHECK_EQ(flow.lateness.max_ns, 2000);
    CHECK_EQ(flow.lateness.buckets[2], 1U);  // 2 us
    CHECK_EQ(flow.intended(event), 5900);
    event.offset_ns = 2000;
    CHECK(!flow.over(event, 6499));
    CHECK(flow.over(event, 6500));
}

void the_store_keeps_the_newest() {
    SentStore store(1000);
    const std::string text(90, 'x');
    for (std::uint64_t seq = 1; seq <= 100; ++seq) {
        store.append(seq, 0, 1, text.substr(0, seq % 80), std::to_string(seq));
        store.set_next_out(seq + 1);
    }
    CHECK(store.messages().size() >= 5 && store.messages().size() < 80);
    CHECK_EQ(store.messages().back().seq, 100U);
    for (const SentMessage& message : store.messages()) {
        const std::string bytes(store.bytes(message));
        CHECK_EQ(bytes, text.substr(0, message.seq % 80) + std::to_string(message.seq));
    }
    CHECK_EQ(store.messages()[store.first_from(98)].seq, 98U);
    store.append(101, 0, 1, std::string(2000, 'y'), "");  // larger than the arena: never kept
    CHECK_EQ(store.messages().back().seq, 100U);
    store.set_next_out(1);
    CHECK(store.messages().empty());
}

void bad_scripts_are_refused() {
    const Batch good = two_events();
    const auto refused = [&](auto&& spoil) {
        Batch bad = good;
        spoil(bad);
        try {
            checked_batch(bad.events.data(), bad.events.size(), bad.entries.data(), bad.entries.size(), 1);
        } catch (const std::invalid_argument&) {
            return true;
        }
        return false;
    };
    CHECK(!refused([](Batch&) {}));
    CHECK(refused([](Batch& bad) { bad.events[1].count = 3; }));
    CHECK(refused([](Batch& bad) { bad.events[1].first = UINT64_MAX; }));
    CHECK(refused([](Batch& bad) { bad.events[0].instrument = 1; }));
    CHECK(refused([](Batch& bad) { bad.events[0].offset_ns = 1; }));
    CHECK(refused([](Batch& bad) { bad.entries[0].type = static_cast<EntryType>(3); }));
}

}  // namespace

int main() {
    messages_are_exact();
    only_what_the_kernel_took_counts();
    a_slow_consumer_is_cut_off();
    flat_out_waits_for_the_reader();
    the_schedule_moves_only_by_pauses();
    the_store_keeps_the_newest();
    bad_scripts_are_refused();
    return check_failures;
}
