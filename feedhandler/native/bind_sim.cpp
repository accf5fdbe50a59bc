// Python faces of the simulated venue: conversion only. run() releases the GIL for its whole stay.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "feedhandler/native/bind.hpp"
#include "feedhandler/native/sim_character.hpp"
#include "feedhandler/native/sim_venue.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using fh::sim::Batch;
using fh::sim::EntryType;
using fh::sim::Model;
using fh::sim::ModelOptions;
using fh::sim::ModelSymbol;
using fh::sim::SentStore;
using fh::sim::Venue;
using ConstBytes = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class Row>
nb::bytes rows(const std::vector<Row>& all) {
    return nb::bytes(reinterpret_cast<const char*>(all.data()), all.size() * sizeof(Row));
}

nb::tuple to_python(const Batch& batch) { return nb::make_tuple(rows(batch.events), rows(batch.entries)); }

// Symbols arrive as (base_ticks, tick, lot) integers.
std::vector<ModelSymbol> to_symbols(const std::vector<std::tuple<std::int64_t, std::int64_t, std::int64_t>>& rows_in) {
    std::vector<ModelSymbol> symbols;
    for (const auto& [base, tick, lot] : rows_in) symbols.push_back({base, tick, lot});
    return symbols;
}

nb::dict to_python(const fh::sim::Character& character) {
    nb::dict result;
    result["events"] = character.events;
    result["entries"] = character.entries;
    result["seconds"] = static_cast<double>(character.last_ns) * 1e-9;
    result["trades"] = character.trades;
    result["deletes"] = character.deletes;
    result["bbo_changes"] = character.bbo_changes;
    result["crossed"] = character.crossed;
    result["misfits"] = character.misfits;
    result["bursts"] = character.bursts;
    result["burst_factor"] = character.burst_factor();
    result["busiest_share"] = character.busiest_share();
    nb::list spreads;
    for (const std::uint64_t count : character.spreads) spreads.append(count);
    result["spreads"] = spreads;
    return result;
}

nb::list levels(const fh::sim::BookSide& side) {
    nb::list result;
    for (std::size_t i = 0; i < side.size();) {  // quotes at one price are one level
        const std::int64_t price = side.from_best(i).price;
        std::int64_t size = 0;
        while (i < side.size() && side.from_best(i).price == price) size += side.from_best(i++).size;
        result.append(nb::make_tuple(price, size));
    }
    return result;
}

nb::tuple run(Venue& venue, int listener, std::int64_t until_ns) {
    std::vector<fh::sim::Inbound> inbound;
    bool caller = false;
    {
        nb::gil_scoped_release release;
        caller = venue.run(listener, until_ns, inbound);
    }
    nb::list arrived;
    for (const auto& one : inbound)
        arrived.append(nb::make_tuple(one.slot, one.closed, nb::bytes(one.data.data(), one.data.size())));
    return nb::make_tuple(caller, arrived);
}

nb::list stored(const SentStore& store, std::uint64_t begin, std::uint64_t end) {
    nb::list result;
    const auto& messages = store.messages();
    for (std::size_t i = store.first_from(begin); i < messages.size() && messages[i].seq <= end; ++i) {
        const auto bytes = store.bytes(messages[i]);
        result.append(nb::make_tuple(messages[i].seq, nb::bytes(bytes.data(), bytes.size()), messages[i].instrument,
                                     messages[i].entries));
    }
    return result;
}

nb::dict to_python(const fh::sim::InstrumentCounts& counts) {
    nb::dict result;
    result["sent"] = counts.sent;
    result["resent"] = counts.resent;
    result["skipped"] = counts.skipped;
    result["cut"] = counts.cut;
    result["unsent"] = counts.unsent;
    return result;
}

