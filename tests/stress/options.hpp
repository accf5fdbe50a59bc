// `key=value` arguments of the stress programs, and their files of figures.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "shm/region.hpp"

namespace stress {

class Options {
public:
    Options(int argc, char** argv) {
        for (int i = 1; i < argc; ++i) {
            const std::string text = argv[i];
            const auto equals = text.find('=');
            if (equals == std::string::npos) {
                std::fprintf(stderr, "not key=value: %s\n", argv[i]);
                std::exit(2);
            }
            values_[text.substr(0, equals)] = text.substr(equals + 1);
        }
    }
    [[nodiscard]] std::string text(const std::string& key, const std::string& otherwise = "") const {
        const auto found = values_.find(key);
        return found == values_.end() ? otherwise : found->second;
    }
    [[nodiscard]] std::uint64_t number(const std::string& key, std::uint64_t otherwise = 0) const {
        const auto found = values_.find(key);
        return found == values_.end() ? otherwise : std::strtoull(found->second.c_str(), nullptr, 10);
    }

private:
    std::map<std::string, std::string> values_;
};

// A file of figures that outlives the process that writes them, however it ends. T is zero at first.
template <class T>
class Figures {
public:
    Figures(const std::string& path, bool create) {
        const fh::File file = fh::File::open(path, create ? O_RDWR | O_CREAT : O_RDONLY);
        if (!file.ok()) fh::fail("opening " + path);
        if (create) fh::allocate(file, sizeof(T), path);
        mapping_ = fh::Mapping(file, sizeof(T), create);
    }
    T* operator->() const noexcept { return mapping_.as<T>(); }
    T& operator*() const noexcept { return *mapping_.as<T>(); }

private:
    fh::Mapping mapping_;
};

inline std::uint64_t mix(std::uint64_t x) noexcept {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

// A small generator: the same seed, the same run.
struct Random {
    std::uint64_t state;
    std::uint64_t operator()() noexcept { return state = mix(state); }
    std::uint64_t below(std::uint64_t n) noexcept { return (*this)() % n; }
};

}  // namespace stress
