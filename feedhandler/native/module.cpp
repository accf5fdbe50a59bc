// The extension module: bindings only. Each noun binds itself in its own bind_*.cpp.
#include <nanobind/nanobind.h>

#include <system_error>

#include "feedhandler/native/bind.hpp"

namespace nb = nanobind;

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
    // One line a noun, sorted.
    bind_board(module);
    bind_conflate(module);
    bind_counters(module);
    bind_fix(module);
    bind_shm(module);
    bind_sim(module);
}