nb::dict totals(const Venue& venue) {
    const fh::sim::InstrumentCounts sum = venue.sum();
    nb::dict result;
    result["ticks_sent"] = sum.sent;
    result["ticks_resent"] = sum.resent;
    result["ticks_skipped"] = sum.skipped;
    result["ticks_cut"] = sum.cut;
    result["ticks_unsent"] = sum.unsent;
    result["events"] = venue.counts.events;
    result["entries"] = venue.counts.entries;
    result["messages_sent"] = venue.counts.messages_sent;
    result["bytes_sent"] = venue.connections().bytes_sent;
    result["crossed"] = venue.counts.crossed;
    result["misfits"] = venue.counts.misfits;
    result["slow_consumers"] = venue.connections().slow_consumers;
    return result;
}

nb::dict lateness(const Venue& venue) {
    const auto& late = venue.flow.lateness;
    nb::dict result;
    nb::list buckets;
    for (const std::uint64_t count : late.buckets) buckets.append(count);
    result["events"] = late.events;
    result["max_ns"] = late.max_ns;
    result["mean_ns"] = late.events > 0 ? late.sum_ns / static_cast<std::int64_t>(late.events) : 0;
    result["buckets"] = buckets;
    return result;
}

void bind_model(nb::module_& module) {
    nb::class_<ModelOptions>(module, "SimModelOptions")
        .def(nb::init<>())
        .def_rw("seed", &ModelOptions::seed)
        .def_rw("rate", &ModelOptions::rate)
        .def_rw("levels", &ModelOptions::levels)
        .def_rw("by_id", &ModelOptions::by_id)
        .def_rw("burst_period_ns", &ModelOptions::burst_period_ns);
    nb::class_<Model>(module, "SimModel")
        .def(
            "__init__",
            [](Model* self, const ModelOptions& options,
               const std::vector<std::tuple<std::int64_t, std::int64_t, std::int64_t>>& symbols) {
                new (self) Model(options, to_symbols(symbols));
            },
            "options"_a, "symbols"_a)
        .def("opening",
             [](Model& model) {
                 Batch batch;
                 model.opening(batch);
                 return to_python(batch);
             })
        .def(
            "generate",
            [](Model& model, std::size_t events) {
                Batch batch;
                model.append(batch, events);
                return to_python(batch);
            },
            "events"_a);
    module.def("sim_sharpen_timers", &fh::sim::Connections::sharpen_timers);
    module.def(
        "sim_measure",
        [](const ModelOptions& options,
           const std::vector<std::tuple<std::int64_t, std::int64_t, std::int64_t>>& symbols,
           double seconds) { return to_python(fh::sim::measure(options, to_symbols(symbols), seconds)); },
        "options"_a, "symbols"_a, "seconds"_a);
}

void bind_store(nb::module_& module) {
    nb::class_<SentStore>(module, "SimStore")
        .def(nb::init<std::size_t>(), "capacity"_a)
        .def_rw("next_in", &SentStore::next_in)
        .def_prop_rw("next_out", &SentStore::next_out, &SentStore::set_next_out)
        .def_rw("skip_next", &SentStore::skip_next)
        .def_ro("last_seq_sent", &SentStore::last_seq_sent)
        .def_ro("messages_sent", &SentStore::messages_sent)
        .def_ro("entries_sent", &SentStore::entries_sent)
        .def("stored", &stored, "begin"_a, "end"_a);
}

