// One function a noun, called once by module.cpp.
#pragma once

#include <nanobind/nanobind.h>

void bind_board(nanobind::module_& module);
void bind_conflate(nanobind::module_& module);
void bind_counters(nanobind::module_& module);
void bind_directory(nanobind::module_& module);
void bind_fix(nanobind::module_& module);
void bind_inspect(nanobind::module_& module);
void bind_placement(nanobind::module_& module);
void bind_ring_streams(nanobind::module_& module);
void bind_shm(nanobind::module_& module);
void bind_sim(nanobind::module_& module);
void bind_zmq(nanobind::module_& module);
