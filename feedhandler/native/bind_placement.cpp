// Python face of what segments take of memory, and of how they are put there.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "feedhandler/native/bind.hpp"
#include "shm/board_layout.hpp"
#include "shm/counters.hpp"
#include "shm/placement.hpp"
#include "shm/ring_check.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

fh::Placement placement(bool prefault, const std::string& mlock, bool huge, std::int64_t owner, std::int64_t group,
                        std::uint32_t mode, bool readers_park) {
    fh::Placement made;
    made.prefault = prefault;
    if (mlock != "off" && mlock != "try" && mlock != "require") throw nb::value_error("mlock is off, try or require");
    if (mlock != "off") made.lock = mlock == "try" ? fh::MemoryLock::attempt : fh::MemoryLock::require;
    made.huge = huge;
    made.owner = owner;
    made.group = group;
    if (mode != 0 && mode != 0600 && mode != 0640) throw nb::value_error("mode is 0o600 or 0o640");
    made.mode = mode;
    made.readers_park = readers_park;
    return made;
}

}  // namespace

void bind_placement(nb::module_& module) {
    nb::class_<fh::Placement>(module, "Placement")
        .def(
            "__init__",
            [](fh::Placement* self, bool prefault, const std::string& mlock, bool huge, std::int64_t owner,
               std::int64_t group, std::uint32_t mode, bool readers_park) {
                new (self) fh::Placement(placement(prefault, mlock, huge, owner, group, mode, readers_park));
            },
            nb::kw_only(), "prefault"_a = true, "mlock"_a = "off", "huge"_a = false, "owner"_a = -1, "group"_a = -1,
            "mode"_a = 0, "readers_park"_a = false)
        .def(
            "hand_over_folder",
            [](const fh::Placement& self, const std::string& path) { fh::hand_over_folder(path, self); }, "path"_a)
        .def_prop_ro("mode", &fh::Placement::file_mode);
    module.def("ring_bytes", &fh::ring_bytes, "capacity"_a);
    module.def(
        "board_bytes",
        [](std::uint32_t depth, std::uint32_t rows) {
            return fh::board_bytes(depth, rows, fh::board_log_capacity(rows));
        },
        "depth"_a, "rows"_a);
    module.attr("COUNTERS_BYTES") = fh::counters_bytes(fh::COUNTER_COUNT);
}
