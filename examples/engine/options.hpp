// The engine's command line.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shm/wait.hpp"

struct Options {
    std::string shm_dir;
    std::string state_dir;
    std::vector<std::string> rings;
    std::vector<std::string> symbols;
    std::string source;
    fh::WaitPolicy wait = fh::WaitPolicy::adaptive;
    std::int64_t seconds = 0;
    std::uint64_t reactions = 0;
    int core = -1;
    bool quiet = false;
    bool json = false;
};

inline constexpr const char* USAGE =
    "usage: engine --shm-dir DIR --state-dir DIR [--ring NAME]... [--symbol SYMBOL]... [--source NAME]\n"
    "              [--wait spin|yield|park|adaptive] [--core N] [--seconds N] [--reactions N] [--quiet] [--json]\n"
    "Reacts to changes of the best bid and ask on the board, and to trades on the rings, until SIGTERM.\n";

// What is wrong with the command line, in one line; nothing where it is good.
inline std::optional<std::string> parse(int count, char** words, Options& options) {
    const auto number = [](std::string_view text, auto& out) {
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
        return error == std::errc() && end == text.data() + text.size() && out >= 0;
    };
    const auto policy = [&](std::string_view text) {
        constexpr std::string_view NAMES[] = {"spin", "yield", "park", "adaptive"};
        for (std::uint8_t i = 0; i < 4; ++i)
            if (text == NAMES[i]) {
                options.wait = static_cast<fh::WaitPolicy>(i);
                return true;
            }
        return false;
    };
    for (int i = 1; i < count; ++i) {
        const std::string_view word = words[i];
        if (word == "--quiet" || word == "--json") {
            (word == "--quiet" ? options.quiet : options.json) = true;
            continue;
        }
        if (i + 1 == count) return std::string(word) + ": unknown, or without a value";
        const std::string_view value = words[++i];
        bool good = true;
        if (word == "--shm-dir")
            options.shm_dir = value;
        else if (word == "--state-dir")
            options.state_dir = value;
        else if (word == "--ring")
            options.rings.emplace_back(value);
        else if (word == "--symbol")
            options.symbols.emplace_back(value);
        else if (word == "--source")
            options.source = value;
        else if (word == "--wait")
            good = policy(value);
        else if (word == "--core")
            good = number(value, options.core);
        else if (word == "--seconds")
            good = number(value, options.seconds);
        else if (word == "--reactions")
            good = number(value, options.reactions);
        else
            return std::string(word) + ": no such option";
        if (!good) return std::string(word) + ": got " + std::string(value);
    }
    if (options.shm_dir.empty() || options.state_dir.empty()) return "--shm-dir and --state-dir are needed";
    return std::nullopt;
}
