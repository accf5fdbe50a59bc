// Publish, read, lap, oversized events, notes across a restart.
#include "shm/ring_reader.hpp"
#include "shm/ring_writer.hpp"
#include "tests/native/check.hpp"

namespace {

std::string folder() {
    char pattern[] = "/dev/shm/fh-ring-test-XXXXXX";
    return ::mkdtemp(pattern);
}

void write_event(fh::RingWriter& writer, int records) {
    for (int i = 0; i < records; ++i) {
        fh::Record record;
        record.kind = fh::Kind::level;
        record.price = i;
        writer.append(record);
    }
    writer.end_event();
}

void unfinished_events_are_invisible(const std::string& dir) {
    fh::RingWriter writer(dir, dir, "a", 64);
    fh::RingReader reader(dir, "a");
    CHECK(reader.attach() == fh::Attach::ok);
    writer.append(fh::Record{});
    writer.publish(0);
    fh::Record out[64];
    CHECK_EQ(reader.read(out, 64).count, 0U);
    writer.drop_event();
    write_event(writer, 3);
    writer.publish(0);
    CHECK_EQ(reader.read(out, 64).count, 3U);
    CHECK_EQ(out[2].seq, 3U);
    CHECK(out[2].flags == fh::flag::last && out[1].flags == 0);
}

void a_lapped_reader_knows_what_it_lost(const std::string& dir) {
    fh::RingWriter writer(dir, dir, "b", 64);
    fh::RingReader reader(dir, "b");
    CHECK(reader.attach() == fh::Attach::ok);
    for (int i = 0; i < 50; ++i) write_event(writer, 4);
    writer.publish(0);
    fh::Record out[256];
    const auto lapped = reader.read(out, 256);
    CHECK_EQ(lapped.count, 0U);
    const auto rest = reader.read(out, 256);
    CHECK_EQ(lapped.lost + rest.count, 200U);
    CHECK_EQ(out[0].seq, lapped.lost + 1);
    CHECK_EQ(out[0].price, 0.0);  // an event's start
}

void too_long_an_event_becomes_a_skip(const std::string& dir) {
    fh::RingWriter writer(dir, dir, "c", 64);
    fh::RingReader reader(dir, "c");
    CHECK(reader.attach() == fh::Attach::ok);
    write_event(writer, 17);
    writer.publish(0);
    fh::Record out[64];
    CHECK_EQ(reader.read(out, 64).count, 1U);
    CHECK(out[0].kind == fh::Kind::skip);
    CHECK_EQ(out[0].size, 17.0);
    CHECK_EQ(writer.refused(), 1U);
}

void a_restart_names_the_previous_epoch(const std::string& dir) {
    std::uint64_t epoch = 0;
    fh::RingReader reader(dir, "d");
    CHECK(reader.attach() == fh::Attach::missing);
    {
        fh::RingWriter writer(dir, dir, "d", 64);
        epoch = writer.epoch();
        CHECK(reader.attach() == fh::Attach::ok);
        write_event(writer, 2);
        writer.note(5, 41);
        writer.publish(0);
        write_event(writer, 2);
        writer.note(5, 42);  // never published
        bool refused = false;
        try {
            const fh::RingWriter second(dir, dir, "d", 64);
        } catch (const std::runtime_error&) {
            refused = true;
        }
        CHECK(refused);
        CHECK(reader.state(fh::monotonic_ns(), 1'000'000'000) == fh::Attach::ok);
        CHECK(reader.state(fh::monotonic_ns() + 2'000'000'000, 1'000'000'000) == fh::Attach::stalled);
    }
    CHECK(reader.state(fh::monotonic_ns(), 1'000'000'000) == fh::Attach::writer_dead);
    const fh::RingWriter writer(dir, dir, "d", 64);
    CHECK(writer.epoch() > epoch);
    CHECK_EQ(writer.previous_epoch(), epoch);
    CHECK_EQ(writer.previous_last(), 2U);
    CHECK_EQ(writer.previous_note(5), 41U);
    CHECK_EQ(reader.following_epoch(), writer.epoch());
    CHECK(reader.newer_epoch());
}

}  // namespace

int main() {
    const std::string dir = folder();
    unfinished_events_are_invisible(dir);
    a_lapped_reader_knows_what_it_lost(dir);
    too_long_an_event_becomes_a_skip(dir);
    a_restart_names_the_previous_epoch(dir);
    std::filesystem::remove_all(dir);
    return check_failures;
}
