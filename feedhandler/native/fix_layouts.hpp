// The layouts of one kind of section that were seen so far.
#pragma once

#include <array>
#include <cstdint>

#include "feedhandler/native/fix_layout.hpp"

namespace fh {

// A link is a place that names the layout expected next. Used like this: match() at the beginning of a section;
// where it gives nothing, the section is read field by field, each told to draft(), and learn() remembers it.
class LayoutCache {
public:
    static constexpr std::size_t LAYOUTS = 8;  // a session has a handful; the oldest is forgotten

    // Without prediction every section is read field by field: the slow twin, for tests.
    explicit LayoutCache(bool predict = true) noexcept : predict_(predict) { then(none()); }
    LayoutCache(const LayoutCache&) = delete;
    LayoutCache& operator=(const LayoutCache&) = delete;

    // Nothing is expected: what a link names to begin with.
    [[nodiscard]] Layout* none() noexcept { return layouts_.data(); }
    // What comes behind a section whose layout is not known.
    void then(Layout* expected) noexcept { layouts_[0].next = expected; }

    // Takes the fields of the section that begins at the cursor, moves the cursor behind it and the link to what
    // comes next. False where no layout fits.
    [[gnu::always_inline]] bool match(Layout**& link, Cursor& cursor, SectionFields& fields) noexcept {
        Layout* layout = *link;
        const char* behind = layout->take(cursor.at, cursor.end, fields);
        if (behind == nullptr) [[unlikely]]
            return search(link, cursor, fields);
        cursor.at = behind;
        link = &layout->next;
        return true;
    }

    Layout& draft() noexcept { return draft_; }
    // Remembers what has been drafted, where that can be predicted, and moves the link behind it.
    void learn(Layout**& link) noexcept {
        Layout* layout = none();
        if (predict_ && draft_.finish()) {
            victim_ = victim_ % (LAYOUTS - 1) + 1;
            layout = &layouts_[victim_];
            *layout = draft_;
            layout->next = layouts_[0].next;
        }
        *link = layout;
        link = &layout->next;
    }

private:
    [[gnu::noinline]] bool search(Layout**& link, Cursor& cursor, SectionFields& fields) noexcept {
        for (std::size_t i = 1; i < LAYOUTS; ++i) {
            const char* behind = layouts_[i].take(cursor.at, cursor.end, fields);
            if (behind == nullptr) continue;
            cursor.at = behind;
            *link = &layouts_[i];
            link = &layouts_[i].next;
            return true;
        }
        return false;
    }

    std::array<Layout, LAYOUTS> layouts_;  // number 0 fits nothing, but has a successor
    Layout draft_;
    bool predict_;
    std::size_t victim_ = 0;
};

}  // namespace fh
