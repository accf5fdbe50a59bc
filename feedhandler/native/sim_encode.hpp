// W and X as bytes: integers only, the body once per event, the header once per session.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "feedhandler/native/sim_book.hpp"
#include "feedhandler/native/sim_script.hpp"

namespace fh::sim {

// A byte buffer that is written from the left. The caller reserves for the worst case first; nothing here checks.
class Text {
public:
    void clear() noexcept { size_ = 0; }
    void reserve(std::size_t more) {
        if (bytes_.size() - size_ < more) bytes_.resize(std::max(bytes_.size() * 2, size_ + more));
    }
    std::string_view view() const noexcept { return {bytes_.data(), size_}; }

    void put(std::string_view text) noexcept {
        std::memcpy(bytes_.data() + size_, text.data(), text.size());
        size_ += text.size();
    }
    void put(char c) noexcept { bytes_[size_++] = c; }

    void unsigned_number(std::uint64_t value) noexcept {
        char digits[20];
        char* at = digits + sizeof digits;
        do {
            *--at = static_cast<char>('0' + value % 10);
            value /= 10;
        } while (value != 0);
        put({at, static_cast<std::size_t>(digits + sizeof digits - at)});
    }

    // `value` in units of the last of `decimals` digits.
    void fixed(std::int64_t value, unsigned decimals) noexcept {
        auto left = static_cast<std::uint64_t>(value);
        if (value < 0) {
            put('-');
            left = 0 - left;
        }
        char digits[44];
        char* at = digits + sizeof digits;
        for (unsigned i = 0; i < decimals; ++i) {
            *--at = static_cast<char>('0' + left % 10);
            left /= 10;
        }
        if (decimals > 0) *--at = '.';
        do {
            *--at = static_cast<char>('0' + left % 10);
            left /= 10;
        } while (left != 0);
        put({at, static_cast<std::size_t>(digits + sizeof digits - at)});
    }

private:
    std::vector<char> bytes_ = std::vector<char>(4096);
    std::size_t size_ = 0;
};

constexpr unsigned DECIMALS_MAX = 18;

// A realtime instant as "YYYYMMDD-HH:MM:SS.nnnnnnnnn"; the calendar is consulted once a second.
class TimeText {
public:
    void set(std::int64_t realtime_ns) noexcept {
        const std::int64_t second = realtime_ns / 1'000'000'000;
        if (second != second_) {
            second_ = second;
            const std::time_t seconds = second;
            std::tm parts{};
            ::gmtime_r(&seconds, &parts);
            number(0, 4, parts.tm_year + 1900);
            number(4, 2, parts.tm_mon + 1);
            number(6, 2, parts.tm_mday);
            number(9, 2, parts.tm_hour);
            number(12, 2, parts.tm_min);
            number(15, 2, parts.tm_sec);
        }
        number(18, 9, static_cast<int>(realtime_ns % 1'000'000'000));
    }
    std::string_view view() const noexcept { return {text_.data(), text_.size()}; }
    std::string_view date() const noexcept { return view().substr(0, 8); }
    std::string_view time() const noexcept { return view().substr(9); }

private:
    void number(std::size_t at, std::size_t width, int value) noexcept {
        for (std::size_t i = width; i-- > 0; value /= 10) text_[at + i] = static_cast<char>('0' + value % 10);
    }

    std::int64_t second_ = -1;
    std::array<char, 27> text_{'0', '0', '0', '0', '0', '0', '0', '0', '-',
                               '0', '0', ':', '0', '0', ':', '0', '0', '.'};
};

inline std::uint32_t byte_sum(std::string_view bytes) noexcept {
    std::uint32_t sum = 0;
    for (const char c : bytes) sum += static_cast<unsigned char>(c);
    return sum;
}

// What an instrument looks like on the wire.
struct WireInstrument {
    std::string symbol_field;  // "55=SYMBOL|"
    unsigned price_decimals = 0;
    unsigned size_decimals = 0;
};

// The part of a message after its header; shared by all sessions that get it.
struct Body {
    Text text;
    std::uint32_t sum = 0;

    void close() noexcept { sum = byte_sum(text.view()); }
};

class BodyEncoder {
public:
    explicit BodyEncoder(bool by_id) noexcept : by_id_(by_id) {}

    // X: 268 and one group entry each, in the event's order.
    void incremental(Body& body, const WireInstrument& instrument, const Entry* entries, std::size_t count,
                     std::uint64_t rpt_seq, std::int64_t intended_realtime_ns) {
        begin(body, instrument, count);
        for (std::size_t i = 0; i < count; ++i) {
            increment(body.text, instrument, entries[i], rpt_seq, i == 0 ? intended_realtime_ns : 0);
        }
        body.close();
    }

    // W: the book as it is, bids then asks, best first; 268=0 when it is empty.
    void snapshot(Body& body, const WireInstrument& instrument, const Book& book, std::string_view request_id,
                  std::uint64_t rpt_seq, std::int64_t intended_realtime_ns) {
        body.text.clear();
        body.text.reserve(request_id.size() + instrument.symbol_field.size() + 32);
        if (!request_id.empty()) {
            body.text.put("262=");
            body.text.put(request_id);
            body.text.put(SOH);
        }
        body.text.put(instrument.symbol_field);
        count_field(body, instrument, book.bids().size() + book.asks().size());
        std::int64_t time_ns = intended_realtime_ns;
        for (const EntryType type : {EntryType::bid, EntryType::ask}) {
            const BookSide& side = book.side(type);
            for (std::size_t i = 0; i < side.size(); ++i) {
                const Quote& quote = side.from_best(i);
                type_field(body.text, type);
                if (by_id_) number_field(body.text, "278=", quote.id);
                values(body.text, instrument, quote.price, quote.size, rpt_seq, std::exchange(time_ns, 0));
            }
        }
        body.close();
    }

    static constexpr char SOH = '\x01';

private:
    static constexpr std::size_t ENTRY_BYTES_MAX = 224;  // without 55

    void begin(Body& body, const WireInstrument& instrument, std::size_t count) {
        body.text.clear();
        count_field(body, instrument, count);
    }

    void count_field(Body& body, const WireInstrument& instrument, std::size_t count) {
        body.text.reserve(32 + count * (ENTRY_BYTES_MAX + instrument.symbol_field.size()));
        number_field(body.text, "268=", count);
    }

    void increment(Text& out, const WireInstrument& instrument, const Entry& entry, std::uint64_t rpt_seq,
                   std::int64_t time_ns) {
        const bool remove = entry.action == EntryAction::remove;
        const bool trade = entry.type == EntryType::trade;
        out.put("279=");
        out.put(static_cast<char>('0' + static_cast<int>(entry.action)));
        out.put(SOH);
        if (!(by_id_ && remove)) type_field(out, entry.type);
        if (by_id_ || trade) number_field(out, "278=", entry.id);
        out.put(instrument.symbol_field);
        if (remove) {  // by id the id is enough; by price the price is the key
            if (!by_id_) price_field(out, instrument, entry.price);
            tail(out, trade ? 0 : rpt_seq, time_ns);
            return;
        }
        values(out, instrument, entry.price, entry.size, trade ? 0 : rpt_seq, time_ns);
        if (trade && entry.aggressor != 0) number_field(out, "54=", entry.aggressor);
    }

    void values(Text& out, const WireInstrument& instrument, std::int64_t price, std::int64_t size,
                std::uint64_t rpt_seq, std::int64_t time_ns) {
        price_field(out, instrument, price);
        out.put("271=");
        out.fixed(size, instrument.size_decimals);
        out.put(SOH);
        tail(out, rpt_seq, time_ns);
    }

    void tail(Text& out, std::uint64_t rpt_seq, std::int64_t time_ns) {
        if (time_ns != 0) {
            time_.set(time_ns);
            out.put("272=");
            out.put(time_.date());
            out.put(
                "\x01"
                "273=");
            out.put(time_.time());
            out.put(SOH);
        }
        if (rpt_seq != 0) number_field(out, "83=", rpt_seq);
    }

    static void type_field(Text& out, EntryType type) noexcept {
        out.put("269=");
        out.put(static_cast<char>('0' + static_cast<int>(type)));
        out.put(SOH);
    }
    static void price_field(Text& out, const WireInstrument& instrument, std::int64_t price) noexcept {
        out.put("270=");
        out.fixed(price, instrument.price_decimals);
        out.put(SOH);
    }
    static void number_field(Text& out, std::string_view tag, std::uint64_t value) noexcept {
        out.put(tag);
        out.unsigned_number(value);
        out.put(SOH);
    }

    bool by_id_;
    TimeText time_;
};

}  // namespace fh::sim
