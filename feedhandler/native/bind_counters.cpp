// Python faces of counters, clock and instrument directory.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include "feedhandler/native/bind.hpp"
#include "shm/clock.hpp"
#include "shm/counters.hpp"
#include "shm/directory.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

fh::Counter counter(std::size_t index) {
    if (index >= fh::COUNTER_COUNT) throw nb::index_error("no such counter");
    return static_cast<fh::Counter>(index);
}

template <std::size_t N>
void copy_text(char (&to)[N], const std::string& from, const char* field) {
    if (from.size() >= N) throw nb::value_error((std::string(field) + " is too long: " + from).c_str());
    std::memcpy(to, from.c_str(), from.size() + 1);
}

std::uint32_t add_entry(fh::Directory& directory, std::uint16_t source, const std::string& venue_symbol,
                        const std::string& symbol, double tick, double lot, std::uint8_t price_decimals,
                        std::uint8_t size_decimals, std::uint8_t keying, const std::string& currency,
                        const std::string& calendar) {
    fh::DirectoryEntry entry{};
    entry.source = source;
    entry.keying = keying;
    entry.tick = tick;
    entry.lot = lot;
    entry.price_decimals = price_decimals;
    entry.size_decimals = size_decimals;
    copy_text(entry.venue_symbol, venue_symbol, "venue symbol");
    copy_text(entry.symbol, symbol, "symbol");
    copy_text(entry.currency, currency, "currency");
    copy_text(entry.calendar, calendar, "calendar");
    return directory.add(entry);
}

nb::object get_entry(const fh::Directory& directory, std::uint32_t id) {
    const auto* entry = directory.get(id);
    if (entry == nullptr) return nb::none();
    return nb::make_tuple(entry->id, entry->source, entry->venue_symbol, entry->symbol, entry->tick, entry->lot,
                          entry->price_decimals, entry->size_decimals, entry->keying, entry->currency, entry->calendar);
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
        .def(nb::init<const std::string&, const std::string&, std::int64_t>(), "dir"_a, "process"_a, "now_ns"_a)
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
        .def(nb::init<const std::string&>(), "dir"_a)
        .def("now_ns", &fh::SharedClock::now_ns)
        .def("follow", &fh::SharedClock::follow, "tolerance_ns"_a)
        .def_prop_ro("offset_ns", &fh::SharedClock::offset_ns)
        .def_prop_ro("steps", &fh::SharedClock::steps);
    nb::class_<fh::Directory>(module, "Directory")
        .def(nb::init<std::string, bool>(), "path"_a, "writable"_a = false)
        .def("refresh", &fh::Directory::refresh)
        .def("sync", &fh::Directory::sync)
        .def("find", &fh::Directory::find, "source"_a, "venue_symbol"_a)
        .def("add_source", &fh::Directory::add_source, "name"_a)
        .def("source_id", &fh::Directory::source_id, "name"_a)
        .def("source_name", &fh::Directory::source_name, "id"_a)
        .def_prop_ro("source_count", &fh::Directory::source_count)
        .def("add", &add_entry, "source"_a, "venue_symbol"_a, "symbol"_a, "tick"_a, "lot"_a, "price_decimals"_a,
             "size_decimals"_a, "keying"_a, "currency"_a, "calendar"_a)
        .def("get", &get_entry, "id"_a)
        .def("__len__", &fh::Directory::size);
}
