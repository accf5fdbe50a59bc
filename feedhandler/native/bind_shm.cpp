// Python faces of shm/: conversion only. Every call that may wait releases the GIL once.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "feedhandler/native/bind.hpp"
#include "feedhandler/native/ring_arrays.hpp"
#include "shm/clock.hpp"
#include "shm/ring_reader.hpp"
#include "shm/ring_writer.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

// Records cross the border as C-contiguous uint8 arrays of whole records: numpy views on both sides.
using Bytes = nb::ndarray<std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using ConstBytes = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

std::size_t whole_records(std::size_t bytes) {
    if (bytes % sizeof(fh::Record) != 0) throw nb::value_error("buffer is not a whole number of 64-byte records");
    return bytes / sizeof(fh::Record);
}

nb::dict layout() {
    nb::dict fields;
    const auto field = [&](const char* name, const char* type, std::size_t offset) {
        fields[name] = nb::make_tuple(type, offset);
    };
    field("seq", "<u8", offsetof(fh::Record, seq));
    field("ts_event", "<i8", offsetof(fh::Record, ts_event));
    field("ts_recv", "<i8", offsetof(fh::Record, ts_recv));
    field("price", "<f8", offsetof(fh::Record, price));
    field("size", "<f8", offsetof(fh::Record, size));
    field("ref", "<u8", offsetof(fh::Record, ref));
    field("instrument", "<u4", offsetof(fh::Record, instrument));
    field("source", "<u2", offsetof(fh::Record, source));
    field("kind", "u1", offsetof(fh::Record, kind));
    field("side", "u1", offsetof(fh::Record, side));
    field("action", "u1", offsetof(fh::Record, action));
    field("flags", "u1", offsetof(fh::Record, flags));
    field("level", "<u2", offsetof(fh::Record, level));
    field("delay", "<u4", offsetof(fh::Record, delay));
    nb::dict result;
    result["version"] = fh::LAYOUT_VERSION;
    result["itemsize"] = sizeof(fh::Record);
    result["fields"] = fields;
    return result;
}

void append_records(fh::RingWriter& writer, ConstBytes records) {
    const std::size_t count = whole_records(records.size());
    const std::uint8_t* data = records.data();
    for (std::size_t i = 0; i < count; ++i) {
        fh::Record record;
        std::memcpy(&record, data + i * sizeof record, sizeof record);
        const bool last = (record.flags & fh::flag::last) != 0;
        writer.append(record);
        if (last) writer.end_event();
    }
}

std::pair<std::size_t, std::uint64_t> read_records(fh::RingReader& reader, Bytes out) {
    const std::size_t count = whole_records(out.size());
    if (reinterpret_cast<std::uintptr_t>(out.data()) % alignof(std::uint64_t) != 0)
        throw nb::value_error("buffer is not 8-byte aligned");
    auto* records = reinterpret_cast<fh::Record*>(out.data());
    nb::gil_scoped_release release;
    const auto result = reader.read(records, count);
    return {result.count, result.lost};
}

void bind_writer(nb::module_& module) {
    nb::class_<fh::RingWriter>(module, "RingWriter")
        .def(nb::init<const std::string&, const std::string&, const std::string&, std::uint64_t, std::size_t,
                      const fh::Placement&>(),
             "dir"_a, "state_dir"_a, "name"_a, "capacity"_a, "keep_epochs"_a = 3, "placement"_a = fh::Placement{})
        .def("append", &append_records, "records"_a)
        .def("end_event", &fh::RingWriter::end_event)
        .def("drop_event", &fh::RingWriter::drop_event)
        .def(
            "note",
            [](fh::RingWriter& writer, std::size_t session, std::uint64_t value) {
                if (session >= fh::NOTE_SESSIONS) throw nb::index_error("session must be below 64");
                writer.note(session, value);
            },
            "session"_a, "value"_a)
        .def(
            "previous_note",
            [](const fh::RingWriter& writer, std::size_t session) {
                if (session >= fh::NOTE_SESSIONS) throw nb::index_error("session must be below 64");
                return writer.previous_note(session);
            },
            "session"_a)
        .def("publish", &fh::RingWriter::publish, "now_ns"_a)
        .def("heartbeat", &fh::RingWriter::heartbeat, "monotonic_now_ns"_a)
        .def_prop_ro("name", &fh::RingWriter::name)
        .def_prop_ro("epoch", &fh::RingWriter::epoch)
        .def_prop_ro("published", &fh::RingWriter::published)
        .def_prop_ro("capacity", &fh::RingWriter::capacity)
        .def_prop_ro("refused", &fh::RingWriter::refused)
        .def_prop_ro("forced_out", &fh::RingWriter::forced_out)
        .def_prop_ro("previous_epoch", &fh::RingWriter::previous_epoch)
        .def_prop_ro("previous_last", &fh::RingWriter::previous_last);
}

