// Python faces of what looks at segments from outside: ring files by path, locks. For tools, not for the data path.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>

#include <memory>
#include <utility>

#include "feedhandler/native/bind.hpp"
#include "shm/board_layout.hpp"
#include "shm/counters.hpp"
#include "shm/directory.hpp"
#include "shm/ring_file.hpp"
#include "shm/writer_lock.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Bytes = nb::ndarray<std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

nb::dict header(const fh::RingFile& file) {
    const auto& header = file.header();
    nb::dict result;
    result["name"] = nb::str(header.name, ::strnlen(header.name, sizeof header.name));
    result["version"] = header.version;
    result["capacity"] = header.capacity;
    result["epoch"] = header.epoch;
    result["previous_epoch"] = header.previous_epoch;
    result["previous_last"] = header.previous_last;
    result["created_ns"] = header.created_ns;
    result["writer_pid"] = header.writer_pid;
    return result;
}

// (session, cursor, value) of every slot that was written.
nb::list notes(const fh::RingFile& file) {
    nb::list result;
    for (std::size_t session = 0; session < fh::NOTE_SESSIONS; ++session)
        for (const fh::Note& note : file.header().notes[session])
            if (const auto value = fh::load(note.value, std::memory_order_relaxed); value != 0)
                result.append(nb::make_tuple(session, fh::load(note.cursor, std::memory_order_relaxed), value));
    return result;
}

nb::tuple read_piece(const fh::RingFile& file, std::uint64_t from, Bytes out) {
    if (out.size() % sizeof(fh::Record) != 0 || reinterpret_cast<std::uintptr_t>(out.data()) % alignof(fh::Record) != 0)
        throw nb::value_error("buffer is not a whole number of aligned 64-byte records");
    fh::RingPiece piece;
    {
        nb::gil_scoped_release release;
        piece = file.read(from, reinterpret_cast<fh::Record*>(out.data()), out.size() / sizeof(fh::Record));
    }
    return nb::make_tuple(piece.first, piece.next, piece.count);
}

bool locked(const std::string& path) {
    const fh::File file = fh::File::open(path, O_RDONLY | O_NONBLOCK);
    if (!file.ok()) fh::fail("opening " + path);
    return fh::locked_by_other(file);
}

// An exclusion held: of a ring's or the board's writers, for as long as this object lives.
class HeldLock {
public:
    HeldLock(fh::File file, bool fresh) : made(fresh), file_(std::move(file)) {}

    const bool made;  // it was not there before

private:
    fh::File file_;
};

// Null where somebody else holds it. Made where it is not there: without, a writer could start meanwhile.
std::unique_ptr<HeldLock> hold_lock(const std::string& path) {
    bool made = false;
    bool locked = false;
    fh::File file = fh::lock_named(path, made, locked);
    if (!file.ok()) fh::fail_segment(path, "opening it");
    if (!locked) return nullptr;
    return std::make_unique<HeldLock>(std::move(file), made);
}

// (wake, parked, epoch_hint) of a parking page; none where it is no such page.
nb::object wait_page(const std::string& path) {
    const fh::File file = fh::File::open(path, O_RDONLY | O_NONBLOCK);
    if (!file.ok()) fh::fail("opening " + path);
    if (file.size() < sizeof(fh::WaitPage)) return nb::none();
    const fh::Mapping mapping(file, sizeof(fh::WaitPage), false);
    const auto* page = mapping.as<const fh::WaitPage>();
    if (page->magic != fh::WAIT_MAGIC || page->version != fh::LAYOUT_VERSION) return nb::none();
    constexpr auto relaxed = std::memory_order_relaxed;
    return nb::make_tuple(fh::load(page->wake, relaxed), fh::load(page->parked, relaxed),
                          fh::load(page->epoch_hint, relaxed));
}

nb::dict kinds() {
    nb::dict result;
    const auto kind = [&](const char* name, std::uint64_t magic, std::uint32_t version) {
        result[name] = nb::make_tuple(magic, version);
    };
    kind("ring", fh::RING_MAGIC, fh::LAYOUT_VERSION);
    kind("wait", fh::WAIT_MAGIC, fh::LAYOUT_VERSION);
    kind("board", fh::BOARD_MAGIC, fh::BOARD_VERSION);
    kind("counters", fh::COUNT_MAGIC, fh::COUNTERS_VERSION);
    kind("directory", fh::DIRECTORY_MAGIC, fh::DIRECTORY_VERSION);
    kind("clock", fh::CLOCK_MAGIC, 0);
    return result;
}

}  // namespace

void bind_inspect(nb::module_& module) {
    nb::class_<fh::RingFile>(module, "RingFile")
        .def(nb::init<const std::string&>(), "path"_a)
        .def("header", &header)
        .def("notes", &notes)
        .def("state", &fh::RingFile::state, "monotonic_now_ns"_a, "stall_ns"_a)
        .def("read_into", &read_piece, "from_seq"_a, "out"_a)
        .def_prop_ro("published", &fh::RingFile::published)
        .def_prop_ro("claimed", &fh::RingFile::claimed)
        .def_prop_ro("oldest", &fh::RingFile::oldest)
        .def_prop_ro("heartbeat_ns", &fh::RingFile::heartbeat_ns);
    nb::class_<HeldLock>(module, "HeldLock").def_ro("made", &HeldLock::made);
    module.def("locked", &locked, "path"_a);
    module.def("hold_lock", &hold_lock, "path"_a);
    module.def("wait_page", &wait_page, "path"_a);
    module.attr("SEGMENT_KINDS") = kinds();
}
