// Whether a file is the board it should be: kind, version, numbers that agree with each other and with its length.
#pragma once

#include <bit>
#include <string>

#include "shm/board_layout.hpp"
#include "shm/segment.hpp"

namespace fh {

inline constexpr SegmentKind BOARD_KIND{"a board", BOARD_MAGIC, BOARD_VERSION,
                                        "restart the conflator, which makes a new one"};

inline Verdict check_board_header(const BoardHeader& header) {
    const bool sane = header.depth >= 1 && header.depth <= BOARD_DEPTH_MAX && header.rows >= 1 &&
                      header.rows <= BOARD_ROWS_MAX && header.row_bytes == board_row_bytes(header.depth) &&
                      header.log_capacity >= BOARD_LOG_MIN && header.log_capacity <= BOARD_LOG_MAX &&
                      std::has_single_bit(header.log_capacity) && header.log_offset == BOARD_LOG_OFFSET &&
                      header.rows_offset == board_rows_offset(header.log_capacity);
    if (sane) return {};
    return damaged("its header says " + std::to_string(header.rows) + " rows of " + std::to_string(header.row_bytes) +
                   " bytes from " + std::to_string(header.rows_offset) + ", " + std::to_string(header.depth) +
                   " levels, a log of " + std::to_string(header.log_capacity) + " from " +
                   std::to_string(header.log_offset));
}

// Opens a board and checks all of it.
inline Verdict open_board(const std::string& path, File& file, BoardHeader& header) {
    if (auto verdict = open_segment(path, file); !verdict.good()) return verdict;
    if (auto verdict = read_header(file, header, BOARD_KIND); !verdict.good()) return verdict;
    if (auto verdict = check_board_header(header); !verdict.good()) return verdict;
    return check_length(file, board_bytes(header.depth, header.rows, header.log_capacity));
}

}  // namespace fh
