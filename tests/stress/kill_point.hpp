// Makes the named points of shm/ places where this process ends or stops. Included before anything of shm/.
#pragma once

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace stress {

inline std::string armed_name;
inline std::uint64_t armed_turn = 0;  // 0 = not armed
inline int armed_signal = SIGKILL;
inline std::uint64_t first_cursor = 0;

// `point:turn:signal`: at the turn-th passage of the point the process sends itself the signal.
inline void arm(const std::string& text) {
    if (text.empty()) return;
    const auto turn = text.find(':');
    const auto signal = text.find(':', turn + 1);
    if (turn == std::string::npos || signal == std::string::npos) std::abort();
    armed_name = text.substr(0, turn);
    armed_turn = std::strtoull(text.c_str() + turn + 1, nullptr, 10);
    armed_signal = std::atoi(text.c_str() + signal + 1);
}

inline void at(const char* name) noexcept {
    if (armed_turn == 0 || armed_name != name) return;
    if (--armed_turn == 0) ::raise(armed_signal);
}

}  // namespace stress

#define FH_POINT(name) ::stress::at(name)
#define FH_FIRST_CURSOR ::stress::first_cursor
