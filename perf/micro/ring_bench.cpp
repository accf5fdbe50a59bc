// Ring: batches and single records with nobody parked, each beside the copy or the stores it cannot do without.
#include <cstring>

#include "perf/micro/bench.hpp"
#include "shm/ring_reader.hpp"
#include "shm/ring_writer.hpp"

namespace {

constexpr std::size_t CAPACITY = 1 << 16;
constexpr std::size_t HALF = CAPACITY / 2;  // written and then read: never lapped
constexpr std::size_t BATCH = 64;
constexpr std::size_t CHUNKS = 60;

fh::Record example() {
    fh::Record record{};
    record.ts_event = record.ts_recv = 1;
    record.price = 1.5;
    record.size = 2;
    record.instrument = 1;
    record.source = 1;
    record.kind = fh::Kind::level;
    record.side = fh::Side::bid;
    record.action = fh::Action::change;
    return record;
}

void write_batches(fh::RingWriter& writer, const std::vector<fh::Record>& batch) {
    for (std::size_t i = 0; i < HALF / BATCH; ++i) {
        for (const fh::Record& record : batch) writer.append(record);
        writer.end_event();
        writer.publish(1);
    }
}

void read_batches(fh::RingReader& reader, std::vector<fh::Record>& out) {
    for (std::size_t i = 0; i < HALF / BATCH; ++i) bench::keep(reader.read(out.data(), BATCH).count);
}

// Write and read in turns over the same records, so that each finds the caches as the other left them.
void batches(fh::RingWriter& writer, fh::RingReader& reader) {
    std::vector<fh::Record> batch(BATCH, example());
    std::vector<fh::Record> out(BATCH);
    std::vector<fh::Record> plain(HALF);
    std::vector<double> write, read, copy_in, copy_out;
    const auto time = [](std::vector<double>& samples, auto work) {
        const auto begin = fh::monotonic_ns();
        work();
        samples.push_back(static_cast<double>(fh::monotonic_ns() - begin) / static_cast<double>(HALF));
    };
    for (std::size_t chunk = 0; chunk < CHUNKS; ++chunk) {
        time(write, [&] { write_batches(writer, batch); });
        time(read, [&] { read_batches(reader, out); });
        time(copy_in, [&] {
            for (std::size_t i = 0; i < HALF; i += BATCH) {
                std::memcpy(&plain[i], batch.data(), BATCH * sizeof(fh::Record));
                bench::keep(plain[i]);
            }
        });
        time(copy_out, [&] {
            for (std::size_t i = 0; i < HALF; i += BATCH) {
                std::memcpy(out.data(), &plain[i], BATCH * sizeof(fh::Record));
                bench::keep(out[0]);
            }
        });
    }
    bench::report("write_batch64", "ns", write);
    bench::report("copy_in", "ns", copy_in);
    bench::report("read_batch64", "ns", read);
    bench::report("copy_out", "ns", copy_out);
}

void singles(fh::RingWriter& writer) {
    const fh::Record record = example();
    bench::timed("publish_single", CHUNKS, HALF, [&] {
        for (std::size_t i = 0; i < HALF; ++i) {
            writer.append(record);
            writer.end_event();
            writer.publish(1);
        }
    });
    // What a publication must at least do: 64 bytes, a release store, and the fence before looking for parked readers.
    std::vector<fh::Record> plain(CAPACITY);
    std::uint64_t cursor = 0;
    bench::timed("store_and_fence", CHUNKS, HALF, [&] {
        for (std::size_t i = 0; i < HALF; ++i) {
            std::memcpy(&plain[i], &record, sizeof record);
            fh::store(cursor, i, std::memory_order_release);
            std::atomic_thread_fence(std::memory_order_seq_cst);
            bench::keep(cursor);
        }
    });
}

}  // namespace

int main(int argc, char** argv) {
    const int runs = argc > 1 ? std::atoi(argv[1]) : 5;
    const bench::Folder folder;
    fh::RingWriter writer(folder.path, folder.path, "bench", CAPACITY);
    fh::RingReader reader(folder.path, "bench");
    if (reader.attach() != fh::Attach::ok) return 2;
    for (int run = 0; run < runs; ++run) batches(writer, reader);
    for (int run = 0; run < runs; ++run) singles(writer);
    return 0;
}
