// The extension module: bindings only. Each noun binds itself in its own bind_*.cpp.
#include <nanobind/nanobind.h>

#include "feedhandler/native/bind.hpp"

NB_MODULE(_native, module) { bind_shm(module); }
