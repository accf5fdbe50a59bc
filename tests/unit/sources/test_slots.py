"""A ring's notes are their sources', whatever changes between two starts."""

import pytest

from feedhandler import _native
from feedhandler.sources.slots import Slots


class Start:
    """A handler's start: a new epoch of its ring."""

    def __init__(self, folder, names):
        self.ring = _native.RingWriter(str(folder), str(folder), "r", 1024)
        self.slots = Slots(folder / "r.slots", self.ring, names)
        self.own = {}
        for name in names:
            slot, own = self.slots.take(name)
            self.own[name] = self.ring.previous_note(slot) if own else 0

    def note(self, name, value):
        self.ring.note(self.slots.take(name)[0], value)


def test_a_source_finds_its_own_note_wherever_it_stands_now(tmp_path):
    first = Start(tmp_path, ["a", "b"])
    first.note("a", 100)
    first.note("b", 200)
    del first
    second = Start(tmp_path, ["new", "b"])
    assert second.own == {"new": 0, "b": 200}
    second.note("new", 5)
    del second
    assert Start(tmp_path, ["b", "new", "a"]).own == {"b": 200, "new": 5, "a": 0}


def test_a_number_that_changes_its_owner_is_cleared_even_if_nobody_writes_to_it(tmp_path):
    first = Start(tmp_path, ["a"])
    first.note("a", 100)
    del first
    second = Start(tmp_path, ["b"])  # takes the number that a had, and notes nothing
    del second
    assert Start(tmp_path, ["b"]).own == {"b": 0}


def test_what_is_freed_while_running_is_nobodys(tmp_path):
    first = Start(tmp_path, ["a", "b"])
    first.note("a", 100)
    first.slots.free("a")
    assert first.slots.take("c") == (0, False)
    del first
    assert Start(tmp_path, ["c", "b"]).own == {"c": 0, "b": 0}


def test_without_a_file_the_order_of_the_configuration_counts(tmp_path):
    ring = _native.RingWriter(str(tmp_path), str(tmp_path), "r", 1024)
    assert [Slots(tmp_path / "r.slots", ring, ["a", "b"]).take(name) for name in ("b", "a")] == [(1, True), (0, True)]


@pytest.mark.parametrize("damage", [b"", b"{", b'{"a": "x"}', b'{"a": 70}', b'{"a": 0, "b": 0}'])
def test_a_damaged_file_gives_no_note_to_anybody(tmp_path, damage):
    first = Start(tmp_path, ["a", "b"])
    first.note("a", 100)
    del first
    (tmp_path / "r.slots").write_bytes(damage)
    assert Start(tmp_path, ["a", "b"]).own == {"a": 0, "b": 0}
