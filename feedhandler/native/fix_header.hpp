// The standard header of a message, as far as we look into it.
#pragma once

#include <cstdint>

#include "feedhandler/native/fix_layouts.hpp"
#include "feedhandler/native/fix_number.hpp"

namespace fh {

// Texts point into the message.
struct FixHeader {
    SectionFields fields;
    std::uint64_t seq;  // 0: missing or not a number
    char type;          // of one-character types; 0 for all others
    bool poss_dup;
};

class HeaderReader {
public:
    HeaderReader(const FixTable& table, bool predict) noexcept : table_(table), layouts_(predict) {}

    // The cursor stands at 35= and is left at the first field that is none of the header's.
    void read(Cursor& cursor, FixHeader& header) noexcept {
        SectionFields& fields = header.fields;
        Layout** link = &expected_;
        if (!layouts_.match(link, cursor, fields)) [[unlikely]]
            read_slowly(cursor, fields);
        header.type = fields.has(Role::msg_type) ? fields.type : '\0';
        const Unsigned seq = fields.has(Role::seq) ? message_unsigned(fields[Role::seq], INT64_MAX) : Unsigned{};
        header.seq = seq.ok() ? seq.value : 0;
        header.poss_dup = fields.has(Role::poss_dup) && fields[Role::poss_dup].is('Y');
    }

private:
    [[gnu::noinline]] void read_slowly(Cursor& cursor, SectionFields& fields) noexcept {
        fields.clear();
        Layout& draft = layouts_.draft();
        draft.clear();
        draft.may_not_end();
        while (cursor.more()) {
            const char* begin = cursor.at;
            const Field field = cursor.next();
            const Role role = table_.role(field.tag);
            if (is_header(role)) {
                draft.add(field, begin, role == Role::header ? Role::none : role);
                if (role != Role::header) fields.set(role, field.value);
            } else if (role == Role::data_length && (field.tag == 90 || field.tag == 212)) {
                skip_data(cursor, field);  // encrypted data, XML data
                draft.spoil();
            } else {
                cursor.at = begin;
                draft.end_before(field, begin);
                Layout** link = &expected_;
                return layouts_.learn(link);
            }
        }
    }

    const FixTable& table_;
    LayoutCache layouts_;
    Layout* expected_ = layouts_.none();
};

}  // namespace fh
