// Python face of the instrument directory.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <string_view>
#include <vector>

#include "feedhandler/native/bind.hpp"
#include "shm/directory.hpp"
#include "shm/directory_upgrade.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

// What somebody spoiled must still be listed: bytes that are no UTF-8 come as \xNN.
nb::object shown(std::string_view text) {
    return nb::steal(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "backslashreplace"));
}

template <std::size_t N>
void put_text(char (&to)[N], nb::handle instrument, const char* field) {
    const auto from = nb::cast<std::string_view>(instrument.attr(field));
    if (from.size() >= N)
        throw nb::value_error(
            (std::string(field) + " is longer than " + std::to_string(N - 1) + " bytes: " + std::string(from)).c_str());
    if (from.find('\0') != std::string_view::npos)
        throw nb::value_error((std::string(field) + " has a zero byte").c_str());
    std::memcpy(to, from.data(), from.size());
}

// `keyings` are the names of its codes.
std::uint8_t keying_of(nb::handle name, nb::handle keyings) {
    std::uint8_t code = 0;
    for (const auto known : keyings) {
        if (known.equal(name)) return code;
        ++code;
    }
    throw nb::value_error("no such keying");
}

// Of a feedhandler.instruments.Instrument.
fh::DirectoryEntry entry_of(nb::handle instrument, nb::handle keyings) {
    fh::DirectoryEntry entry{};
    entry.source = nb::cast<std::uint16_t>(instrument.attr("source"));
    entry.keying = keying_of(instrument.attr("keying"), keyings);
    entry.tick = nb::cast<double>(instrument.attr("tick"));
    entry.lot = nb::cast<double>(instrument.attr("lot"));
    entry.price_decimals = nb::cast<std::uint8_t>(instrument.attr("price_decimals"));
    entry.size_decimals = nb::cast<std::uint8_t>(instrument.attr("size_decimals"));
    put_text(entry.currency, instrument, "currency");
    put_text(entry.venue_symbol, instrument, "venue_symbol");
    put_text(entry.symbol, instrument, "symbol");
    put_text(entry.calendar, instrument, "calendar");
    return entry;
}

nb::list add_many(fh::Directory& directory, nb::handle instruments, nb::handle keyings) {
    std::vector<fh::DirectoryEntry> entries;
    for (const auto instrument : instruments) entries.push_back(entry_of(instrument, keyings));
    std::vector<std::uint32_t> ids(entries.size());
    {
        nb::gil_scoped_release release;
        directory.add_many(entries, ids.data());
    }
    nb::list result;
    for (const auto id : ids) result.append(id);
    return result;
}

nb::object get_entry(const fh::Directory& directory, std::uint32_t id) {
    const auto* entry = directory.get(id);
    if (entry == nullptr) return nb::none();
    return nb::make_tuple(entry->id, entry->source, shown(fh::text_of(entry->venue_symbol)),
                          shown(fh::text_of(entry->symbol)), entry->tick, entry->lot, entry->price_decimals,
                          entry->size_decimals, entry->keying, shown(fh::text_of(entry->currency)),
                          shown(fh::text_of(entry->calendar)));
}

nb::list of_symbol(const fh::Directory& directory, std::string_view symbol) {
    nb::list ids;
    for (auto id = directory.first_of(symbol); id != 0; id = directory.next_of(id)) ids.append(id);
    return ids;
}

}  // namespace

void bind_directory(nb::module_& module) {
    nb::class_<fh::Directory>(module, "Directory")
        .def(nb::init<std::string, bool, const fh::Placement&>(), "path"_a, "writable"_a = false,
             "placement"_a = fh::Placement{})
        .def("refresh", &fh::Directory::refresh)
        .def("sync", &fh::Directory::sync, nb::call_guard<nb::gil_scoped_release>())
        .def("find", &fh::Directory::find, "source"_a, "venue_symbol"_a)
        .def("of_symbol", &of_symbol, "symbol"_a, nb::sig("def of_symbol(self, symbol: str) -> list[int]"))
        .def("add_source", &fh::Directory::add_source, "name"_a, nb::call_guard<nb::gil_scoped_release>())
        .def("source_id", &fh::Directory::source_id, "name"_a)
        .def(
            "source_name",
            [](const fh::Directory& self, std::uint16_t source) { return shown(self.source_name(source)); }, "id"_a,
            nb::sig("def source_name(self, id: int) -> str"))
        .def_prop_ro("source_count", &fh::Directory::source_count)
        .def("add_many", &add_many, "instruments"_a, "keyings"_a,
             nb::sig("def add_many(self, instruments: object, keyings: tuple[str, ...]) -> list[int]"))
        .def("get", &get_entry, "id"_a)
        .def("__len__", &fh::Directory::size);
    module.def(
        "upgrade_directory",
        [](const std::string& path) {
            const auto before = fh::upgrade_directory(path);
            return nb::make_tuple(before, fh::DIRECTORY_VERSION);
        },
        "path"_a, nb::sig("def upgrade_directory(path: str) -> tuple[int, int]"));
}
