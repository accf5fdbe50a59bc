// Predicted field order. Venues write the same fields in the same order again and again, so the tags of a section are
// compared with those of a section seen before, sixteen bytes at a time, instead of being read. A layout is only ever
// learned from a section that was read field by field: it says what the table says.
#pragma once

#include <array>
#include <cstdint>

#include "feedhandler/native/fix_section.hpp"

namespace fh {

class Layout {
public:
    static constexpr std::size_t STEPS_MAX = 16;

    void clear() noexcept { *this = Layout{}; }

    // Learns the next field; one that cannot be predicted makes the layout unusable.
    void add(const Field& field, const char* begin, Role role) noexcept {
        const auto length = static_cast<std::size_t>(field.value.begin - begin);
        const std::uint32_t bit = role == Role::none ? 0 : SectionFields::bit(role);
        if (field.tag == 0 || length > TAG_BYTES_MAX || (present_ & bit) != 0) usable_ = false;
        if (usable_ && steps_[count_].length + length > CHUNK) close_step(Step::no_value);
        if (!usable_) return;
        present_ |= bit;
        Step& step = steps_[count_];
        step.expect(begin, length);
        std::uint8_t* place = role == Role::action ? &action_ : is_type(role) ? &type_ : nullptr;
        if (place != nullptr && count_ == 0 && field.value.size() == 1 && step.length + 2 <= CHUNK) {
            *place = static_cast<std::uint8_t>(step.length++);  // whatever it is
            step.expect(field.value.end, 1);
            return;
        }
        late_ |= place != nullptr;
        step.role = static_cast<std::uint16_t>(role);
        const bool varying = role == Role::price || role == Role::size || role == Role::seq || role == Role::id;
        close_step(varying ? Step::varying : Step::steady);
    }
    // The section ends before a field that begins like this one, or, where it may, with the message.
    void end_before(const Field& field, const char* begin) noexcept {
        const auto length = static_cast<std::size_t>(field.value.begin - begin);
        if (field.tag == 0 || length > TAG_BYTES_MAX) usable_ = false;
        if (!usable_) return;
        ahead_mask_ = length == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * length)) - 1;
        ahead_ = load_word(begin) & ahead_mask_;
    }
    void may_not_end() noexcept { may_end_ = false; }
    void spoil() noexcept { usable_ = false; }
    // All fields are known: whether sections can be compared with this.
    bool finish() noexcept {
        if (usable_ && steps_[count_].length > 0) close_step(Step::no_value);
        return usable_ && count_ > 0;
    }

    // Takes the section that begins at p, in a body that ends at `end`. Returns where it ends; null where it is
    // another section, and `fields` then means nothing. Differences are gathered, without a branch for each.
    [[nodiscard, gnu::always_inline]] const char* take(const char* p, const char* end, SectionFields& fields) noexcept {
        if (count_ == 0) return nullptr;
        fields.present = present_;
        fields.action = p[action_];
        fields.type = p[type_];
        Chunk difference{};
        Step* step = steps_.data();
        Step* const last = step + count_;
        do {
            difference |= (chunk_at(p) ^ step->text) & step->mask;
            p += step->length;
            Text& value = fields.values[step->role];
            value.begin = p;
            if (step->kind == Step::steady) [[likely]]
                p = steady_end(p, end, *step);
            else if (step->kind == Step::varying)
                p = value_end(p, end);
            else
                continue;
            value.end = p++;
        } while (++step != last);
        const bool ended = ((load_word(p) ^ ahead_) & ahead_mask_) == 0 || (may_end_ && p == end);
        if (!none(difference) || !ended || p > end) return nullptr;
        if (late_) [[unlikely]]
            take_late(fields);
        return p;
    }

    Layout* next = nullptr;  // the layout of the section that came behind this one last time

private:
    static constexpr std::size_t CHUNK = 16;
    static constexpr std::size_t TAG_BYTES_MAX = 8;
    using Chunk [[gnu::vector_size(CHUNK)]] = std::uint8_t;

    static Chunk chunk_at(const char* p) noexcept {
        Chunk chunk;
        std::memcpy(&chunk, p, CHUNK);
        return chunk;
    }
    static bool none(Chunk difference) noexcept {
        std::uint64_t halves[2];
        std::memcpy(halves, &difference, CHUNK);
        return (halves[0] | halves[1]) == 0;
    }
    static constexpr bool is_type(Role role) noexcept { return role == Role::type || role == Role::msg_type; }

    // Up to sixteen bytes, of which some may be anything; then a value up to its SOH, or none.
    struct Step {
        enum Kind : std::uint16_t {
            steady,
            varying,
            no_value
        };  // of the value: its length hardly ever changes, or does
        Chunk text{};
        Chunk mask{};
        std::size_t length = 0;
        std::uint32_t usual = 0;  // bytes of a steady value, last time
        std::uint16_t role = 0;
        Kind kind = no_value;
        void expect(const char* p, std::size_t n) noexcept {
            for (std::size_t i = 0; i < n; ++i) {
                text[length] = static_cast<std::uint8_t>(p[i]);
                mask[length++] = 0xff;
            }
        }
    };
    // Without a look at `end` for each step, so far behind it a mistaken one may look.
    static_assert(STEPS_MAX * 2 * CHUNK <= FIELD_SLACK);

    void close_step(Step::Kind kind) noexcept {
        steps_[count_].kind = kind;
        if (++count_ < STEPS_MAX) return;
        --count_;
        usable_ = false;
    }

    // The SOH of the value at p; `end` where there is none before it.
    [[gnu::always_inline]] static const char* value_end(const char* p, const char* end) noexcept {
        for (;; p += 16) {
            const unsigned offset = soh_offset(p);
            if (offset < 16) [[likely]]
                return p + offset;
            if (end - p <= 16) return end;
        }
    }
    // The same where the CPU need not wait for the answer: it goes on with the usual length, and a branch that is
    // guessed right confirms it. Otherwise each value's place waits for that of the one before.
    [[gnu::always_inline]] static const char* steady_end(const char* p, const char* end, Step& step) noexcept {
        const char* const usual = p + step.usual;
        const char* guess = usual;
        asm("" : "+r"(guess));  // the compiler must not see that `found`, which comes later, is the same
        const char* const found = value_end(p, end);
        if (found == usual) [[likely]]
            return guess;
        step.usual = static_cast<std::uint32_t>(found - p);
        return found;
    }

    // Action and type that do not stand at the section's beginning, or are not of one character.
    [[gnu::noinline]] void take_late(SectionFields& fields) const noexcept {
        for (std::size_t i = 0; i < count_; ++i) {
            const Role role = static_cast<Role>(steps_[i].role);
            if (role == Role::action) fields.action = fields[role].one_character();
            if (is_type(role)) fields.type = fields[role].one_character();
        }
    }

    std::uint32_t count_ = 0;
    std::uint32_t present_ = 0;
    std::uint8_t action_ = 0;  // places in the section; 0 where they are not there, or late
    std::uint8_t type_ = 0;
    bool late_ = false;
    bool usable_ = true;
    bool may_end_ = true;
    std::uint64_t ahead_ = 0;
    std::uint64_t ahead_mask_ = 0;
    std::array<Step, STEPS_MAX> steps_;
};

}  // namespace fh
