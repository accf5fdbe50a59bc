// Decoding: sections in a known order and sections field by field give the same records and the same counts,
// for any bodies. The first byte chooses the table; each line is the body of a message of right length and CheckSum.
#include <cstring>

#include "feedhandler/native/fix_decode.hpp"
#include "feedhandler/native/fix_frame.hpp"
#include "shm/ring_reader.hpp"
#include "tests/fuzz/targets/fuzz.hpp"
#include "tests/native/fix_wire.hpp"

namespace {

// A ring that stays; everything else is new for each input.
struct Side {
    Wire wire{false};
    std::vector<fh::Record> records = std::vector<fh::Record>(4096);
};

// One of the twins.
class Twin {
public:
    Twin(Side& side, const fh::FixTable& table, bool predict)
        : side_(side),
          header_reader_(table, predict),
          decoder_(table, symbols_, side.wire.ring, counts_, 7, 16, predict) {
        symbols_.add("EURUSD", 1);
        symbols_.add("USDJPY", 2);
        symbols_.add("A-LONG-SYMBOL-OF-24-CHRS", 3);
        decoder_.writer().check().set_decimals(1, 5, 2);
    }

    // Says whether it was market data. The records are read out at once, so that the ring never laps.
    bool decode(const std::string& message) {
        bytes_.assign(message.begin(), message.end());
        bytes_.resize(message.size() + fh::FIELD_SLACK);
        const auto frame = fh::scan_frame(bytes_.data(), message.size(), 1 << 20);
        FUZZ_CHECK(frame.status == fh::Frame::ok);
        fh::Cursor cursor{bytes_.data() + frame.body, bytes_.data() + frame.trailer};
        header_reader_.read(cursor, header_);
        read_ = 0;
        if (header_.type != 'W' && header_.type != 'X') return false;
        result_ = decoder_.decode(header_, cursor, 5, 0);
        FUZZ_CHECK(!side_.wire.ring.event_size());
        side_.wire.ring.publish(9);
        const auto batch = side_.wire.reader.read(side_.records.data(), side_.records.size());
        FUZZ_CHECK(batch.lost == 0);
        read_ = batch.count;
        return true;
    }

    void compare(const Twin& other) const {
        FUZZ_CHECK(header_.seq == other.header_.seq && header_.type == other.header_.type);
        FUZZ_CHECK(header_.poss_dup == other.header_.poss_dup);
        FUZZ_CHECK(result_.ticks == other.result_.ticks && result_.why == other.result_.why);
        FUZZ_CHECK(counts_.values == other.counts_.values);
        FUZZ_CHECK(read_ == other.read_);
        for (std::size_t i = 0; i < read_; ++i) {
            fh::Record mine = side_.records[i];
            fh::Record theirs = other.side_.records[i];
            mine.seq = theirs.seq = 0;
            FUZZ_CHECK(std::memcmp(&mine, &theirs, sizeof mine) == 0);
        }
    }

private:
    Side& side_;
    fh::SymbolMap symbols_;
    fh::FixCounts counts_;
    fh::HeaderReader header_reader_;
    fh::Decoder decoder_;
    fh::FixHeader header_{};
    fh::DecodeResult result_;
    std::vector<char> bytes_;
    std::size_t read_ = 0;
};

// What only some venues have: positions, numbers of their own, checksums, events over several messages.
void add_more(fh::FixTable& table, unsigned choice) {
    using fh::Role;
    table.types['7'] = fh::EntryType::ignored;
    table.actions['3'] = fh::Action::remove_through;
    table.actions['4'] = fh::Action::remove_from;
    table.actions['5'] = fh::Action::overlay;
    table.set_role(1023, Role::position);
    table.set_role(893, Role::event_end);
    table.set_role(5041, Role::book_check);
    table.checks_book = (choice & 1) != 0;
    table.gap_check = choice == 0 ? fh::GapCheck::message : fh::GapCheck::entry;
    if (choice == 2) table.keying = fh::Keying::position;
    if (choice == 2) table.position_depth = 3;
    if (choice != 3) return;
    table.keying = fh::Keying::price;
    table.size_unknown = 1;
    table.gap_check = fh::GapCheck::range;
    table.roles[83] = Role::none;
    table.set_role(25044, Role::venue_seq);
    table.set_role(25043, Role::first_update);
}

fh::FixTable table_of(unsigned choice) {
    fh::FixTable table = plain_table((choice & 1) != 0);
    if ((choice & 2) != 0) table.id_scope = fh::IdScope::instrument;
    table.types['3'] = fh::EntryType::index;
    if ((choice & 4) != 0) add_more(table, choice & 3);
    return table;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Side fast_side;
    static Side slow_side;
    static const fh::FixTable tables[] = {table_of(0), table_of(1), table_of(2), table_of(3),
                                          table_of(4), table_of(5), table_of(6), table_of(7)};
    if (size == 0) return 0;
    std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    const fh::FixTable& table = tables[data[0] & 7];
    Twin fast(fast_side, table, true);
    Twin slow(slow_side, table, false);
    for (int lines = 0; !input.empty() && lines < 40; ++lines) {
        const std::string message = fuzz::framed("35=" + fuzz::wire(fuzz::next_line(input)) + "|\x01");
        const bool taken = fast.decode(message);
        FUZZ_CHECK(slow.decode(message) == taken);
        fast.compare(slow);
    }
    return 0;
}
