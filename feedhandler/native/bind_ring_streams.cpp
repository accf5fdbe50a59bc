// Python faces of reading rings: conversion only. feedhandler/ring.py makes Reader and MergedReader of them.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "feedhandler/native/bind.hpp"
#include "feedhandler/native/merge_stream.hpp"
#include "feedhandler/native/ring_docs.hpp"
#include "feedhandler/native/ring_stream.hpp"

namespace nb = nanobind;
namespace docs = fh::python::docs;
using namespace nb::literals;
using fh::RingFollower;
using fh::RingReader;
using fh::python::MergeStream;
using fh::python::RingStream;

namespace {

constexpr std::int64_t STALL_NS = 2'000'000'000;
const nb::sig READ(
    "def read(self, out: typing.Any = None, max: int | None = None, timeout: float | None = 0.0) -> typing.Any");
const nb::sig VIEW("def view(self, max_records: int = 4096) -> tuple[int, typing.Any]");

// Lists of numbers or None: None is no demand. ValueError for what no id or kind can be.
fh::RingFilter filter_of(nb::handle instruments, nb::handle kinds) {
    fh::RingFilter filter;
    std::vector<std::uint32_t> ids;
    std::vector<std::uint8_t> codes;
    if (!instruments.is_none() && !nb::try_cast(instruments, ids)) throw nb::value_error("instruments: expected ids");
    if (!kinds.is_none() && !nb::try_cast(kinds, codes)) throw nb::value_error("kinds: expected numbers below 256");
    if (!instruments.is_none()) filter.instruments(ids);
    if (!kinds.is_none()) filter.kinds(codes);
    return filter;
}

fh::RingFollowerOptions options(bool from_oldest, bool follow, fh::WaitPolicy policy) {
    fh::RingFollowerOptions options;
    options.from_oldest = from_oldest;
    options.follow = follow;
    options.wait = policy;
    options.max_records = 1;  // the buffer is Python's
    return options;
}

// A property that is a question to the RingReader or the RingFollower inside.
template <class T>
auto of_reader(T (RingReader::*ask)() const noexcept) {
    return [ask](const RingStream& stream) { return (stream.ring().reader().*ask)(); };
}
auto of_follower(std::uint64_t (RingFollower::*ask)() const noexcept) {
    return [ask](const RingStream& stream) { return (stream.ring().*ask)(); };
}

void bind_place(nb::class_<RingStream>& stream) {
    stream.def_prop_ro("problem", [](const RingStream& self) { return self.ring().reader().problem(); })
        .def_prop_ro("name", [](const RingStream& self) { return self.ring().reader().name(); })
        .def_prop_ro("attached", of_reader(&RingReader::attached))
        .def_prop_ro("epoch", of_reader(&RingReader::epoch))
        .def_prop_ro("next", of_reader(&RingReader::next))
        .def_prop_ro("published", of_reader(&RingReader::published))
        .def_prop_ro("capacity", of_reader(&RingReader::capacity))
        .def_prop_ro("previous_epoch", of_reader(&RingReader::previous_epoch))
        .def_prop_ro("previous_last", of_reader(&RingReader::previous_last))
        .def_prop_ro("writer_pid", of_reader(&RingReader::writer_pid))
        .def_prop_ro("records", of_follower(&RingFollower::records))
        .def_prop_ro("lost", of_follower(&RingFollower::lost))
        .def_prop_ro("filtered", of_follower(&RingFollower::filtered))
        .def_prop_ro("laps", of_follower(&RingFollower::laps))
        .def_prop_ro("restarts", of_follower(&RingFollower::restarts))
        .def_prop_ro("epochs_gone", of_follower(&RingFollower::epochs_gone));
}

void bind_ring_stream(nb::module_& module) {
    nb::class_<RingStream> stream(module, "RingStream");
    stream
        .def(
            "__init__",
            [](RingStream* self, const std::string& dir, const std::string& ring, nb::object buffer,
               nb::object batch_type, bool from_oldest, bool follow, bool raise_losses, fh::WaitPolicy policy) {
                new (self) RingStream(dir, ring, options(from_oldest, follow, policy), raise_losses, std::move(buffer),
                                      std::move(batch_type));
            },
            "dir"_a, "ring"_a, "buffer"_a, "batch_type"_a, "from_oldest"_a, "follow"_a, "raise_losses"_a, "policy"_a)
        .def("read", &RingStream::read, "out"_a = nb::none(), "max"_a = nb::none(), "timeout"_a.none() = 0, READ,
             docs::READ)
        .def("view", &RingStream::view, "max_records"_a = 4096, VIEW, docs::VIEW)
        .def("still_valid", &RingStream::still_valid, "first"_a, docs::STILL_VALID)
        .def("advance", &RingStream::advance, "count"_a, docs::ADVANCE)
        .def("wait", &RingStream::wait, "timeout_ns"_a, "policy"_a = fh::WaitPolicy::park, docs::WAIT)
        .def("attach", &RingStream::attach, docs::ATTACH)
        .def("open", &RingStream::open, docs::OPEN)
        .def("follow", &RingStream::follow, docs::FOLLOW)
        .def("fileno", &RingStream::fd, docs::FILENO)
        .def("seek", &RingStream::seek, "next"_a, docs::SEEK)
        .def(
            "state",
            [](const RingStream& self, std::int64_t stall_ns) {
                return self.ring().reader().state(fh::monotonic_ns(), stall_ns);
            },
            "stall_ns"_a = STALL_NS, docs::STATE)
        .def(
            "set_filter",
            [](RingStream& self, nb::handle instruments, nb::handle kinds) {
                self.filter(filter_of(instruments, kinds));
            },
            "instruments"_a.none(), "kinds"_a.none());
    bind_place(stream);
}

void bind_merge_stream(nb::module_& module) {
    const auto sum = [](std::uint64_t (RingFollower::*count)() const noexcept) {
        return [count](const MergeStream& self) { return self.sum(count); };
    };
    nb::class_<MergeStream>(module, "MergeStream")
        .def(
            "__init__",
            [](MergeStream* self, const std::string& dir, const std::vector<std::string>& rings, nb::object buffer,
               nb::object indices, nb::object batch_type, std::int64_t bound_ns, bool from_oldest, bool raise_losses,
               fh::WaitPolicy policy) {
                new (self) MergeStream(dir, rings, options(from_oldest, true, policy), bound_ns, raise_losses,
                                       std::move(buffer), std::move(indices), std::move(batch_type));
            },
            "dir"_a, "rings"_a, "buffer"_a, "indices"_a, "batch_type"_a, "bound_ns"_a, "from_oldest"_a,
            "raise_losses"_a, "policy"_a)
        .def("read", &MergeStream::read, "out"_a = nb::none(), "max"_a = nb::none(), "timeout"_a.none() = 0, READ,
             docs::READ)
        .def("fileno", &MergeStream::fd, docs::FILENO)
        .def(
            "set_filter",
            [](MergeStream& self, nb::handle instruments, nb::handle kinds) {
                self.filter(filter_of(instruments, kinds));
            },
            "instruments"_a.none(), "kinds"_a.none())
        .def_prop_ro("names", &MergeStream::names)
        .def_prop_ro("epochs", &MergeStream::epochs)
        .def_prop_ro("states", &MergeStream::states)
        .def_prop_ro("waiting", &MergeStream::waiting)
        .def_prop_ro("lost", sum(&RingFollower::lost))
        .def_prop_ro("filtered", sum(&RingFollower::filtered))
        .def_prop_ro("restarts", sum(&RingFollower::restarts));
}

}  // namespace

void bind_ring_streams(nb::module_& module) {
    bind_ring_stream(module);
    bind_merge_stream(module);
}
