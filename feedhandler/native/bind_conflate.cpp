// Python faces of the conflator and the board: conversion only.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include "feedhandler/native/bind.hpp"
#include "feedhandler/native/conflate_checkpoint.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

// The conflator with its checkpoint: what the process drives.
class Engine {
public:
    Engine(const std::string& shm_dir, const std::string& state_dir, const std::string& directory,
           std::vector<std::string> rings, std::vector<std::vector<std::string>> ring_sources, std::uint32_t depth,
           std::uint64_t derived_capacity, std::uint32_t board_rows, fh::Counters& counters)
        : conflator(shm_dir, state_dir, directory, rings, std::move(ring_sources), depth, derived_capacity, board_rows,
                    counters),
          checkpoint(shm_dir),
          sent(shm_dir, rings.size()),
          counters_(counters) {
        conflator.registry().refresh();
        resumed = checkpoint.restore(conflator, sent);
        counters.add(fh::Counter::conflate_resumed_books, 0, resumed);
        conflator.start();
    }

    std::size_t run(fh::WaitPolicy policy, std::int64_t timeout_ns, std::int64_t min_interval_ns,
                    std::int64_t checkpoint_ns) {
        const auto records = conflator.run(policy, timeout_ns, min_interval_ns);
        if (checkpoint.running()) {
            if (checkpoint.step(conflator, 65536)) counters_.add(fh::Counter::conflate_checkpoints, 0, 1);
        } else if (const auto now = fh::monotonic_ns(); now >= next_checkpoint_) {
            next_checkpoint_ = now + checkpoint_ns;
            checkpoint.begin(conflator);
        }
        return records;
    }

    // Messages as a flat list (topic, payload, extra or None, ...), and the output is empty again.
    nb::list take() {
        fh::Output& output = conflator.output();
        nb::list frames;
        for (const fh::Message& message : output.messages()) {
            frames.append(nb::bytes(message.topic->name.data(), message.topic->name.size()));
            frames.append(nb::bytes(output.data() + message.payload, message.payload_bytes));
            if (message.extra_bytes != 0)
                frames.append(nb::bytes(output.data() + message.extra, message.extra_bytes));
            else
                frames.append(nb::none());
        }
        output.clear();
        return frames;
    }

    fh::Conflator conflator;
    fh::Checkpoint checkpoint;
    fh::SentPosition sent;
    std::size_t resumed = 0;

private:
    fh::Counters& counters_;
    std::int64_t next_checkpoint_ = 0;
};

nb::list resnapshots(Engine& self) {
    nb::list wanted;
    auto& list = self.conflator.resnapshots();
    for (const fh::Resnapshot& each : list)
        wanted.append(nb::make_tuple(self.conflator.registry().sources()[each.source]->name, each.instrument));
    list.clear();
    return wanted;
}

nb::list ring_status(Engine& self) {
    nb::list rings;
    for (const fh::Input& input : self.conflator.inputs()) {
        nb::dict ring;
        ring["ring"] = input.reader.name();
        ring["epoch"] = input.reader.attached() ? input.reader.epoch() : 0;
        ring["next"] = input.reader.next();
        ring["published"] = input.reader.attached() ? input.reader.published() : 0;
        ring["writer"] = static_cast<int>(input.writer);
        rings.append(ring);
    }
    return rings;
}

nb::object book_levels(Engine& self, std::uint32_t id) {
    if (id >= self.conflator.registry().instruments().size() || !self.conflator.registry().instruments()[id])
        return nb::none();
    const auto& book = self.conflator.registry().instruments()[id]->book;
    const auto side = [](const fh::BookSide& levels) {
        nb::list result;
        for (std::size_t i = 0; i < levels.size(); ++i)
            result.append(nb::make_tuple(levels.at(i).price, levels.at(i).size));
        return result;
    };
    return nb::make_tuple(side(book.bids()), side(book.asks()));
}

