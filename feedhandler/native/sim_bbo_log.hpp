// The judge's record of every change of a best price: fixed 48-byte rows, gathered in memory, written when asked.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "feedhandler/native/sim_book.hpp"

namespace fh::sim {

struct BboRow {
    std::int64_t intended_ns;
    std::uint32_t instrument;
    std::uint32_t pad;
    double bid, bid_size, ask, ask_size;  // NaN on an empty side
};
static_assert(sizeof(BboRow) == 48);

// Nearest double to the decimal: both operands are exact below 2^53, and one division rounds once.
inline double as_double(std::int64_t value, unsigned decimals) noexcept {
    double scale = 1.0;
    for (unsigned i = 0; i < decimals; ++i) scale *= 10.0;
    return static_cast<double>(value) / scale;
}

class BboLog {
public:
    static constexpr std::size_t ROWS_MAX = (256U << 20U) / sizeof(BboRow);  // then it is written at once, and late

    BboLog() = default;
    explicit BboLog(const std::string& path) : file_(std::fopen(path.c_str(), "wb")) {
        if (file_ == nullptr) throw std::runtime_error("cannot write the BBO log " + path);
        pending_.reserve(ROWS_MAX);  // address space only; pages come as rows do, and nothing is ever moved
    }
    ~BboLog() {
        if (file_ == nullptr) return;
        flush();
        std::fclose(file_);
    }
    BboLog(const BboLog&) = delete;
    BboLog& operator=(const BboLog&) = delete;

    bool enabled() const noexcept { return file_ != nullptr; }
    std::uint64_t rows() const noexcept { return rows_; }

    void add(const BboRow& row) {
        pending_.push_back(row);
        ++rows_;
        if (pending_.size() >= ROWS_MAX) flush();
    }

    // False when the disk refused it.
    bool flush() {
        if (file_ == nullptr) return true;
        const bool written = std::fwrite(pending_.data(), sizeof(BboRow), pending_.size(), file_) == pending_.size();
        pending_.clear();
        return std::fflush(file_) == 0 && written;
    }

private:
    std::FILE* file_ = nullptr;
    std::uint64_t rows_ = 0;
    std::vector<BboRow> pending_;
};

}  // namespace fh::sim
