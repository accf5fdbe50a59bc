// Python faces of the board: conversion only. Calls that copy many rows or may wait release the GIL once.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <type_traits>

#include "feedhandler/native/bind.hpp"
#include "shm/board.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Bytes = nb::ndarray<std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Ids = nb::ndarray<std::uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using ConstIds = nb::ndarray<const std::uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// A reader with a row and a list of ids that Python owns: the two calls that engines make all the time
// convert one number and no array.
class Reader {
public:
    explicit Reader(const std::string& dir) : board(dir) {}

    // After attach() the old buffers may be too small: bind() comes before the next call.
    void attach() {
        board.attach();
        bound_ = false;
    }
    void bind(Bytes row, Ids ids) {
        if (row.size() != board.row_bytes() || ids.size() < board.rows() || unaligned(row.data()))
            throw nb::value_error("expected a buffer of one row, and one of as many ids as there are rows");
        row_ = std::move(row);
        ids_ = std::move(ids);
        bound_ = true;
    }
    bool read_row(std::uint32_t instrument) { return board.read(instrument, row_target()); }
    bool read_row_patiently(std::uint32_t instrument, std::int64_t patience_ns) {
        void* target = row_target();
        const nb::gil_scoped_release release;
        return board.read_patiently(instrument, target, patience_ns);
    }
    nb::tuple changes(std::uint64_t since) {
        if (!bound_) throw nb::value_error("bind() comes first");
        const auto found = board.changes(since, ids_.data());
        return nb::make_tuple(found.count, found.cursor, found.rescanned);
    }
    bool wait(std::uint64_t since, fh::WaitPolicy policy, std::int64_t timeout_ns) const {
        const nb::gil_scoped_release release;
        return board.wait(since, policy, timeout_ns);
    }

    std::size_t read_many(ConstIds ids, Bytes out) const {
        check_room(out, ids.size());
        for (std::size_t i = 0; i < ids.size(); ++i)
            if (ids.data()[i] == 0 || ids.data()[i] > board.rows())
                throw nb::index_error(std::to_string(ids.data()[i]).c_str());
        const nb::gil_scoped_release release;
        return board.read_many(ids.data(), ids.size(), out.data());
    }
    std::size_t read_all(Bytes out) const {
        check_room(out, std::size_t{board.rows()} + 1);
        const nb::gil_scoped_release release;
        return board.read_all(out.data());
    }
    // Returns how many rows were ever written and are now in `out`, which bounds the ids looked at.
    std::size_t read_written(Bytes out) const {
        const std::size_t room = out.size() / board.row_bytes();
        check_room(out, 0);
        const auto last = static_cast<std::uint32_t>(std::min<std::size_t>(room, board.highest()));
        const nb::gil_scoped_release release;
        return board.read_written(out.data(), last);
    }

    fh::BoardReader board;

private:
    static bool unaligned(const void* data) { return reinterpret_cast<std::uintptr_t>(data) % 8 != 0; }
    void check_room(const Bytes& out, std::size_t rows) const {
        if (out.size() < rows * board.row_bytes() || unaligned(out.data()))
            throw nb::value_error("the buffer is smaller than the rows wanted, or not 8-byte aligned");
    }
    void* row_target() const {
        if (!bound_) throw nb::value_error("bind() comes first");
        return row_.data();
    }

    Bytes row_;
    Ids ids_;
    bool bound_ = false;
};

void bind_reader(nb::module_& module) {
    nb::class_<Reader>(module, "BoardReader")
        .def(nb::init<const std::string&>(), "dir"_a)
        .def("attach", &Reader::attach)
        .def("bind", &Reader::bind, "row"_a, "ids"_a)
        .def("read_row", &Reader::read_row, "instrument"_a)
        .def("read_row_patiently", &Reader::read_row_patiently, "instrument"_a, "patience_ns"_a = fh::BOARD_PATIENCE_NS)
        .def("read_many", &Reader::read_many, "ids"_a, "out"_a)
        .def("read_all", &Reader::read_all, "out"_a)
        .def("read_written", &Reader::read_written, "out"_a)
        .def("changes", &Reader::changes, "since"_a)
        .def("wait", &Reader::wait, "since"_a, "policy"_a, "timeout_ns"_a)
#define FH_BOARD_PROPERTY(name) .def_prop_ro(#name, [](const Reader& self) { return self.board.name(); })
        // clang-format off
        FH_BOARD_PROPERTY(cursor)
        FH_BOARD_PROPERTY(superseded)
        FH_BOARD_PROPERTY(depth)
        FH_BOARD_PROPERTY(rows)
        FH_BOARD_PROPERTY(row_bytes)
        FH_BOARD_PROPERTY(highest)
        FH_BOARD_PROPERTY(log_capacity)
        FH_BOARD_PROPERTY(writer_pid)
        FH_BOARD_PROPERTY(publisher_epoch)
        FH_BOARD_PROPERTY(heartbeat_ns)
        FH_BOARD_PROPERTY(writer_alive);
    // clang-format on
#undef FH_BOARD_PROPERTY
}

