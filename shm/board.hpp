// The board: the latest state of every instrument, one row each, under a seqlock per row, and a log of which rows
// changed. Engines need board_reader.hpp alone.
#pragma once

#include "shm/board_reader.hpp"
#include "shm/board_writer.hpp"