void bind_reader(nb::module_& module) {
    nb::enum_<fh::Attach>(module, "Attach")
        .value("OK", fh::Attach::ok)
        .value("MISSING", fh::Attach::missing)
        .value("STARTING", fh::Attach::starting)
        .value("VERSION_MISMATCH", fh::Attach::version_mismatch)
        .value("WRITER_DEAD", fh::Attach::writer_dead)
        .value("STALLED", fh::Attach::stalled)
        .value("DENIED", fh::Attach::denied)
        .value("DAMAGED", fh::Attach::damaged);
    nb::enum_<fh::WaitPolicy>(module, "WaitPolicy")
        .value("SPIN", fh::WaitPolicy::spin)
        .value("YIELD", fh::WaitPolicy::yield)
        .value("PARK", fh::WaitPolicy::park)
        .value("ADAPTIVE", fh::WaitPolicy::adaptive);
    nb::class_<fh::RingReader>(module, "RingReader")
        .def(nb::init<std::string, std::string>(), "dir"_a, "name"_a)
        .def("attach", &fh::RingReader::attach, "epoch"_a = 0, "from_oldest"_a = false)
        .def("open", &fh::RingReader::open, "epoch"_a = 0, "from_oldest"_a = false)
        .def("attach_following", &fh::RingReader::attach_following)
        .def("read_into", &read_records, "out"_a)
        .def("view", &fh::python::view_of, "max"_a)
        .def("advance", &fh::RingReader::advance, "count"_a)
        .def("still_valid", &fh::RingReader::still_valid, "first"_a)
        .def("lapped", &fh::RingReader::lapped)
        .def("seek", &fh::RingReader::seek, "next"_a)
        .def("wait", &fh::RingReader::wait, "policy"_a, "timeout_ns"_a, nb::call_guard<nb::gil_scoped_release>())
        .def("state", &fh::RingReader::state, "monotonic_now_ns"_a, "stall_ns"_a)
        .def("newer_epoch", &fh::RingReader::newer_epoch)
        .def("following_epoch", &fh::RingReader::following_epoch)
        .def_prop_ro("problem", &fh::RingReader::problem)
        .def_prop_ro("attached", &fh::RingReader::attached)
        .def_prop_ro("name", &fh::RingReader::name)
        .def_prop_ro("epoch", &fh::RingReader::epoch)
        .def_prop_ro("next", &fh::RingReader::next)
        .def_prop_ro("published", &fh::RingReader::published)
        .def_prop_ro("capacity", &fh::RingReader::capacity)
        .def_prop_ro("previous_epoch", &fh::RingReader::previous_epoch)
        .def_prop_ro("previous_last", &fh::RingReader::previous_last)
        .def_prop_ro("writer_pid", &fh::RingReader::writer_pid);
}

}  // namespace

void bind_shm(nb::module_& module) {
    module.def("layout", &layout);
    module.def("monotonic_ns", &fh::monotonic_ns);
    module.def("realtime_ns", &fh::realtime_ns);
    module.def("measure_realtime_offset", &fh::measure_realtime_offset);
    module.def(
        "ring_epochs", [](const std::string& dir, const std::string& ring) { return fh::ring_epochs(dir, ring); },
        "dir"_a, "ring"_a);
    bind_writer(module);
    bind_reader(module);
}