// For tests and for boards that Python fills: one row with its levels, as a reader gets it.
bool write_row(fh::BoardWriter& self, std::uint32_t instrument, Bytes row) {
    if (row.size() != self.row_bytes() || reinterpret_cast<std::uintptr_t>(row.data()) % 8 != 0)
        throw nb::value_error("buffer is not one row, or not 8-byte aligned");
    return self.write(instrument, *reinterpret_cast<const fh::BoardRow*>(row.data()),
                      reinterpret_cast<const double*>(row.data() + sizeof(fh::BoardRow)));
}

void bind_writer(nb::module_& module) {
    nb::class_<fh::BoardWriter>(module, "BoardWriter")
        .def(nb::init<const std::string&, std::uint32_t, std::uint32_t, std::uint64_t, std::uint32_t, bool,
                      const fh::Placement&>(),
             "dir"_a, "depth"_a, "rows"_a, "publisher_epoch"_a, "log_capacity"_a = 0, "publish_now"_a = true,
             "placement"_a = fh::Placement{})
        .def("publish", &fh::BoardWriter::publish)
        .def("write", &write_row, "instrument"_a, "row"_a)
        .def("wake", &fh::BoardWriter::wake)
        .def("heartbeat", &fh::BoardWriter::heartbeat, "monotonic_now_ns"_a)
        .def_prop_ro("changes", &fh::BoardWriter::changes);
}

template <class Type>
constexpr const char* format() {
    if constexpr (std::is_same_v<Type, double>) return "<f8";
    if constexpr (std::is_same_v<Type, std::int64_t>) return "<i8";
    if constexpr (std::is_same_v<Type, std::uint64_t>) return "<u8";
    if constexpr (std::is_same_v<Type, std::uint32_t>) return "<u4";
    if constexpr (std::is_same_v<Type, std::uint16_t>) return "<u2";
    if constexpr (std::is_same_v<Type, std::uint8_t>) return "u1";
}

// {name: (format, offset)} of the header and of a row without its levels.
nb::dict board_layout() {
    nb::dict header, row;
#define FH_FIELD(fields, type, base, name) \
    fields[#name] = nb::make_tuple(format<decltype(fh::type::name)>(), (base) + offsetof(fh::type, name))
#define FH_HEADER(name) FH_FIELD(header, BoardHeader, 0U, name)
#define FH_TOP(name) FH_FIELD(row, BoardTop, offsetof(fh::BoardRow, top), name)
#define FH_ROW(name) FH_FIELD(row, BoardRow, 0U, name)
    FH_HEADER(magic), FH_HEADER(version), FH_HEADER(depth), FH_HEADER(rows), FH_HEADER(row_bytes);
    FH_HEADER(rows_offset), FH_HEADER(writer_pid), FH_HEADER(publisher_epoch), FH_HEADER(first_change);
    FH_HEADER(log_offset), FH_HEADER(log_capacity), FH_HEADER(heartbeat_ns), FH_HEADER(changes), FH_HEADER(highest);
    FH_TOP(version), FH_TOP(change), FH_TOP(bid), FH_TOP(bid_size), FH_TOP(ask), FH_TOP(ask_size), FH_TOP(instrument);
    FH_TOP(source), FH_TOP(state), FH_TOP(bid_levels), FH_TOP(ask_levels), FH_TOP(flags), FH_TOP(last_side);
    FH_TOP(reserved);
    FH_ROW(ts_event), FH_ROW(ts_recv), FH_ROW(ts_update), FH_ROW(ts_record), FH_ROW(ts_state), FH_ROW(ts_session);
    FH_ROW(ring_epoch), FH_ROW(ring_seq), FH_ROW(last_price), FH_ROW(last_size), FH_ROW(last_ts), FH_ROW(last_ref);
    FH_ROW(state_reason), FH_ROW(updates), FH_ROW(gaps), FH_ROW(corrections), FH_ROW(spare_counts);
    FH_ROW(open), FH_ROW(high), FH_ROW(low), FH_ROW(volume), FH_ROW(turnover), FH_ROW(vwap), FH_ROW(trades);
    FH_ROW(spare_session);
#undef FH_ROW
#undef FH_TOP
#undef FH_HEADER
#undef FH_FIELD
    nb::dict layout;
    layout["version"] = fh::BOARD_VERSION;
    layout["header"] = header;
    layout["header_bytes"] = sizeof(fh::BoardHeader);
    layout["log_offset"] = fh::BOARD_LOG_OFFSET;
    layout["row"] = row;
    layout["row_bytes"] = sizeof(fh::BoardRow);
    return layout;
}

}  // namespace

void bind_board(nb::module_& module) {
    bind_reader(module);
    bind_writer(module);
    module.def("board_layout", &board_layout);
    module.def("board_row_bytes", &fh::board_row_bytes, "depth"_a);
}
