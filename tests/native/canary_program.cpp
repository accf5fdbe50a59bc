// Touches a byte of each kind of segment, or one just outside: `canary_program DIR ring|board|counters|directory
// inside|before|after`. Outside, guarded_map.hpp must have AddressSanitizer end it.
#include <cstdio>
#include <memory>
#include <string>

#include "shm/board_writer.hpp"
#include "shm/counters.hpp"
#include "shm/directory.hpp"
#include "shm/ring_writer.hpp"

namespace {

std::string path_of(const std::string& dir, const std::string& kind) {
    if (kind == "ring") {
        const fh::RingWriter writer(dir, dir, "r", 64);
        return fh::ring_path(dir, "r", writer.epoch());
    }
    if (kind == "board") {
        const fh::BoardWriter writer(dir, 1, 3, 1);
        return dir + "/board";
    }
    if (kind == "counters") {
        const fh::Counters counters(dir, "p", 0);
        return dir + "/p.counters";
    }
    const fh::Directory directory(dir + "/instruments.dir", true);
    return dir + "/instruments.dir";
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    const std::string where = argv[3];
    const fh::File file = fh::File::open(path_of(argv[1], argv[2]), O_RDWR);
    const fh::Mapping mapping(file, file.size(), true);
    auto* bytes = mapping.as<volatile char>();
    volatile char* byte = where == "before" ? bytes - 1 : bytes + mapping.bytes() - (where == "after" ? 0 : 1);
    *byte = 1;
    std::printf("%zu bytes, stored %s\n", mapping.bytes(), where.c_str());
    return 0;
}
