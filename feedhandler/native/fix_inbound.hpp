// The receiving half of one FIX session: buffer, framing, sequence check, decoding.
//
// Market data in sequence goes to the ring here; the first message that needs the session (administrative,
// out of sequence, other application messages) stops the work and is handed out, so that the order between
// the two kinds is the wire's. The caller handles it, sets next_in() anew and goes on.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "feedhandler/native/fix_decode.hpp"
#include "feedhandler/native/fix_frame.hpp"

namespace fh {

class Inbound {
public:
    static constexpr std::size_t READ_BYTES = 256 * 1024;

    struct Options {
        std::uint16_t source = 0;
        std::size_t note_slot = 0;
        std::size_t message_max = 8 << 20;
        std::size_t entries_max = 1 << 18;
        std::size_t buffer_bytes = READ_BYTES;  // to begin with; it grows to the longest message allowed
        bool predict = true;                    // false: every field is read by itself, for tests
    };

    Inbound(const FixTable& table, RingWriter& ring, const Options& options)
        : table_(table),
          ring_(ring),
          options_(options),
          header_reader_(table_, options.predict),
          decoder_(table_, symbols_, ring, counts_, options.source, options.entries_max, options.predict) {
        buffer_.resize(options.buffer_bytes + FIELD_SLACK);
    }
    Inbound(const Inbound&) = delete;
    Inbound& operator=(const Inbound&) = delete;

    // Room for at least `bytes` more; then the caller fills it and calls filled().
    char* room(std::size_t bytes) {
        if (begin_ == end_) begin_ = end_ = 0;
        if (capacity() - end_ < bytes && begin_ > 0) {
            std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
                      buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
            end_ -= begin_;
            begin_ = 0;
        }
        if (capacity() - end_ < bytes) buffer_.resize(std::max(end_ + bytes, capacity() * 2) + FIELD_SLACK);
        return buffer_.data() + end_;
    }
    [[nodiscard]] std::size_t space() const noexcept { return capacity() - end_; }
    void filled(std::size_t bytes, std::int64_t ts_recv) noexcept {
        end_ += bytes;
        ts_recv_ = ts_recv;
        counts_.add(FixCount::reads);
        counts_.add(FixCount::bytes, bytes);
    }

    // Works off what is buffered. True: `message()` needs the session. False: more bytes are needed.
    bool work() {
        message_ = {};
        while (begin_ < end_) {
            if (skipping_ && !skip()) return false;
            const char* p = buffer_.data() + begin_;
            const FrameResult frame = scanner_.scan(p, end_ - begin_, options_.message_max);
            if (frame.status == Frame::partial) {
                wanted_ = frame.length;
                return false;
            }
            if (frame.status != Frame::ok) {
                garbled(frame.status);
                continue;
            }
            counts_.add(FixCount::messages);
            begin_ += frame.length;
            if (!take(p, frame)) return true;
        }
        return false;
    }

    // Decodes one whole W or X that the session itself took (out of its queue, or behind a gap it does not fill).
    // False: it is no market data. Its number is the session's affair.
    bool decode(std::string_view message) {
        scratch_.assign(message.begin(), message.end());
        scratch_.resize(message.size() + FIELD_SLACK);
        const FrameResult frame = scan_frame(scratch_.data(), message.size(), options_.message_max);
        if (frame.status != Frame::ok) return false;
        cursor_ = {scratch_.data() + frame.body, scratch_.data() + frame.trailer};
        header_reader_.read(cursor_, header_);
        if (header_.type != 'W' && header_.type != 'X') return false;
        write(scratch_.data(), frame);
        return true;
    }

    // Notes what the ring will hold of this session once it is published. Called once before a publish.
    void note() {
        if (decoder_.holding()) return;  // a part of an event is not in the ring: its messages must come again
        if (!noted_ && options_.note_slot < NOTE_SESSIONS) ring_.note(options_.note_slot, next_in_);
        noted_ = true;
    }

    // The session says where the sequence stands, and whether market data may be decoded at all.
    void set_sequence(std::uint64_t next_in, bool established, bool gap_pending) {
        if (next_in != next_in_) {
            const bool back = next_in < next_in_;
            next_in_ = next_in;
            noted_ = false;
            note();
            if (back && options_.note_slot < NOTE_SESSIONS) ring_.note(options_.note_slot, next_in_);  // both slots
        }
        established_ = established;
        gap_pending_ = gap_pending;
    }
    void set_parties(std::string sender, std::string target) {
        sender_ = KnownText(std::move(sender));
        target_ = KnownText(std::move(target));
    }
    // The next record says that something was lost before it.
    void mark_gap() noexcept { gap_flag_ = true; }
    // A new connection begins with a new stream of bytes.
    void forget_bytes() {
        begin_ = end_ = wanted_ = 0;
        skipping_ = false;
        message_ = {};
        abandon_event();
    }
    // The connection is over: what it began of an event goes to the ring as it is.
    void abandon_event() { decoder_.abandon_event(); }

