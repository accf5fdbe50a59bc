// The extension module: bindings only. Each noun binds itself in its own bind_*.cpp.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <system_error>

#include "feedhandler/native/bind.hpp"
#include "shm/errors.hpp"

namespace nb = nanobind;

namespace {

// A segment that cannot be used is the class of feedhandler/errors.py of the same name.
void raise_segment(const char* name, const fh::SegmentError& error, std::int64_t number) {
    const nb::object type = nb::module_::import_("feedhandler.errors").attr(name);
    PyErr_SetObject(type.ptr(), nb::make_tuple(error.path(), error.why(), number).ptr());
}

void translate_segment_error(const std::exception_ptr& thrown, void*) {
    try {
        std::rethrow_exception(thrown);
    } catch (const fh::SegmentMissing& error) {
        raise_segment("SegmentMissingError", error, error.error());
    } catch (const fh::SegmentDenied& error) {
        raise_segment("SegmentDeniedError", error, error.error());
    } catch (const fh::SegmentDamaged& error) {
        raise_segment("SegmentDamagedError", error, error.error());
    } catch (const fh::SegmentVersion& error) {
        raise_segment("SegmentVersionError", error, error.found);
    } catch (const fh::SegmentBusy& error) {
        raise_segment("SegmentBusyError", error, error.pid);
    } catch (const fh::SegmentSpace& error) {
        raise_segment("SegmentSpaceError", error, error.error());
    } catch (const fh::SegmentFull& error) {
        raise_segment("SegmentFullError", error, 0);
    }
}

}  // namespace

NB_MODULE(_native, module) {
    // What the operating system refused is an OSError with its errno, as Python's own calls raise it.
    nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
        try {
            std::rethrow_exception(thrown);
        } catch (const std::system_error& error) {
            const auto arguments = nb::make_tuple(error.code().value(), error.what());
            PyErr_SetObject(PyExc_OSError, arguments.ptr());
        }
    });
    nb::register_exception_translator(&translate_segment_error);
    // One line a noun, sorted.
    bind_placement(module);  // its defaults are those of the others
    bind_board(module);
    bind_conflate(module);
    bind_counters(module);
    bind_directory(module);
    bind_fix(module);
    bind_inspect(module);
    bind_shm(module);
    bind_ring_streams(module);  // its defaults are enums of bind_shm
    bind_sim(module);
    bind_zmq(module);
}