void bind_venue_feed(nb::class_<Venue>& venue) {
    venue
        .def(
            "use_model",
            [](Venue& self, const ModelOptions& options,
               const std::vector<std::tuple<std::int64_t, std::int64_t, std::int64_t>>& symbols) {
                auto model = std::make_unique<Model>(options, to_symbols(symbols));
                Batch opening;
                model->opening(opening);
                self.open_books(opening);
                self.set_feed(std::make_unique<fh::sim::Feed>(std::move(model)));
            },
            "options"_a, "symbols"_a)
        .def(
            "use_script",
            [](Venue& self, ConstBytes events, ConstBytes entries) {
                if (events.size() % sizeof(fh::sim::Event) != 0 || entries.size() % sizeof(fh::sim::Entry) != 0)
                    throw nb::value_error("script: not a whole number of rows");
                self.set_feed(std::make_unique<fh::sim::Feed>(
                    fh::sim::checked_batch(events.data(), events.size() / sizeof(fh::sim::Event), entries.data(),
                                           entries.size() / sizeof(fh::sim::Entry), self.instruments().size())));
            },
            "events"_a, "entries"_a)
        .def("log_bbo",
             [](Venue& self, const std::string& path) { self.set_bbo_log(std::make_unique<fh::sim::BboLog>(path)); })
        .def("flush_log", [](Venue& self) {
            if (self.bbo_log() == nullptr) return std::uint64_t{0};
            if (!self.bbo_log()->flush()) throw std::runtime_error("the BBO log could not be written");
            return self.bbo_log()->rows();
        });
}

void bind_venue_flow(nb::class_<Venue>& venue) {
    venue
        .def(
            "configure_flow",
            [](Venue& self, double speed, std::int64_t limit_ns, std::int64_t wake_ns) {
                self.flow.configure(speed, limit_ns, wake_ns);
            },
            "speed"_a, "limit_ns"_a, "wake_ns"_a)
        .def("start", [](Venue& self, std::int64_t now) { self.flow.start(now); })
        .def("pause", [](Venue& self, std::int64_t now) { self.flow.pause(now); })
        .def("resume", [](Venue& self, std::int64_t now) { self.flow.resume(now); })
        .def("elapsed_ns", [](const Venue& self, std::int64_t now) { return self.flow.elapsed_ns(now); })
        .def_prop_ro("flow_state", [](const Venue& self) { return static_cast<int>(self.flow.state()); })
        .def("lateness", &lateness)
        .def("totals", &totals);
}

void bind_venue(nb::module_& module) {
    nb::class_<Venue> venue(module, "SimVenue");
    venue
        .def(nb::init<std::string, bool, std::int64_t, std::size_t>(), "sender"_a, "by_id"_a, "realtime_offset_ns"_a,
             "backlog_max"_a)
        .def("add_instrument", &Venue::add_instrument, "symbol"_a, "price_decimals"_a, "size_decimals"_a)
        .def("run", &run, "listener"_a, "until_ns"_a)
        .def("attach", &Venue::attach, "fd"_a)
        .def("detach", &Venue::detach, "slot"_a)
        .def("log_on", &Venue::log_on, "slot"_a, "store"_a, "target"_a)
        .def("log_off", [](Venue& self, std::uint32_t slot) { self.connection(slot).log_off(); })
        .def("write", [](Venue& self, std::uint32_t slot,
                         nb::bytes data) { self.connection(slot).write({data.c_str(), data.size()}); })
        .def("backlog", [](Venue& self, std::uint32_t slot) { return self.connection(slot).backlog(); })
        .def("subscriptions", [](Venue& self, std::uint32_t slot) { return self.connection(slot).subscriptions(); })
        .def("subscribe", &Venue::subscribe, "slot"_a, "instrument"_a, "on"_a)
        .def("send_snapshot", &Venue::send_snapshot, "slot"_a, "instrument"_a, "request_id"_a)
        .def("all_subscribed", &Venue::all_subscribed)
        .def("add_resent", [](Venue& self, std::size_t index,
                              std::uint64_t entries) { self.instrument(index).counts.resent += entries; })
        .def("counts", [](Venue& self, std::size_t index) { return to_python(self.instrument(index).counts); })
        .def("book", [](Venue& self, std::size_t index) {
            const auto& book = self.instrument(index).book;
            return nb::make_tuple(levels(book.bids()), levels(book.asks()));
        });
    bind_venue_feed(venue);
    bind_venue_flow(venue);
}

}  // namespace

void bind_sim(nb::module_& module) {
    bind_model(module);
    bind_store(module);
    bind_venue(module);
}
