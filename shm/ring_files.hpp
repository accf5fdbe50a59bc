// Names and epochs of a ring's files. `<dir>/<ring>.<epoch>` holds the records, `<dir>/<ring>.wait`
// the parking page, `<dir>/<ring>.lock` the writer's exclusion; `<state_dir>/<ring>.epoch` the last
// epoch ever used, persisted before use so that epochs grow across reboots.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "shm/clock.hpp"
#include "shm/point.hpp"
#include "shm/region.hpp"

namespace fh {

inline constexpr std::uint64_t EPOCH_MAX = std::uint64_t{1} << 62;  // ns since 1970: beyond is no clock's

inline std::string ring_path(const std::string& dir, const std::string& ring, std::uint64_t epoch) {
    return dir + "/" + ring + "." + std::to_string(epoch);
}

// Epochs with a published file, oldest first. `error` says why the folder could not be read.
inline std::vector<std::uint64_t> ring_epochs(const std::string& dir, const std::string& ring, std::error_code& error) {
    std::vector<std::uint64_t> epochs;
    const std::string prefix = ring + ".";
    auto entry = std::filesystem::directory_iterator(dir, error);
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (name.size() <= prefix.size() || name.compare(0, prefix.size(), prefix) != 0) continue;
        const std::string digits = name.substr(prefix.size());
        const auto epoch = std::strtoull(digits.c_str(), nullptr, 10);
        if (std::to_string(epoch) == digits) epochs.push_back(epoch);  // any other spelling names another file
    }
    std::sort(epochs.begin(), epochs.end());
    return epochs;
}

inline std::vector<std::uint64_t> ring_epochs(const std::string& dir, const std::string& ring) {
    std::error_code error;
    return ring_epochs(dir, ring, error);
}

// A draft alone proves nothing: the writer that made it may have died. Its lock is the proof.
inline bool ring_starting(const std::string& dir, const std::string& ring) {
    if (::access((dir + "/" + ring + ".starting").c_str(), F_OK) != 0) return false;
    const File lock = File::open(dir + "/" + ring + ".lock", O_RDONLY);
    return lock.ok() && locked_by_other(lock);
}

// Takes the next epoch and makes it durable before anyone can see it.
inline std::uint64_t next_epoch(const std::string& state_dir, const std::string& ring, std::uint64_t floor) {
    const std::string path = state_dir + "/" + ring + ".epoch";
    const std::string draft = path + ".new";
    std::uint64_t last = floor;
    if (File file = File::open(path, O_RDONLY); file.ok()) {
        char text[32] = {};
        if (::read(file.fd(), text, sizeof text - 1) > 0)
            last = std::max<std::uint64_t>(last, std::strtoull(text, nullptr, 10));
    }
    if (last > EPOCH_MAX)
        throw SegmentDamaged(path, "epoch " + std::to_string(last) + " is none of ours: remove the file that has it, " +
                                       "this one or the ring's");
    const auto epoch = std::max(last + 1, static_cast<std::uint64_t>(realtime_ns()));
    const std::string text = std::to_string(epoch) + "\n";
    File file = File::open(draft, O_WRONLY | O_CREAT | O_TRUNC);
    if (!file.ok()) fail_segment(draft, "creating it");
    if (::write(file.fd(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) || ::fsync(file.fd()) != 0)
        fail_segment(draft, "writing it");
    FH_POINT("epoch.drafted");
    publish_by_rename(draft, path);
    FH_POINT("epoch.persisted");
    if (File folder = File::open(state_dir, O_RDONLY | O_DIRECTORY); folder.ok()) ::fsync(folder.fd());
    return epoch;
}

}  // namespace fh
