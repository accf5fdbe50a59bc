// A price-keyed book fed with the LEVEL records of a file: argv = file, runs. The best level is read after each.
#include <fstream>
#include <iterator>

#include "feedhandler/native/book.hpp"
#include "perf/micro/bench.hpp"

int main(int argc, char** argv) {
    if (argc < 2) return 2;
    const int runs = argc > 2 ? std::atoi(argv[2]) : 5;
    std::ifstream file(argv[1], std::ios::binary);
    const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    std::vector<fh::Record> records(bytes.size() / sizeof(fh::Record));
    std::copy_n(bytes.data(), records.size() * sizeof(fh::Record), reinterpret_cast<char*>(records.data()));
    if (records.empty()) return 2;
    fh::Book book(false, 0);
    const auto feed = [&] {
        book.clear();
        for (const fh::Record& record : records) {
            book.apply(record);
            const auto& side = record.side == fh::Side::bid ? book.bids() : book.asks();
            if (!side.empty()) bench::keep(side.at(0).size);
        }
    };
    feed();
    for (int run = 0; run < runs; ++run) bench::timed("book_update", 50, records.size(), feed);
    // The end state, so that the caller can see that every contender built the same book.
    for (const auto* side : {&book.bids(), &book.asks()}) {
        double sum = 0;
        for (std::size_t i = 0; i < side->size(); ++i) sum += side->at(i).size;
        std::printf("state\t%s\t%zu\t%.17g\n", side == &book.bids() ? "bids" : "asks", side->size(), sum);
    }
    return 0;
}
