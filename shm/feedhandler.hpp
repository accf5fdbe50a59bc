// Everything that a program on the same host needs to read a feedhandler's shared memory; nothing that writes it.
// README.md beside this file is the contract; `feedhandler include-dir` prints the include path.
#pragma once

#include "shm/board_follower.hpp"
#include "shm/clock_reader.hpp"
#include "shm/counters_reader.hpp"
#include "shm/names.hpp"
#include "shm/ring_follower.hpp"
#include "shm/ring_merge.hpp"
#include "shm/symbols.hpp"
#include "shm/wait_list.hpp"
