// FIX text for native tests: "35=X|34=1|" in, a framed message out; the plain FIX 4.4 table.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "feedhandler/native/fix_loop.hpp"
#include "shm/ring_reader.hpp"

inline std::string fix_message(std::string body, const std::string& begin = "FIX.4.4") {
    for (char& c : body)
        if (c == '|') c = fh::SOH;
    std::string message = "8=" + begin + "\x01" + "9=" + std::to_string(body.size()) + "\x01" + body;
    const std::string sum = std::to_string(1000 + fh::fix_checksum(message.data(), message.size()));
    return message + "10=" + sum.substr(1) + "\x01";
}

inline fh::FixTable plain_table(bool id_keyed) {
    using fh::Role;
    fh::FixTable table;
    const std::pair<std::uint32_t, Role> roles[] = {
        {55, Role::symbol},     {269, Role::type},        {279, Role::action},       {278, Role::id},
        {280, Role::ref_id},    {270, Role::price},       {271, Role::size},         {272, Role::date},
        {273, Role::time},      {268, Role::group_count}, {60, Role::transact_time}, {83, Role::venue_seq},
        {1003, Role::trade_id}, {54, Role::trade_side}};
    for (const auto& [tag, role] : roles) table.set_role(tag, role);
    table.types['0'] = fh::EntryType::bid;
    table.types['1'] = fh::EntryType::ask;
    table.types['2'] = fh::EntryType::trade;
    table.types['J'] = fh::EntryType::clear;
    table.actions['0'] = fh::Action::add;
    table.actions['1'] = fh::Action::change;
    table.actions['2'] = fh::Action::remove;
    table.keying = id_keyed ? fh::Keying::id : fh::Keying::price;
    return table;
}

// A loop with one session, its ring in a folder of its own.
struct Wire {
    std::string dir;
    fh::RingWriter ring;
    fh::RingReader reader;
    fh::FixLoop loop;

    explicit Wire(bool id_keyed, std::size_t message_max = 1 << 20) : Wire(plain_table(id_keyed), message_max) {}
    explicit Wire(const fh::FixTable& table, std::size_t message_max = 1 << 20)
        : dir(folder()), ring(dir, dir, "t", 4096), reader(dir, "t"), loop(ring, false) {
        loop.add_session(table, {7, 0, message_max, 1024});
        auto& session = loop.session(0);
        session.symbols().add("EURUSD", 1);
        session.symbols().add("USDJPY", 2);
        session.set_sequence(1, true, false);
        reader.attach();
    }
    ~Wire() { std::filesystem::remove_all(dir); }
    static std::string folder() {
        char pattern[] = "/dev/shm/fh-fix-test-XXXXXX";
        return ::mkdtemp(pattern);
    }
    bool feed(const std::string& bytes, std::int64_t now_ns = 1) {
        return loop.feed(0, bytes.data(), bytes.size(), now_ns);
    }
    std::vector<fh::Record> read() {
        std::vector<fh::Record> records(4096);
        records.resize(reader.read(records.data(), records.size()).count);
        return records;
    }
    std::uint64_t count(fh::FixCount what) { return loop.session(0).counts().get(what); }
};