void bind_board(nb::module_& module) {
    using Bytes = nb::ndarray<std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
    nb::class_<fh::BoardReader>(module, "BoardReader")
        .def(nb::init<const std::string&>(), "dir"_a)
        .def("attach", &fh::BoardReader::attach)
        .def(
            "read",
            [](const fh::BoardReader& self, std::uint32_t instrument, Bytes out) {
                if (out.size() < self.row_bytes() || reinterpret_cast<std::uintptr_t>(out.data()) % 8 != 0)
                    throw nb::value_error("buffer is smaller than a row or not 8-byte aligned");
                return self.read(instrument, out.data());
            },
            "instrument"_a, "out"_a)
        .def(
            "read_all",
            [](const fh::BoardReader& self, Bytes out) {
                const std::size_t rows = out.size() / self.row_bytes();
                if (reinterpret_cast<std::uintptr_t>(out.data()) % 8 != 0)
                    throw nb::value_error("buffer is not 8-byte aligned");
                std::size_t failed = 0;
                const nb::gil_scoped_release release;
                for (std::uint32_t row = 0; row < rows; ++row)
                    if (!self.read(row, out.data() + std::size_t{row} * self.row_bytes())) ++failed;
                return failed;
            },
            "out"_a)
        .def_prop_ro("depth", &fh::BoardReader::depth)
        .def_prop_ro("rows", &fh::BoardReader::rows)
        .def_prop_ro("row_bytes", &fh::BoardReader::row_bytes)
        .def_prop_ro("publisher_epoch", &fh::BoardReader::publisher_epoch)
        .def_prop_ro("heartbeat_ns", &fh::BoardReader::heartbeat_ns)
        .def_prop_ro("writer_alive", &fh::BoardReader::writer_alive);
    // For tests and for boards that Python fills: one row with its levels, as BoardReader.read() gives it.
    nb::class_<fh::BoardWriter>(module, "BoardWriter")
        .def(nb::init<const std::string&, std::uint32_t, std::uint32_t, std::uint64_t>(), "dir"_a, "depth"_a, "rows"_a,
             "publisher_epoch"_a)
        .def(
            "write",
            [](fh::BoardWriter& self, std::uint32_t instrument, Bytes row) {
                if (row.size() != self.row_bytes() || reinterpret_cast<std::uintptr_t>(row.data()) % 8 != 0)
                    throw nb::value_error("buffer is not one row, or not 8-byte aligned");
                self.write(instrument, *reinterpret_cast<const fh::BoardRow*>(row.data()),
                           reinterpret_cast<const double*>(row.data() + sizeof(fh::BoardRow)));
            },
            "instrument"_a, "row"_a)
        .def("heartbeat", &fh::BoardWriter::heartbeat, "monotonic_now_ns"_a);
    module.def("board_layout", [] {
        nb::dict layout;
        layout["row_bytes"] = sizeof(fh::BoardRow);
#define FH_FIELD(name) layout[#name] = offsetof(fh::BoardRow, name)
        FH_FIELD(version), FH_FIELD(ring_epoch), FH_FIELD(ring_seq), FH_FIELD(ts_event), FH_FIELD(ts_recv);
        FH_FIELD(ts_update), FH_FIELD(bid), FH_FIELD(bid_size), FH_FIELD(ask), FH_FIELD(ask_size);
        FH_FIELD(last_price), FH_FIELD(last_size), FH_FIELD(last_ts), FH_FIELD(open), FH_FIELD(high), FH_FIELD(low);
        FH_FIELD(volume), FH_FIELD(turnover), FH_FIELD(trades), FH_FIELD(updates), FH_FIELD(instrument);
        FH_FIELD(source), FH_FIELD(state), FH_FIELD(bid_levels), FH_FIELD(ask_levels), FH_FIELD(last_side);
        FH_FIELD(flags), FH_FIELD(reserved), FH_FIELD(spare);
#undef FH_FIELD
        return layout;
    });
}

}  // namespace

void bind_conflate(nb::module_& module) {
    bind_board(module);
    nb::class_<Engine>(module, "Conflator")
        .def(nb::init<const std::string&, const std::string&, const std::string&, std::vector<std::string>,
                      std::vector<std::vector<std::string>>, std::uint32_t, std::uint64_t, std::uint32_t,
                      fh::Counters&>(),
             "shm_dir"_a, "state_dir"_a, "directory"_a, "rings"_a, "ring_sources"_a, "depth"_a, "derived_capacity"_a,
             "board_rows"_a, "counters"_a, nb::keep_alive<1, 10>())
        .def("run", &Engine::run, "policy"_a, "timeout_ns"_a, "min_interval_ns"_a, "checkpoint_ns"_a,
             nb::call_guard<nb::gil_scoped_release>())
        .def("take", &Engine::take)
        .def("sent", [](Engine& self) { self.sent.store_all(self.conflator.inputs()); })
        .def("heartbeat", [](Engine& self) { self.conflator.heartbeat(); })
        .def(
            "enable",
            [](Engine& self, int channel, bool on) {
                if (channel < 0 || channel >= fh::channel_count) throw nb::index_error("no such channel");
                self.conflator.enable(static_cast<fh::Channel>(channel), on);
            },
            "channel"_a, "on"_a)
        .def(
            "snapshot", [](Engine& self, std::string_view prefix) { return self.conflator.snapshot(prefix); },
            "prefix"_a)
        .def("resnapshots", &resnapshots)
        .def("rings", &ring_status)
        .def("book", &book_levels, "instrument"_a)
        .def_prop_ro("publisher_epoch", [](const Engine& self) { return self.conflator.publisher_epoch(); })
        .def_ro("resumed", &Engine::resumed);
}
