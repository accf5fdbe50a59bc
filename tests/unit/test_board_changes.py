"""What changed since a cursor: nothing missed, nothing twice, whatever the reader's pace; waiting for it."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedhandler import _native, clock
from feedhandler.board import Board
from feedhandler.ring import WaitPolicy
from tests.support import boards
from tests.support.boards import ROWS, make, write

LOG = 1024  # the least that a log may hold
S = 1_000_000_000


def test_each_changed_row_is_named_once_the_oldest_change_first(tmp_path: Path) -> None:
    writer = make(tmp_path)
    reader = Board(tmp_path)
    assert reader.changes(reader.cursor) == (pytest.approx([]), reader.cursor, False)
    begin = reader.cursor
    for instrument in (3, 1, 3, 3, 2, 1):
        write(writer, instrument, 1.0)
    ids, cursor, rescanned = reader.changes(begin)
    assert (ids.tolist(), cursor, rescanned) == ([3, 1, 2], begin + 6, False)
    write(writer, 2, 1.0)
    assert reader.changes(cursor).ids.tolist() == [2]
    assert reader.changes(begin + 4).ids.tolist() == [2, 1], "any cursor, as often as one likes"
    assert [int(reader.row(i)["change"]) - begin for i in (1, 2, 3)] == [6, 7, 4]


def test_a_cursor_of_nothing_gives_every_row_that_was_written(tmp_path: Path) -> None:
    writer = make(tmp_path)
    reader = Board(tmp_path)
    ids, cursor, rescanned = reader.changes()
    assert (ids.tolist(), cursor, rescanned) == ([], reader.cursor, True)
    for instrument in (6, 4):
        write(writer, instrument, 1.0)
    assert reader.changes().ids.tolist() == [4, 6]
    assert reader.changes(cursor)[2] is False


@pytest.mark.parametrize("behind", [LOG - 1, LOG, LOG + 1, 10 * LOG])
def test_a_reader_that_fell_behind_the_log_is_told_and_misses_nothing(tmp_path: Path, behind: int) -> None:
    writer = make(tmp_path, log_capacity=LOG)
    reader = Board(tmp_path)
    for instrument in (5, 6):
        write(writer, instrument, 1.0)
    begin = reader.cursor
    write(writer, 4, 1.0)
    raw = boards.row(2, 1.0).view(np.uint8)
    for _ in range(behind - 1):
        writer.write(2, raw)
    ids, cursor, rescanned = reader.changes(begin)
    assert (sorted(ids.tolist()), cursor, rescanned) == ([2, 4], begin + behind, behind >= LOG)


@pytest.mark.parametrize("foreign", [1 << 62, (1 << 64) - 1, 1])
def test_a_cursor_of_no_file_gives_everything(tmp_path: Path, foreign: int) -> None:
    writer = make(tmp_path, epoch=1000)
    write(writer, 3, 1.0)
    ids, cursor, rescanned = Board(tmp_path).changes(foreign)
    assert (ids.tolist(), cursor, rescanned) == ([3], 1001, True)


def test_a_cursor_outlives_its_file(tmp_path: Path) -> None:
    writer = make(tmp_path, epoch=5)
    for instrument in (1, 2, 3):
        write(writer, instrument, 1.0)
    reader = Board(tmp_path)
    old = reader.cursor
    del writer
    writer = make(tmp_path, epoch=6)  # its epoch is below the old cursor: a clock that was set back
    write(writer, 2, 2.0)
    assert reader.changes(old) == (pytest.approx([]), old, False), "still the old file"
    assert reader.follow()
    ids, cursor, rescanned = reader.changes(old)
    assert (ids.tolist(), rescanned) == ([2], True)
    assert cursor > old + 1, "no number is used twice"
    assert reader.changes(cursor).ids.tolist() == []


def test_a_change_of_a_row_that_its_writer_died_in_is_not_told(tmp_path: Path) -> None:
    writer = make(tmp_path)
    write(writer, 1, 1.0)
    reader = Board(tmp_path)
    begin = reader.cursor
    write(writer, 3, 1.0)
    boards.tear(tmp_path, 2)
    del writer
    assert reader.changes(begin).ids.tolist() == [3]


def test_a_log_that_no_writer_of_ours_wrote_takes_no_memory(tmp_path: Path) -> None:
    writer = make(tmp_path)
    reader = Board(tmp_path)
    begin = reader.cursor
    for _ in range(3):
        write(writer, 1, 1.0)
    with (tmp_path / "board").open("r+b") as file:
        file.seek(4096)
        file.write(np.full(1024, 0xFFFFFFFF, "<u4").tobytes())
    ids, _, rescanned = reader.changes(begin)
    assert (ids.tolist(), rescanned) == ([1], True)


class Model:
    """What changes() must say: the number of each row's last change, in plain Python."""

    def __init__(self) -> None:
        self.last: dict[int, int] = {}
        self.log: list[tuple[int, int]] = []
        self.first = 0

    def expected(self, cursor: int, now: int) -> tuple[list[int], int, bool]:
        behind = cursor < self.first or cursor > now or now - cursor >= LOG
        if behind:
            since = cursor if self.first <= cursor <= now else 0
            return sorted(i for i, change in self.last.items() if change > since), now, True
        return list(dict.fromkeys(i for change, i in self.log if change > cursor)), now, False


