// The judge's record of every change of a best price: fixed 48-byte rows in a file.
#pragma once

#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
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

// One thread adds and flushes; the file is written by a thread of its own, so that a slow disk delays no event.
class BboLog {
public:
    static constexpr std::size_t SLICE_ROWS = 4096;                         // handed over together, where one can be
    static constexpr std::size_t ROWS_MAX = (64U << 20U) / sizeof(BboRow);  // behind a slow disk; then we wait for it

    explicit BboLog(const std::string& path) : file_(std::fopen(path.c_str(), "wb")) {
        if (file_ == nullptr) throw std::runtime_error("cannot write the BBO log " + path);
        pending_.reserve(ROWS_MAX);  // address space only; pages come as rows do, and nothing is ever moved
        writing_.reserve(ROWS_MAX);
        writer_ = std::thread([this] { write_slices(); });
    }
    ~BboLog() {
        flush();
        turn_.store(END, std::memory_order_release);  // SYNC bbo_log.turn: write_slices() loads it
        turn_.notify_one();
        writer_.join();
        std::fclose(file_);
    }
    BboLog(const BboLog&) = delete;
    BboLog& operator=(const BboLog&) = delete;

    std::uint64_t rows() const noexcept { return rows_; }

    void add(const BboRow& row) {
        pending_.push_back(row);
        ++rows_;
        if (pending_.size() >= SLICE_ROWS && idle()) hand_over();
        if (pending_.size() >= ROWS_MAX) flush();
    }

    // Waits until every row is with the kernel. False when the disk refused one.
    bool flush() {
        // SYNC bbo_log.turn: IDLE, stored by write_slices(), brings what the writer did
        turn_.wait(WRITING, std::memory_order_acquire);
        hand_over();
        turn_.wait(WRITING, std::memory_order_acquire);  // SYNC bbo_log.turn: as above
        return std::fflush(file_) == 0 && !std::exchange(refused_, false);
    }

private:
    enum Turn : int { IDLE, WRITING, END };

    [[nodiscard]] bool idle() const noexcept {
        return turn_.load(std::memory_order_acquire) == IDLE;  // SYNC bbo_log.turn: write_slices() stores IDLE
    }

    // The writer is idle: what is pending is its work now.
    void hand_over() {
        writing_.swap(pending_);
        turn_.store(WRITING, std::memory_order_release);  // SYNC bbo_log.turn: write_slices() loads it
        turn_.notify_one();
    }

    // The writer's thread. Between WRITING and IDLE `writing_` and `refused_` are its own.
    void write_slices() {
        for (;;) {
            // SYNC bbo_log.turn: hand_over() stores WRITING, the destructor END
            turn_.wait(IDLE, std::memory_order_acquire);
            if (turn_.load(std::memory_order_acquire) == END) return;  // SYNC bbo_log.turn: as above
            if (std::fwrite(writing_.data(), sizeof(BboRow), writing_.size(), file_) != writing_.size())
                refused_ = true;
            writing_.clear();
            turn_.store(IDLE, std::memory_order_release);  // SYNC bbo_log.turn: idle(), flush() load it
            turn_.notify_one();
        }
    }

    std::FILE* file_;
    std::uint64_t rows_ = 0;
    std::vector<BboRow> pending_;
    std::vector<BboRow> writing_;
    bool refused_ = false;
    std::atomic<int> turn_{IDLE};
    std::thread writer_;
};

}  // namespace fh::sim
