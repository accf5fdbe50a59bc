// Python face of the conflator: conversion only.
#include <nanobind/nanobind.h>
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
           std::uint64_t derived_capacity, std::uint32_t board_rows, fh::Counters& counters,
           const fh::Placement& placement)
        : conflator(shm_dir, state_dir, directory, rings, std::move(ring_sources), depth, derived_capacity, board_rows,
                    counters, placement),
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
        if (sends) sent.store_all(conflator.inputs());
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
        for (const fh::Message& message : output.messages()) append(frames, message);
        for (const fh::Message& message : output.batches()) append(frames, message);
        output.clear();
        return frames;
    }

    void leave_through(const fh::ZmqSocket& socket) {
        conflator.leave_through(&socket);
        sends = true;
    }

    fh::Conflator conflator;
    fh::Checkpoint checkpoint;
    fh::SentPosition sent;
    std::size_t resumed = 0;
    bool sends = false;

private:
    void append(nb::list& frames, const fh::Message& message) {
        const std::uint8_t* data = conflator.output().data();
        frames.append(nb::bytes(message.topic->name.data(), message.topic->name.size()));
        frames.append(nb::bytes(data + message.payload, message.payload_bytes));
        if (message.extra_bytes != 0)
            frames.append(nb::bytes(data + message.extra, message.extra_bytes));
        else
            frames.append(nb::none());
    }

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
        nb::list sources;
        for (const auto id : input.sources) sources.append(self.conflator.registry().sources()[id]->name);
        ring["sources"] = sources;
        ring["epoch"] = input.reader.attached() ? input.reader.epoch() : 0;
        ring["next"] = input.reader.next();
        ring["published"] = input.reader.attached() ? input.reader.published() : 0;
        ring["writer"] = static_cast<int>(input.writer);
        ring["problem"] = input.reader.refused() ? input.reader.problem() : std::string();
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

}  // namespace

void bind_conflate(nb::module_& module) {
    nb::class_<Engine>(module, "Conflator")
        .def(nb::init<const std::string&, const std::string&, const std::string&, std::vector<std::string>,
                      std::vector<std::vector<std::string>>, std::uint32_t, std::uint64_t, std::uint32_t, fh::Counters&,
                      const fh::Placement&>(),
             "shm_dir"_a, "state_dir"_a, "directory"_a, "rings"_a, "ring_sources"_a, "depth"_a, "derived_capacity"_a,
             "board_rows"_a, "counters"_a, "placement"_a = fh::Placement{}, nb::keep_alive<1, 10>())
        .def("run", &Engine::run, "policy"_a, "timeout_ns"_a, "min_interval_ns"_a, "checkpoint_ns"_a,
             nb::call_guard<nb::gil_scoped_release>())
        .def("take", &Engine::take)
        .def("leave_through", &Engine::leave_through, "socket"_a, nb::keep_alive<1, 2>())
        .def("send", [](Engine& self) { self.conflator.send(); })
        .def("sent", [](Engine& self) { self.sent.store_all(self.conflator.inputs()); })
        .def_ro_static("HEARTBEATS_AN_INTERVAL", &fh::Digest::SLICES)
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
