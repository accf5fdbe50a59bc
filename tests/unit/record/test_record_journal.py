"""Writer and readers of a journal, without a ring."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from feedhandler.record.cursor import JournalCursor
from feedhandler.record.files import FolderLock
from feedhandler.record.format import BLOCK_BYTES, GapReason, JournalError
from feedhandler.record.journal import open_journal
from feedhandler.record.names import FixedNames
from feedhandler.record.positions import Positions, readers
from feedhandler.record.verify import verify
from feedhandler.record.writer import Policy, RingJournal
from feedhandler.tick import TICK

NAMES = b'{"sources":{"1":"venue/a"},"instruments":[{"id":1,"symbol":"BTC/USDT:USDT","venue_symbol":"BTCUSDT"}]}'

records_of = hnp.arrays(
    np.uint8, st.integers(1, 40).map(lambda n: n * 64), elements=st.integers(0, 255), fill=st.nothing()
)
steps = st.lists(st.one_of(records_of, st.integers(1, 1000), st.just("epoch"), st.just("restart")), max_size=30)


def append(journal: RingJournal, raw: np.ndarray) -> bytes:
    buffer = np.empty(BLOCK_BYTES + len(raw), np.uint8)
    buffer[BLOCK_BYTES:] = raw
    records = buffer[BLOCK_BYTES:].view(TICK)
    records["seq"] = np.arange(journal.last + 1, journal.last + 1 + len(records))
    journal.append_records(buffer, records, 5)
    return records.tobytes()


@settings(max_examples=60, deadline=None)
@given(steps=steps, segment_bytes=st.sampled_from([8192, 65536]), batch=st.integers(1, 50))
def test_any_history_comes_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any], segment_bytes: int, batch: int
) -> None:
    root = tmp_path_factory.mktemp("journal")
    policy = Policy(segment_bytes=segment_bytes, fsync="none")
    journal = RingJournal(root, "r", policy, FixedNames(NAMES))
    journal.begin_epoch(100, 0, 0)
    expected: list[Any] = []
    for step in steps:
        if isinstance(step, np.ndarray):
            expected.append((journal.epoch, "records", append(journal, step)))
        elif isinstance(step, int):
            expected.append((journal.epoch, journal.last + 1, journal.last + step))
            journal.append_gap(journal.last + step, GapReason.LAPPED, 5)
        elif step == "epoch":
            epoch = journal.epoch
            journal.finish_epoch(5, complete=True)
            journal.begin_epoch(epoch + 1, epoch, 0)
        else:
            before = journal.written
            journal = RingJournal(root, "r", policy, FixedNames(NAMES))
            if journal.written != before:
                assert before[1] == 0  # an epoch without a record leaves no trace
                journal = RingJournal(root, "r", policy, FixedNames(NAMES))
                if not journal.complete:
                    journal.finish_epoch(5, complete=True)
                journal.begin_epoch(before[0], 0, 0)
    found = [
        (b.epoch, "records", b.records.tobytes()) if b.gap is None else (b.epoch, b.first, b.last)
        for b in open_journal(root).blocks()
    ]
    assert found == expected
    assert verify(open_journal(root)).sound
    assert follow(root, journal.written, batch) == flatten(expected)


def flatten(expected: list[Any]) -> list[Any]:
    """Records one by one, gaps as they are: how a cursor cuts does not matter."""
    flat: list[Any] = []
    for epoch, first, rest in expected:
        if first == "records":
            flat += [(epoch, rest[i : i + 64]) for i in range(0, len(rest), 64)]
        else:
            flat.append((epoch, first, rest))
    return flat


def follow(root: Path, limit: tuple[int, int], batch: int) -> list[Any]:
    """Reads by a cursor that is thrown away and made again from its position every few blocks."""
    flat: list[Any] = []
    position, turn = (0, 0), 0
    cursor = JournalCursor(root, "r", position)
    while (block := cursor.read(batch, limit)) is not None:
        if block.gap is None:
            assert len(block.records) <= batch
            flat += [(block.epoch, record.tobytes()) for record in block.records]
        else:
            flat.append((block.epoch, block.first, block.last))
        turn += 1
        if turn % 3 == 0:
            cursor = JournalCursor(root, "r", cursor.position)
    return flat


def test_a_cursor_follows_a_living_journal_and_stops_at_its_limit(tmp_path: Path) -> None:
    journal = RingJournal(tmp_path, "r", Policy(segment_bytes=8192, fsync="none"), FixedNames())
    cursor = JournalCursor(tmp_path, "r", (0, 0))
    assert cursor.read(10, journal.durable) is None
    journal.begin_epoch(7, 0, 0)
    raw = np.zeros(64 * 30, np.uint8)
    seen = 0
    for _ in range(20):
        append(journal, raw)
        limit = (7, journal.last - 1)
        while (block := cursor.read(1000, limit)) is not None:
            assert block.first == seen + 1
            seen = block.last
        assert seen == journal.last - 1
    assert cursor.read(1000, journal.durable).first == seen + 1


def test_the_directory_snapshot_travels_with_the_journal(tmp_path: Path) -> None:
    journal = RingJournal(tmp_path, "r", Policy(fsync="none"), FixedNames(NAMES))
    journal.begin_epoch(7, 0, 0)
    append(journal, np.zeros(64, np.uint8))
    names = FixedNames(open_journal(tmp_path).directory())
    assert names.symbol(1) == ("BTC/USDT:USDT", "BTCUSDT")
    assert names.symbol(2) == ("#2", "#2")
    assert (names.source(1), names.source(9), names.source(0)) == ("venue/a", "#9", "*")


def test_durable_follows_the_policy(tmp_path: Path) -> None:
    raw = np.zeros(64 * 3, np.uint8)
    for fsync, expected in (("none", (7, 3)), ("block", (7, 3)), ("interval", (0, 0))):
        journal = RingJournal(tmp_path / fsync, "r", Policy(fsync=fsync), FixedNames())
        journal.begin_epoch(7, 0, 0)
        append(journal, raw)
        assert journal.durable == expected
        assert journal.sync()
        assert journal.durable == (7, 3)
        assert journal.stats.fsyncs == (0 if fsync == "none" else 1)


def test_a_refused_fsync_is_counted_and_nothing_becomes_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = RingJournal(tmp_path, "r", Policy(fsync="interval"), FixedNames())
    journal.begin_epoch(7, 0, 0)
    append(journal, np.zeros(64, np.uint8))

    def refuse(_fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", refuse)
    assert not journal.sync()
    assert (journal.durable, journal.stats.errors) == ((0, 0), 1)


def test_a_second_recorder_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from feedhandler.record.files import FolderLock\n"
        "lock = FolderLock(Path(sys.argv[1]), 'journal'); print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "held\n"
    with pytest.raises(JournalError, match=f"has a writer already, pid {other.pid}$"):
        FolderLock(tmp_path, "journal")
    other.kill()
    other.wait()
    FolderLock(tmp_path, "journal").release()


def test_positions_are_durable_and_per_reader(tmp_path: Path) -> None:
    one, two = Positions(tmp_path, "one"), Positions(tmp_path, "two")
    assert one.load() == {}
    one.commit({"r": (7, 12)})
    two.commit({"r": (7, 3), "s": (1, 1)})
    assert one.load() == {"r": (7, 12)}
    assert Positions(tmp_path, "two").load() == {"r": (7, 3), "s": (1, 1)}
    assert readers(tmp_path) == ["one", "two"]
    one.path.write_text("{")
    with pytest.raises(JournalError, match=r"one\.json"):
        one.load()
    for name in ("", "a/b", "../x"):
        with pytest.raises(JournalError):
            Positions(tmp_path, name)
