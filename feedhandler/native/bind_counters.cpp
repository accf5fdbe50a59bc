// Python faces of counters and clock.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "feedhandler/native/bind.hpp"
#include "shm/clock.hpp"
#include "shm/counters.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

fh::Counter counter(std::size_t index) {
    if (index >= fh::COUNTER_COUNT) throw nb::index_error("no such counter");
    return static_cast<fh::Counter>(index);
}

}  // namespace

void bind_counters(nb::module_& module) {
    module.def("counter_names", [] {
        nb::list names;
        for (const char* name : fh::COUNTER_NAMES) names.append(name);
        return names;
    });
    module.attr("COUNTER_SLOTS") = fh::COUNTER_SLOTS;
    // Raises what is wrong with a counters file; read as bytes it then is as shm/README.md draws it.
    module.def(
        "check_counters",
        [](const std::string& path) {
            fh::File file;
            fh::CountersHeader header;
            if (const auto verdict = fh::open_counters(path, file, header); !verdict.good()) fh::raise(path, verdict);
        },
        "path"_a);
    nb::class_<fh::Counters>(module, "Counters")
        .def(nb::init<const std::string&, const std::string&, std::int64_t, const fh::Placement&>(), "dir"_a,
             "process"_a, "now_ns"_a, "placement"_a = fh::Placement{})
        .def(
            "add",
            [](fh::Counters& self, std::size_t index, std::uint64_t n, std::size_t slot) {
                self.add(counter(index), slot, n);
            },
            "counter"_a, "n"_a = 1, "slot"_a = 0)
        .def(
            "set",
            [](fh::Counters& self, std::size_t index, std::uint64_t value, std::size_t slot) {
                self.set(counter(index), slot, value);
            },
            "counter"_a, "value"_a, "slot"_a = 0)
        .def(
            "get",
            [](const fh::Counters& self, std::size_t index, std::size_t slot) {
                return self.get(counter(index), slot);
            },
            "counter"_a, "slot"_a = 0);
    nb::class_<fh::SharedClock>(module, "SharedClock")
        .def(nb::init<const std::string&, const fh::Placement&>(), "dir"_a, "placement"_a = fh::Placement{})
        .def("now_ns", &fh::SharedClock::now_ns)
        .def("follow", &fh::SharedClock::follow, "tolerance_ns"_a)
        .def_prop_ro("offset_ns", &fh::SharedClock::offset_ns)
        .def_prop_ro("steps", &fh::SharedClock::steps);
}
