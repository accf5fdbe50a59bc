// Python faces of the FIX decoder and its receive loop: conversion only.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include "feedhandler/native/bind.hpp"
#include "feedhandler/native/fix_loop.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

nb::bytes bytes_of(std::string_view text) { return nb::bytes(text.data(), text.size()); }

unsigned char one_character(const std::string& text) {
    if (text.size() != 1) throw nb::value_error("expected one character");
    return static_cast<unsigned char>(text[0]);
}

fh::Role role_named(const std::string& name) {
    for (std::size_t i = 0; i < fh::ROLES; ++i)
        if (name == fh::ROLE_NAMES[i]) return static_cast<fh::Role>(i);
    throw nb::value_error(("no such role: " + name).c_str());
}

nb::object message_of(fh::FixLoop& loop, std::size_t session) { return bytes_of(loop.session(session).message()); }

nb::tuple run(fh::FixLoop& loop, std::int64_t timeout_ns) {
    fh::LoopResult result;
    {
        nb::gil_scoped_release release;
        result = loop.run(timeout_ns);
    }
    nb::object detail = nb::int_(result.error);
    if (result.code == fh::LoopCode::message) detail = message_of(loop, result.session);
    return nb::make_tuple(result.code, result.session, detail);
}

// Any buffer of bytes: `bytes`, or a part of the array into which TLS was read.
using ConstBytes = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

nb::object feed(fh::FixLoop& loop, std::size_t session, const ConstBytes& data, std::int64_t now_ns) {
    if (!loop.feed(session, reinterpret_cast<const char*>(data.data()), data.shape(0), now_ns)) return nb::none();
    return message_of(loop, session);
}

nb::dict counts(fh::FixLoop& loop, std::size_t session) {
    nb::dict result;
    const auto& counts = loop.session(session).counts();
    for (std::size_t i = 0; i < fh::FIX_COUNTS; ++i) result[fh::FIX_COUNT_NAMES[i]] = counts.values[i];
    return result;
}

nb::list take_quarantine(fh::FixLoop& loop, std::size_t session) {
    nb::list result;
    auto& quarantine = loop.session(session).quarantine();
    for (const auto& entry : quarantine.entries())
        result.append(nb::make_tuple(entry.ts_recv, fh::FIX_COUNT_NAMES[static_cast<std::size_t>(entry.why)],
                                     entry.total, nb::bytes(quarantine.bytes(entry), entry.length)));
    quarantine.clear();
    return result;
}

nb::tuple take_damaged(fh::FixLoop& loop, std::size_t session) {
    auto& damaged = loop.session(session).decoder().writer().damaged();
    nb::list instruments;
    for (std::size_t i = 0; i < damaged.count; ++i) instruments.append(damaged.instruments[i]);
    const bool overflow = damaged.overflow;
    damaged.clear();
    return nb::make_tuple(instruments, overflow);
}

void bind_table(nb::module_& module) {
    nb::enum_<fh::EntryType>(module, "EntryType")
        .value("UNKNOWN", fh::EntryType::unknown)
        .value("BID", fh::EntryType::bid)
        .value("ASK", fh::EntryType::ask)
        .value("TRADE", fh::EntryType::trade)
        .value("CLEAR", fh::EntryType::clear)
        .value("INDEX", fh::EntryType::index)
        .value("OPEN_INTEREST", fh::EntryType::open_interest)
        .value("IGNORED", fh::EntryType::ignored);
    nb::enum_<fh::Keying>(module, "Keying")
        .value("PRICE", fh::Keying::price)
        .value("ID", fh::Keying::id)
        .value("POSITION", fh::Keying::position);
    nb::enum_<fh::GapCheck>(module, "GapCheck")
        .value("NONE", fh::GapCheck::none)
        .value("ENTRY", fh::GapCheck::entry)
        .value("RANGE", fh::GapCheck::range)
        .value("MESSAGE", fh::GapCheck::message);
    nb::class_<fh::FixTable>(module, "FixTable")
        .def(nb::init<>())
        .def(
            "set_role",
            [](fh::FixTable& table, std::uint32_t tag, const std::string& role) {
                table.set_role(tag, role_named(role));
            },
            "tag"_a, "role"_a)
        .def(
            "set_type",
            [](fh::FixTable& table, const std::string& value, fh::EntryType type) {
                table.types[one_character(value)] = type;
            },
            "value"_a, "type"_a)
        .def(
            "set_action",
            [](fh::FixTable& table, const std::string& value, std::uint8_t action) {
                if (action > static_cast<std::uint8_t>(fh::Action::overlay)) throw nb::value_error("no such action");
                table.actions[one_character(value)] = static_cast<fh::Action>(action);
            },
            "value"_a, "action"_a)
        .def_rw("first_tag_snapshot", &fh::FixTable::first_tag_snapshot)
        .def_rw("first_tag_incremental", &fh::FixTable::first_tag_incremental)
        .def_rw("keying", &fh::FixTable::keying)
        .def_rw("position_depth", &fh::FixTable::position_depth)
        .def_rw("gap_check", &fh::FixTable::gap_check)
        .def_rw("checks_book", &fh::FixTable::checks_book)
        .def_rw("size_unknown", &fh::FixTable::size_unknown)
        .def_prop_rw(
            "ids_per_instrument", [](const fh::FixTable& table) { return table.id_scope == fh::IdScope::instrument; },
            [](fh::FixTable& table, bool yes) {
                table.id_scope = yes ? fh::IdScope::instrument : fh::IdScope::session;
            });
}