    [[nodiscard]] std::string_view message() const noexcept { return message_; }
    [[nodiscard]] std::uint64_t next_in() const noexcept { return next_in_; }
    [[nodiscard]] std::size_t buffered() const noexcept { return end_ - begin_; }
    // Bytes still missing of the message that is being read, as far as its header tells.
    [[nodiscard]] std::size_t missing() const noexcept {
        const std::size_t there = end_ - begin_;
        return wanted_ > there ? wanted_ - there : 0;
    }
    [[nodiscard]] std::int64_t ts_recv() const noexcept { return ts_recv_; }
    [[nodiscard]] SymbolMap& symbols() noexcept { return symbols_; }
    [[nodiscard]] FixCounts& counts() noexcept { return counts_; }
    [[nodiscard]] Quarantine& quarantine() noexcept { return quarantine_; }
    [[nodiscard]] Decoder& decoder() noexcept { return decoder_; }

private:
    [[nodiscard]] std::size_t capacity() const noexcept { return buffer_.size() - FIELD_SLACK; }

    // One message of good length and checksum. False: it is the session's.
    bool take(const char* p, const FrameResult& frame) {
        const std::string_view whole(p, frame.length);
        if (established_) {
            cursor_ = {p + frame.body, p + frame.trailer};
            header_reader_.read(cursor_, header_);
            const FixHeader& header = header_;
            if ((header.type == 'W' || header.type == 'X') && ours(header.fields)) {
                if (header.seq == next_in_) {
                    write(p, frame);
                    ++next_in_;
                    noted_ = false;
                    return true;
                }
                if (header.seq != 0 && header.seq < next_in_ && header.poss_dup) {
                    counts_.add(FixCount::duplicates);
                    return true;
                }
                if (header.seq > next_in_ && gap_pending_) {
                    counts_.add(FixCount::too_high_dropped);
                    return true;
                }
            }
        }
        counts_.add(FixCount::admin);
        message_ = whole;
        return false;
    }

    void write(const char* p, const FrameResult& frame) {
        std::uint8_t flags = 0;
        if (header_.poss_dup) {
            flags |= flag::recovered;
            counts_.add(FixCount::recovered);
        }
        if (gap_flag_) flags |= flag::gap;
        const DecodeResult result = decoder_.decode(header_, cursor_, ts_recv_, flags);
        if (result.ticks > 0) gap_flag_ = false;
        if (result.why != FixCount::count_) quarantine_.keep(counts_, ts_recv_, result.why, p, frame.length);
    }

    // Another party's messages are the session's to refuse.
    [[nodiscard]] bool ours(const SectionFields& fields) const noexcept {
        return (sender_.empty() || (fields.has(Role::target) && sender_.is(fields[Role::target]))) &&
               (target_.empty() || (fields.has(Role::sender) && target_.is(fields[Role::sender])));
    }

    void garbled(Frame status) {
        why_ = status == Frame::bad_begin    ? FixCount::bad_begin
               : status == Frame::bad_length ? FixCount::bad_length
               : status == Frame::oversize   ? FixCount::oversize
               : status == Frame::bad_type   ? FixCount::bad_type
                                             : FixCount::bad_checksum;
        counts_.add(FixCount::garbled);
        counts_.add(why_);
        skipping_ = true;
        skip_from_ = 1;
        first_skip_ = true;
    }

    // Throws away bytes up to the next place where a message may begin. False: none there yet.
    bool skip() {
        const char* p = buffer_.data() + begin_;
        const std::size_t n = end_ - begin_;
        const std::size_t at = find_begin(p, std::min(skip_from_, n), n);
        // A tail that may become "8=FIX" stays; so does a lone first byte that was refused.
        if (at > 0 && first_skip_) quarantine_.keep(counts_, ts_recv_, why_, p, at);
        if (at > 0) first_skip_ = false;
        counts_.add(FixCount::skipped_bytes, at);
        begin_ += at;
        skip_from_ = 0;
        if (n - at < 5) return false;
        skipping_ = false;
        return true;
    }

    const FixTable table_;
    SymbolMap symbols_;
    RingWriter& ring_;
    Options options_;
    FixCounts counts_;
    Quarantine quarantine_;
    FrameScanner scanner_;
    Cursor cursor_{nullptr, nullptr};
    FixHeader header_;
    HeaderReader header_reader_;
    Decoder decoder_;
    std::vector<char> buffer_;
    std::vector<char> scratch_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t wanted_ = 0;
    std::size_t skip_from_ = 0;
    bool skipping_ = false;
    bool first_skip_ = false;
    FixCount why_ = FixCount::bad_begin;
    std::int64_t ts_recv_ = 0;
    std::uint64_t next_in_ = 0;  // 0: not told yet
    bool established_ = false;
    bool gap_pending_ = false;
    bool gap_flag_ = false;
    bool noted_ = true;
    KnownText sender_;
    KnownText target_;
    std::string_view message_;
};

}  // namespace fh