WRITES = st.tuples(st.just("write"), st.lists(st.integers(1, ROWS), max_size=6))
BURSTS = st.tuples(st.just("burst"), st.tuples(st.integers(1, ROWS), st.sampled_from([LOG - 2, LOG, 2 * LOG + 3])))
LOOKS = st.tuples(st.just("look"), st.integers(0, 2))
RESTARTS = st.tuples(st.just("restart"), st.lists(st.integers(1, ROWS), max_size=3, unique=True))


@settings(max_examples=60)
@given(steps=st.lists(st.one_of(WRITES, WRITES, LOOKS, LOOKS, BURSTS, RESTARTS), max_size=30))
def test_changes_are_those_of_a_plain_model(tmp_path_factory: pytest.TempPathFactory, steps: list) -> None:
    folder = tmp_path_factory.mktemp("board")
    writer, model, value, epoch = make(folder, log_capacity=LOG), Model(), 0.0, 1
    model.first = writer.changes
    readers = [(Board(folder), 0) for _ in range(3)]
    held: list[dict[int, float]] = [{} for _ in readers]
    rows: dict[int, float] = {}

    def put(instrument: int, times: int = 1) -> None:
        nonlocal value
        value += 1
        raw = boards.row(instrument, value).view(np.uint8)
        for _ in range(times):
            writer.write(instrument, raw)
            model.log.append((writer.changes, instrument))
        rows[instrument] = value
        model.last[instrument] = writer.changes

    def look(number: int) -> None:
        reader, cursor = readers[number]
        if reader.follow():
            held[number].clear()
        found = reader.changes(cursor)
        assert (found.ids.tolist(), found.cursor, found.rescanned) == model.expected(cursor, writer.changes)
        for got in reader.read(found.ids.copy()):
            held[number][int(got["instrument"])] = boards.whole(got)  # type: ignore[assignment]
        readers[number] = (reader, found.cursor)
        assert held[number] == rows

    for step, what in steps:
        if step == "write":
            for instrument in what:
                put(instrument)
        elif step == "burst":
            put(*what)
        elif step == "look":
            look(what)
        else:
            del writer
            epoch += 1
            writer, model = make(folder, epoch, log_capacity=LOG), Model()
            model.first = writer.changes
            rows.clear()
            for instrument in what:
                put(instrument)
    for number in range(3):
        look(number)


def later(work: Callable[[], object]) -> threading.Thread:
    """Run `work` after a moment, in a thread: what waits releases the GIL."""

    def run() -> None:
        threading.Event().wait(0.05)
        work()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("policy", [WaitPolicy.PARK, WaitPolicy.ADAPTIVE, WaitPolicy.YIELD, WaitPolicy.SPIN])
def test_a_waiting_reader_is_woken_by_a_change(tmp_path: Path, policy: WaitPolicy) -> None:
    writer = make(tmp_path)
    reader = Board(tmp_path)
    cursor = reader.cursor
    assert not reader.wait(cursor, 1_000_000, policy)
    thread = later(lambda: (write(writer, 5, 1.0), writer.wake()))
    begin = clock.monotonic_ns()
    assert reader.wait(cursor, 30 * S, policy)
    assert clock.monotonic_ns() - begin < 20 * S, "woken, not timed out"
    thread.join()
    assert reader.changes(cursor).ids.tolist() == [5]
    assert reader.wait(cursor, 0, policy), "what has changed already needs no waiting"


def test_a_waiting_reader_is_woken_by_a_successor(tmp_path: Path) -> None:
    writer = make(tmp_path)
    reader = Board(tmp_path)
    del writer
    made: list[_native.BoardWriter] = []
    thread = later(lambda: made.append(make(tmp_path, 2)))
    assert reader.wait(reader.cursor, 30 * S)
    thread.join()
    assert reader.follow()