std::size_t add_session(fh::FixLoop& loop, const fh::FixTable& table, std::uint16_t source, std::size_t note_slot,
                        std::size_t message_max, std::size_t entries_max) {
    if (message_max < 1024 || message_max > (std::size_t{1} << 30)) throw nb::value_error("message_max");
    if (entries_max < 1 || entries_max > (std::size_t{1} << 28)) throw nb::value_error("entries_max");
    return loop.add_session(table, {source, note_slot, message_max, entries_max});
}

void bind_loop(nb::module_& module) {
    nb::enum_<fh::LoopCode>(module, "LoopCode")
        .value("IDLE", fh::LoopCode::idle)
        .value("MESSAGE", fh::LoopCode::message)
        .value("CLOSED", fh::LoopCode::closed)
        .value("READABLE", fh::LoopCode::readable);
    nb::class_<fh::FixLoop>(module, "FixLoop")
        .def(nb::init<fh::RingWriter&, bool, std::int64_t>(), "ring"_a, "spin"_a = false, "coalesce_ns"_a = 0,
             nb::keep_alive<1, 2>())
        .def("add_session", &add_session, "table"_a, "source"_a, "note_slot"_a, "message_max"_a, "entries_max"_a)
        .def(
            "add_symbol",
            [](fh::FixLoop& loop, std::size_t session, nb::bytes symbol, std::uint32_t instrument) {
                loop.session(session).symbols().add({symbol.c_str(), symbol.size()}, instrument);
            },
            "session"_a, "symbol"_a, "instrument"_a)
        .def("remove_session", &fh::FixLoop::remove_session, "session"_a)
        .def(
            "remove_symbol",
            [](fh::FixLoop& loop, std::size_t session, nb::bytes symbol) {
                return loop.session(session).symbols().remove({symbol.c_str(), symbol.size()});
            },
            "session"_a, "symbol"_a)
        .def(
            "set_decimals",
            [](fh::FixLoop& loop, std::size_t session, std::uint32_t instrument, int price, int size) {
                if (price < 0 || price > 18 || size < 0 || size > 18) throw nb::value_error("decimals");
                loop.session(session).decoder().writer().check().set_decimals(instrument, price, size);
            },
            "session"_a, "instrument"_a, "price_decimals"_a, "size_decimals"_a)
        .def(
            "set_parties",
            [](fh::FixLoop& loop, std::size_t session, std::string sender, std::string target) {
                loop.session(session).set_parties(std::move(sender), std::move(target));
            },
            "session"_a, "sender"_a, "target"_a)
        .def(
            "set_sequence",
            [](fh::FixLoop& loop, std::size_t session, std::uint64_t next_in, bool established, bool gap_pending) {
                loop.session(session).set_sequence(next_in, established, gap_pending);
            },
            "session"_a, "next_in"_a, "established"_a, "gap_pending"_a = false)
        .def("next_in", [](fh::FixLoop& loop, std::size_t session) { return loop.session(session).next_in(); })
        .def("buffered", [](fh::FixLoop& loop, std::size_t session) { return loop.session(session).buffered(); })
        .def("ts_recv", [](fh::FixLoop& loop, std::size_t session) { return loop.session(session).ts_recv(); })
        .def("mark_gap", [](fh::FixLoop& loop, std::size_t session) { loop.session(session).mark_gap(); })
        .def("forget_bytes", [](fh::FixLoop& loop, std::size_t session) { loop.session(session).forget_bytes(); })
        .def("attach", &fh::FixLoop::attach, "session"_a, "fd"_a, "foreign"_a = false)
        .def(
            "detach",
            [](fh::FixLoop& loop, std::size_t session) {
                (void)loop.session(session);  // the bounds check
                loop.detach(session);
            },
            "session"_a)
        .def("run", &run, "timeout_ns"_a)
        .def("feed", &feed, "session"_a, "data"_a, "now_ns"_a)
        .def(
            "decode",
            [](fh::FixLoop& loop, std::size_t session, nb::bytes message) {
                return loop.decode(session, {message.c_str(), message.size()});
            },
            "session"_a, "message"_a)
        .def("counts", &counts, "session"_a)
        .def("take_quarantine", &take_quarantine, "session"_a)
        .def("take_damaged", &take_damaged, "session"_a)
        .def("now_ns", &fh::FixLoop::now_ns)
        .def_rw("offset_ns", &fh::FixLoop::offset_ns);
}

}  // namespace

void bind_fix(nb::module_& module) {
    module.def(
        "parse_decimal",
        [](nb::bytes text) {
            const auto number = fh::parse_decimal(text.c_str(), text.c_str() + text.size());
            return nb::make_tuple(static_cast<int>(number.status), number.value);
        },
        "text"_a);
    module.def(
        "handle_of", [](nb::bytes text) { return fh::handle_of(text.c_str(), text.c_str() + text.size()); }, "text"_a);
    bind_table(module);
    bind_loop(module);
}
