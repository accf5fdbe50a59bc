// The BBO log: every row is in the file, in order, however the writer's thread kept up; a refusal is told once.
#include "feedhandler/native/sim_bbo_log.hpp"

#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "tests/native/check.hpp"

namespace {

using namespace fh::sim;

std::string folder() {
    char name[] = "/tmp/fh_bbo_log_XXXXXX";
    return ::mkdtemp(name);
}

std::vector<BboRow> rows_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::vector<BboRow> rows;
    for (BboRow row{}; file.read(reinterpret_cast<char*>(&row), sizeof(row));) rows.push_back(row);
    return rows;
}

bool numbered(const std::vector<BboRow>& rows, std::int64_t count) {
    if (rows.size() != static_cast<std::size_t>(count)) return false;
    for (std::int64_t i = 0; i < count; ++i)
        if (rows[static_cast<std::size_t>(i)].intended_ns != i) return false;
    return true;
}

void every_row_is_in_the_file_in_order() {
    const std::string path = folder() + "/venue.bbo";
    const auto slice = static_cast<std::int64_t>(BboLog::SLICE_ROWS);
    {
        BboLog log(path);
        std::int64_t count = 0;
        for (const std::int64_t upto : {slice - 1, slice, 3 * slice + 7, 40 * slice}) {
            while (count < upto) log.add({count++, 1, 0, 1.0, 2.0, 3.0, 4.0});
            CHECK(log.flush());
            CHECK_EQ(log.rows(), static_cast<std::uint64_t>(upto));
            CHECK(numbered(rows_of(path), upto));
        }
        CHECK(log.flush());
        for (int i = 0; i < 5; ++i) log.add({count++, 1, 0, 1.0, 2.0, 3.0, 4.0});
    }
    CHECK(numbered(rows_of(path), 40 * slice + 5));
}

void more_than_may_wait_is_written_too() {
    const std::string path = folder() + "/venue.bbo";
    const auto count = static_cast<std::int64_t>(BboLog::ROWS_MAX + BboLog::SLICE_ROWS);
    {
        BboLog log(path);
        for (std::int64_t i = 0; i < count; ++i) log.add({i, 1, 0, 1.0, 2.0, 3.0, 4.0});
    }
    CHECK(numbered(rows_of(path), count));
    std::remove(path.c_str());
}

void a_full_disk_is_told_once() {
    BboLog log("/dev/full");
    for (std::int64_t i = 0; i < 100'000; ++i) log.add({i, 1, 0, 1.0, 2.0, 3.0, 4.0});
    CHECK(!log.flush());
    CHECK(log.flush());
}

}  // namespace

int main() {
    every_row_is_in_the_file_in_order();
    more_than_may_wait_is_written_too();
    a_full_disk_is_told_once();
    return check_failures == 0 ? 0 : 1;
}
