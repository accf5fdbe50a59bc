"""No stored byte changes its meaning without its version: structs, enums and constants as compiled, pinned per version.

`python -m tests.unit.test_layout_versions` adds what a new version lays down to tests/golden/layouts.json; an entry that is
there is never changed. docs/versions.md says what reads what.
"""

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.support import layouts
from tests.unit.test_golden import FILES, REFUSED

ROOT = Path(__file__).resolve().parents[2]
PINNED_FILE = ROOT / "tests" / "golden" / "layouts.json"
PAGE = ROOT / "docs" / "versions.md"
Pinned = dict[str, dict[str, dict[str, Any]]]


def pinned() -> Pinned:
    return json.loads(PINNED_FILE.read_text()) if PINNED_FILE.exists() else {}


def complaint(name: str, found: dict[str, Any], known: Pinned) -> str:
    """What is wrong with a kind's layout; "" where nothing is."""
    version = str(found["version"])
    entry = known.get(name, {}).get(version)
    if entry is None:
        return f"version {version} is not pinned: run `python -m tests.unit.test_layout_versions`"
    changed = sorted(key for key in {*entry, *found} if entry.get(key) != found.get(key))
    if changed:
        return f"version {version} of {name} changed without its number: {', '.join(changed)}"
    newest = max(map(int, known[name]))
    return "" if int(version) == newest else f"version {newest} of {name} was written before: numbers never go back"


@pytest.mark.parametrize("name", layouts.KINDS)
def test_a_layout_is_the_one_that_its_version_laid_down(name: str, tmp_path: Path) -> None:
    assert complaint(name, layouts.layout(name, tmp_path), pinned()) == ""


# A change somebody might make: (kind, header, before, after, what the complaint names).
CHANGES = {
    "two fields swapped": (
        "ring", "shm/layout.hpp", "    std::int64_t ts_event = 0;\n    std::int64_t ts_recv = 0;",
        "    std::int64_t ts_recv = 0;\n    std::int64_t ts_event = 0;", "Record.ts_event, Record.ts_recv",
    ),
    "a field renamed": ("wait", "shm/layout.hpp", "std::uint32_t reserved;", "std::uint32_t users;", "WaitPage.reserved, WaitPage.users"),
    "a field in the spare bytes": (
        "directory", "shm/directory_layout.hpp", "char spare[44];", "char spare[40]; std::uint32_t fee;",
        "DirectoryEntry.fee, DirectoryEntry.spare",
    ),
    "a code inserted": ("board", "shm/layout.hpp", "    stale = 5,", "    quiet = 5, stale = 11,", "State::quiet, State::stale"),
    "a code added": ("directory", "shm/directory_layout.hpp", "id = 2 }", "id = 2, both = 3 }", "Keying::both"),
    "a flag moved": ("ring", "shm/layout.hpp", "rounded = 0x01", "rounded = 0x03", "flag::rounded"),
    "a constant": ("counters", "shm/counters.hpp", "COUNTER_SLOTS = 64", "COUNTER_SLOTS = 32", "COUNTER_SLOTS, counters_bytes(7)"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_without_a_new_version_is_named(change: str, tmp_path: Path) -> None:
    name, header, before, after, changed = CHANGES[change]
    for folder in ("shm", "feedhandler/native"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    path = tmp_path / header
    text = path.read_text()
    assert text.count(before) == 1
    asserts = re.sub(
        r"static_assert\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\);", "", text.replace(before, after)
    )
    path.write_text(asserts)  # who changes a struct changes its assertions as well
    found = layouts.layout(name, tmp_path, tmp_path)
    assert (
        complaint(name, found, pinned())
        == f"version {found['version']} of {name} changed without its number: {changed}"
    )


@pytest.mark.parametrize("line", ["int* x : 3;", "int x = 0, y = 1;"])
def test_a_line_that_is_not_understood_is_an_error(line: str) -> None:
    with pytest.raises(layouts.UnreadableLineError):
        layouts.fields(f"struct A {{ {line} }};", "A")


def test_fields_are_found_in_order_and_methods_are_none() -> None:
    text = "struct A { int x = 0; double y, z; bool on() const { return x; } char t[4][N]; };  // int gone;"
    assert layouts.fields(text, "A") == ["x", "y", "z", "t"]


def test_numbers_never_go_back_and_entries_stay() -> None:
    known: Pinned = {"ring": {"1": {"version": 1, "A": 4}, "2": {"version": 2, "A": 8}}}
    assert "was written before" in complaint("ring", {"version": 1, "A": 4}, known)
    assert "not pinned" in complaint("ring", {"version": 3, "A": 4}, known)
    assert complaint("ring", {"version": 2, "A": 8}, known) == ""


def test_the_page_of_versions_has_a_row_for_each_that_was_ever_written() -> None:
    rows = re.findall(r"^\| (\w[\w ]*) \| (\d+) \| ([^|]*) \|", PAGE.read_text(), re.MULTILINE)
    said = {f"{kind}-v{version}": text for kind, version, text in rows}
    goldens = {path.stem for path in FILES}
    assert goldens <= said.keys()
    assert {name for name in goldens if "refused" in said[name]} == REFUSED.keys()
    assert {f"{name}-v{max(map(int, versions))}" for name, versions in pinned().items()} <= said.keys()


def main() -> None:
    """Pin what is not pinned yet."""
    known = pinned()
    for name in layouts.KINDS:
        with tempfile.TemporaryDirectory() as folder:
            found = layouts.layout(name, Path(folder))
        if known.setdefault(name, {}).setdefault(str(found["version"]), found) is found:
            print(f"{name}: version {found['version']} pinned")
    PINNED_FILE.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
