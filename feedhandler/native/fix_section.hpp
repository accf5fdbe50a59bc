// The fields of one part of a message (its header, its root, one entry), by role.
#pragma once

#include <array>
#include <cstdint>

#include "feedhandler/native/fix_fields.hpp"
#include "feedhandler/native/fix_table.hpp"

namespace fh {

// Texts point into the message.
struct SectionFields {
    std::array<Text, ROLES> values;
    std::uint32_t present;
    char action;  // of values of one character; 0 for all others
    char type;    // MDEntryType, or MsgType

    static constexpr std::uint32_t bit(Role role) noexcept { return 1U << static_cast<unsigned>(role); }
    [[nodiscard]] bool has(Role role) const noexcept { return (present & bit(role)) != 0; }
    [[nodiscard]] bool has_all(std::uint32_t bits) const noexcept { return (present & bits) == bits; }
    [[nodiscard]] bool has_any(std::uint32_t bits) const noexcept { return (present & bits) != 0; }
    // Only of a role that it has, and neither of action nor of type.
    [[nodiscard]] Text operator[](Role role) const noexcept { return values[static_cast<std::size_t>(role)]; }

    void clear() noexcept {
        present = 0;
        action = type = '\0';
    }
    // False where the field is there already; then the first stays.
    bool set(Role role, Text value) noexcept {
        if (has(role)) return false;
        present |= bit(role);
        values[static_cast<std::size_t>(role)] = value;
        if (role == Role::action) action = value.one_character();
        if (role == Role::type || role == Role::msg_type) type = value.one_character();
        return true;
    }
};

}  // namespace fh
