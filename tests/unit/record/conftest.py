"""Rings, journals and records for the recorder's tests."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feedhandler._native import RingWriter
from feedhandler.record.journal import Journal, open_journal
from feedhandler.record.names import FixedNames
from feedhandler.record.tap import RingTap
from feedhandler.record.writer import Policy, RingJournal
from feedhandler.tick import TICK, Flag, Kind

RECORDS_PER_EVENT = 4
T0 = 1_795_000_000_000_000_000


def make_records(first: int, count: int) -> np.ndarray:
    """Distinct records of whole events; the ring gives them their seq, first..first+count-1."""
    records = np.zeros(count, TICK)
    seq = np.arange(first, first + count, dtype=np.uint64)
    records["kind"] = np.where(seq % 5 == 0, Kind.TRADE, np.where(seq % 7 == 0, Kind.STATE, Kind.LEVEL))
    records["ts_event"] = T0 + seq.astype(np.int64) * 1000 - 500
    records["ts_recv"] = T0 + seq.astype(np.int64) * 1000
    records["price"] = seq * 0.25
    records["size"] = np.where(seq % 11 == 0, np.nan, seq * 2.0)
    records["ref"] = seq * 3
    records["instrument"] = seq % 3 + 1
    records["source"] = seq % 2 + 1
    records["flags"] = np.where(seq % RECORDS_PER_EVENT == 0, Flag.LAST, 0)
    records["flags"][-1] |= Flag.LAST
    return records


class Rig:
    """One ring, its writer and its tap, on folders of the test."""

    def __init__(self, folder: Path, capacity: int = 4096) -> None:
        self.shm, self.root, self.capacity = folder / "shm", folder / "journal", capacity
        self.state = folder / "state"
        self.log: list[tuple[str, str, dict[str, Any]]] = []
        self.now = T0
        self.policy = Policy(segment_bytes=1 << 20, fsync="none")
        self.tap: RingTap | None = None
        self.writer: RingWriter | None = None
        self.sent: dict[int, list[np.ndarray]] = {}

    def start_writer(self) -> RingWriter:
        self.writer = None  # the old one's lock goes with it: that is how a writer dies
        self.writer = RingWriter(str(self.shm), str(self.state), "h1", self.capacity)
        self.sent[self.writer.epoch] = []
        return self.writer

    def send(self, count: int) -> np.ndarray:
        records = make_records(self.writer.published + 1, count)
        self.writer.append(records.view(np.uint8))
        self.writer.publish(T0)
        records["seq"] = np.arange(self.writer.published - count + 1, self.writer.published + 1)
        records["delay"] = np.clip(T0 - records["ts_recv"], 0, None)
        self.sent[self.writer.epoch].append(records)
        return records

    def start_tap(self) -> RingTap:
        self.tap = RingTap(self.shm, RingJournal(self.root, "h1", self.policy, FixedNames()), self._note)
        return self.tap

    def _note(self, level: str, event: str, **fields: Any) -> None:
        self.log.append((level, event, fields))

    def work(self) -> int:
        """Polls as the process would, a second later each time, until the ring is drained."""
        total = 0
        for _ in range(100):
            self.now += 1_000_000_000
            total += self.tap.do_work(self.now)
            if self.tap.drained():
                break
        return total

    def kill_tap(self) -> None:
        """As SIGKILL leaves it: nothing is ended, nothing is written any more."""
        self.tap = None

    @property
    def journal(self) -> Journal:
        return open_journal(self.root)

    def held(self, epoch: int) -> bytes:
        """Bytes of all journaled records of an epoch."""
        return b"".join(b.records.tobytes() for b in self.journal.blocks("h1", epoch) if b.gap is None)

    def written(self, epoch: int) -> bytes:
        """Bytes of all records that the writer published in an epoch."""
        return b"".join(each.tobytes() for each in self.sent[epoch])

    def gaps(self) -> list[tuple[int, int, int, str]]:
        return [(b.epoch, b.first, b.last, b.gap.name) for b in self.journal.gaps()]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@pytest.fixture
def make_rig(tmp_path: Path) -> Callable[..., Rig]:
    return lambda name, capacity=4096: Rig(tmp_path / name, capacity)
