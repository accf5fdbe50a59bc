"""The sink contract (feedhandler/record/sink.py): one suite, every sink.

A sink is judged from outside, by reading back what is in it: each record of the journal exactly once, in
whatever way its process, its disk or its batches are cut.
"""

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pytest

from feedhandler.record.cursor import JournalCursor
from feedhandler.record.format import BLOCK_BYTES, GapReason
from feedhandler.record.names import FixedNames
from feedhandler.record.parquet import ParquetSink
from feedhandler.record.parquet_read import read_table
from feedhandler.record.sink import Sink, SinkRunner
from feedhandler.record.writer import Policy, RingJournal
from feedhandler.tick import TICK, Kind

if TYPE_CHECKING:
    from collections.abc import Callable


class Harness(Protocol):
    """How the suite makes a sink, reads it back, and lets it be killed or refused."""

    def make(self, rows: int) -> Sink: ...
    def content(self) -> list[tuple[str, int, int, float]]: ...
    def kill(self, sink: Sink) -> None: ...
    def refuse(self, monkeypatch: pytest.MonkeyPatch) -> None: ...


class ParquetHarness:
    """Local files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "parquet"

    def make(self, rows: int) -> Sink:
        return ParquetSink(self.folder, FixedNames(), rows, 3600.0)

    def content(self) -> list[tuple[str, int, int, float]]:
        table = read_table(self.folder)
        if table.num_rows == 0:
            return []
        names = ("ring", "epoch", "seq", "price")
        return sorted(zip(*(table.column(name).to_pylist() for name in names), strict=True))

    def kill(self, sink: Sink) -> None:
        sink._lock.release()  # what the kernel does for a killed process; nothing else is cleaned up

    def refuse(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def no_space(*_args: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("feedhandler.record.manifest.replace_file", no_space)


@pytest.fixture(params=[ParquetHarness], ids=["parquet"])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Harness:
    return request.param(tmp_path)


class Source:
    """A journal of two rings that grows on command, and the truth about it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, 0
        self.truth: list[tuple[str, int, int, float]] = []
        self.journals = {
            ring: RingJournal(folder, ring, Policy(segment_bytes=65536, fsync="none"), FixedNames())
            for ring in ("h1", "derived")
        }
        for journal in self.journals.values():
            journal.begin_epoch(100, 0, 0)

    def grow(self, ring: str, count: int) -> None:
        journal = self.journals[ring]
        buffer = np.zeros(BLOCK_BYTES + 64 * count, np.uint8)
        records = buffer[BLOCK_BYTES:].view(TICK)
        records["seq"] = np.arange(journal.last + 1, journal.last + 1 + count)
        records["kind"] = Kind.TRADE
        records["ts_recv"] = 1_795_000_000_000_000_000 + records["seq"].astype(np.int64)
        records["price"] = records["seq"] * 0.5
        journal.append_records(buffer, records, 0)
        self.truth += [(ring, journal.epoch, int(r["seq"]), float(r["price"])) for r in records]

    def gap(self, ring: str, count: int) -> None:
        journal = self.journals[ring]
        journal.append_gap(journal.last + count, GapReason.LAPPED, 0)

    def epoch(self, ring: str) -> None:
        journal = self.journals[ring]
        epoch = journal.epoch
        journal.finish_epoch(0, complete=True)
        journal.begin_epoch(epoch + 1, epoch, journal.last)

    def runner(self, sink: Sink) -> SinkRunner:
        made = SinkRunner(
            sink,
            lambda ring, position: JournalCursor(self.folder, ring, position),
            lambda: {ring: journal.durable for ring, journal in self.journals.items()},
            lambda: self.now,
            lambda *_args, **_fields: None,
        )
        made.open()
        return made


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path / "journal")


def test_everything_arrives_once_over_rings_epochs_and_gaps(harness: Harness, source: Source) -> None:
    runner = source.runner(harness.make(1000))
    for ring in ("h1", "derived", "h1"):
        source.grow(ring, 700)
        runner.do_work(0)
        source.gap(ring, 50)
        source.grow(ring, 900)
        source.epoch(ring)
        source.grow(ring, 10)
    assert runner.drain(0)
    runner.sink.close()
    assert harness.content() == sorted(source.truth)
    assert runner.sink.stats.rows == len(source.truth)
    assert runner.positions == {ring: journal.written for ring, journal in source.journals.items()}


def test_nothing_is_permanent_before_a_commit(harness: Harness, source: Source) -> None:
    runner = source.runner(harness.make(1000))
    source.grow("h1", 700)
    assert runner.do_work(0) == 700
    assert harness.content() == []
    runner.sink.close()
    assert harness.content() == []


def test_a_new_process_goes_on_where_the_last_commit_was(harness: Harness, source: Source) -> None:
    for _ in range(3):
        runner = source.runner(harness.make(1000))
        source.grow("h1", 300)
        source.grow("derived", 20)
        assert runner.drain(0)
        source.grow("h1", 40)
        runner.do_work(0)  # taken, not committed
        runner.sink.close()
    runner = source.runner(harness.make(1000))
    assert runner.drain(0)
    runner.sink.close()
    assert harness.content() == sorted(source.truth)


def test_kills_at_random_moments_lose_and_double_nothing(harness: Harness, source: Source) -> None:
    rng = random.Random(5)
    runner = source.runner(harness.make(500))
    steps: list[Callable[[], Any]] = [
        lambda: source.grow("h1", rng.randrange(1, 400)),
        lambda: source.grow("derived", rng.randrange(1, 50)),
        lambda: source.gap("h1", rng.randrange(1, 9)),
        lambda: source.epoch(rng.choice(["h1", "derived"])) if rng.random() < 0.2 else None,
        lambda: runner.do_work(0),
        lambda: runner.commit(0),
    ]
    for _ in range(150):
        rng.choice(steps)()
        if rng.random() < 0.15:
            harness.kill(runner.sink)
            runner = source.runner(harness.make(500))
    assert runner.drain(0)
    runner.sink.close()
    assert harness.content() == sorted(source.truth)


def test_a_refusing_sink_is_tried_again_and_its_memory_stays_bounded(
    harness: Harness, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = source.runner(harness.make(1000))
    with monkeypatch.context() as patch:
        harness.refuse(patch)
        for second in range(20):
            source.grow("h1", 300)
            runner.do_work(second * 1_000_000_000)
    assert runner.sink.stats.errors > 1
    assert runner.sink.room == 0  # it took one batch and no more: the rest waits in the journal
    assert harness.content() == []
    assert runner.drain(100_000_000_000)
    runner.sink.close()
    assert harness.content() == sorted(source.truth)


def test_it_never_sees_what_is_not_durable(harness: Harness, source: Source) -> None:
    source.grow("h1", 100)
    source.journals["h1"].durable = (100, 60)
    runner = source.runner(harness.make(1000))
    assert runner.drain(0)
    runner.sink.close()
    assert [seq for _, _, seq, _ in harness.content()] == list(range(1, 61))
