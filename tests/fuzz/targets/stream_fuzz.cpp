// The receiving half of a session: any bytes, cut anywhere, give the same records, counts and messages for the
// session; memory stays bounded by the longest message allowed.
#include <cstring>

#include "tests/fuzz/targets/fuzz.hpp"
#include "tests/native/fix_wire.hpp"

namespace {

constexpr std::size_t MESSAGE_MAX = 2048;

struct Outcome {
    std::vector<std::string> handed;
    std::vector<fh::Record>& records;
    std::size_t count = 0;
    fh::FixCounts counts;
    std::uint64_t next_in = 0;
};

// Feeds the bytes in pieces; what is for the session is taken and its number counted.
Outcome run(Wire& wire, std::vector<fh::Record>& records, std::string_view bytes, std::size_t piece) {
    fh::Inbound::Options options;
    options.note_slot = fh::NOTE_SESSIONS;
    options.message_max = MESSAGE_MAX;
    options.entries_max = 64;
    options.buffer_bytes = 4096;
    static const fh::FixTable table = plain_table(false);
    fh::Inbound inbound(table, wire.ring, options);
    inbound.symbols().add("EURUSD", 1);
    inbound.symbols().add("USDJPY", 2);
    inbound.set_sequence(1, true, false);
    Outcome outcome{{}, records, 0, {}, 0};
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
        const auto part = bytes.substr(at, piece);
        std::memcpy(inbound.room(part.size()), part.data(), part.size());
        inbound.filled(part.size(), 1);
        while (inbound.work()) {
            outcome.handed.emplace_back(inbound.message());
            inbound.set_sequence(inbound.next_in() + 1, true, false);
        }
        wire.ring.publish(1);
    }
    FUZZ_CHECK(inbound.space() <= 4 * (MESSAGE_MAX + 4096));
    const auto batch = wire.reader.read(records.data(), records.size());
    FUZZ_CHECK(batch.lost == 0);
    outcome.count = batch.count;
    outcome.counts = inbound.counts();
    outcome.next_in = inbound.next_in();
    return outcome;
}

void compare(Outcome& a, Outcome& b) {
    FUZZ_CHECK(a.handed == b.handed && a.next_in == b.next_in && a.count == b.count);
    for (const auto what : {fh::FixCount::reads, fh::FixCount::quarantined, fh::FixCount::quarantine_dropped})
        a.counts.values[static_cast<std::size_t>(what)] = b.counts.values[static_cast<std::size_t>(what)] = 0;
    FUZZ_CHECK(a.counts.values == b.counts.values);
    for (std::size_t i = 0; i < a.count; ++i) {
        a.records[i].seq = b.records[i].seq = 0;
        FUZZ_CHECK(std::memcmp(&a.records[i], &b.records[i], sizeof(fh::Record)) == 0);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Wire whole(false);
    static Wire cut(false);
    static std::vector<fh::Record> records(4096);
    static std::vector<fh::Record> other_records(4096);
    if (size < 2 || size > 4096) return 0;
    std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
    std::string stream;
    if ((data[0] & 1) != 0)  // bodies that are framed here, or the stream itself
        while (!input.empty()) stream += fuzz::framed(fuzz::wire(fuzz::next_line(input)));
    else
        stream = input;
    Outcome a = run(whole, records, stream, stream.size() + 1);
    Outcome b = run(cut, other_records, stream, data[1] + std::size_t{1});
    compare(a, b);
    return 0;
}
