// The file of a parking page: `<ring>.wait`, `board.parking`. It is made once and never replaced, so that readers that
// sleep on it are woken by every writer to come.
#pragma once

#include <memory>
#include <string>

#include "shm/layout.hpp"
#include "shm/placement.hpp"
#include "shm/segment.hpp"

namespace fh {

inline constexpr SegmentKind WAIT_KIND{"a wait page", WAIT_MAGIC, LAYOUT_VERSION, "restart its writer"};

// The writer's side. What readers may have spoiled of the page's identity is mended.
inline Mapping make_wait_page(const std::string& path, const Placement& placement) {
    bool made = false;
    File file = open_kept(path, made);
    if (!file.ok()) raise(path, refusal(errno));
    if (const auto verdict = regular(file); !verdict.good()) raise(path, verdict);
    Placement small = placement;
    small.huge = false;
    Mapping mapping = place(file, WAIT_BYTES, path, small);
    auto* page = mapping.as<WaitPage>();
    page->version = LAYOUT_VERSION;
    page->magic = WAIT_MAGIC;
    hand_over_kept(file, path, placement, placement.page_mode(), made);
    return mapping;
}

// The reader's side: `page` is where to park, null without the right to write; `hint` is null without a page.
struct WaitView {
    std::shared_ptr<const Mapping> mapping;  // of all copies of this view
    WaitPage* page = nullptr;
    const WaitPage* hint = nullptr;
};

// Good also where there is no page, or no right to it: then a reader waits by the clock.
inline Verdict open_wait_page(const std::string& path, WaitView& view) {
    File file;
    auto verdict = open_segment(path, file, O_RDWR);
    const bool writable = verdict.good();
    if (verdict.fault == Fault::denied) verdict = open_segment(path, file);
    if (verdict.fault == Fault::missing || verdict.fault == Fault::denied) return {};
    WaitPage found;
    if (verdict.good()) verdict = read_header(file, found, WAIT_KIND);
    if (verdict.good()) verdict = check_length(file, WAIT_BYTES);
    if (!verdict.good()) return verdict;
    view.mapping = std::make_shared<const Mapping>(file, WAIT_BYTES, writable);
    view.hint = view.mapping->as<const WaitPage>();
    view.page = writable ? view.mapping->as<WaitPage>() : nullptr;
    return {};
}

}  // namespace fh
