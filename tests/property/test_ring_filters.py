"""Filters of the Python reader against a plain model of them, over laps and restarts."""

import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from feedhandler import _native
from feedhandler.ring import Reader, aligned_records
from feedhandler.tick import Flag, Kind

CAPACITY = 64
KINDS = (Kind.LEVEL, Kind.TRADE, Kind.STATE, Kind.SKIP)
IDS = st.integers(0, 5)


class One(NamedTuple):
    """What a filter looks at."""

    kind: int
    instrument: int


class Filter(NamedTuple):
    """The words of shm/README.md."""

    instruments: list[int] | None
    kinds: list[int] | None

    def passes(self, one: One) -> bool:
        if self.kinds is not None and one.kind not in self.kinds:
            return False
        if self.instruments is None or one.kind == Kind.SKIP:
            return True
        return one.instrument == 0 or one.instrument in self.instruments


RECORDS = st.builds(One, st.sampled_from(KINDS), IDS)
FILTERS = st.builds(
    Filter, st.none() | st.lists(IDS, max_size=3), st.none() | st.lists(st.sampled_from(KINDS), max_size=3)
)
EVENTS = st.lists(RECORDS, min_size=1, max_size=8)
STEPS = st.lists(
    st.one_of(EVENTS, st.tuples(st.just("read"), st.integers(1, 12)), st.just(("restart", 0))), max_size=120
)


def publish(writer: _native.RingWriter, event: list[One]) -> None:
    records = aligned_records(len(event))
    records["kind"] = [one.kind for one in event]
    records["instrument"] = [one.instrument for one in event]
    records["flags"][-1] = Flag.LAST
    writer.append(records.view(np.uint8))
    writer.publish(0)


class World:
    """A ring with all it ever held, and what one reader got of it."""

    def __init__(self, folder: Path, chosen: Filter) -> None:
        self.folder = str(folder)
        self.writer = self._writer()
        self.reader = Reader(
            folder, "r", losses="count", follow=False, instruments=chosen.instruments, kinds=chosen.kinds
        )
        self.reader.attach()
        self.chosen = chosen
        self.epochs: list[list[list[One]]] = [[]]  # epoch, event, record
        self.numbers = [self.writer.epoch]
        self.got: dict[tuple[int, int], bool] = {}  # (epoch, seq): has LAST
        self.lost = self.filtered = 0

    def _writer(self) -> _native.RingWriter:
        return _native.RingWriter(self.folder, self.folder, "r", CAPACITY, 200)

    def restart(self) -> None:
        del self.writer
        self.writer = self._writer()
        self.epochs.append([])
        self.numbers.append(self.writer.epoch)

    def publish(self, event: list[One]) -> None:
        publish(self.writer, event)
        self.epochs[-1].append(event)

    def read(self, most: int) -> bool:
        batch = self.reader.read(max=most)
        epoch = self.numbers.index(self.reader.epoch)
        for seq, flags, kind, instrument in batch.records[["seq", "flags", "kind", "instrument"]].tolist():
            assert (epoch, seq) not in self.got
            assert all((epoch, seq) > place for place in self.got)
            one = [one for event in self.epochs[epoch] for one in event][seq - 1]
            assert (one.kind, one.instrument) == (kind, instrument)
            self.got[epoch, seq] = bool(flags & Flag.LAST)
        self.lost += batch.lost
        self.filtered += batch.filtered
        return bool(len(batch.records) or batch.lost or batch.filtered) or self.reader.follow()

    def judge(self) -> None:
        everything = sum(len(event) for epoch in self.epochs for event in epoch)
        assert len(self.got) + self.lost + self.filtered == everything
        assert (self.reader.records, self.reader.lost, self.reader.filtered) == (
            len(self.got), self.lost, self.filtered,
        )  # fmt: skip
        for number, epoch in enumerate(self.epochs):
            seq = 0
            for event in epoch:
                places = [(number, seq + i) for i, one in enumerate(event, 1) if self.chosen.passes(one)]
                seq += len(event)
                assert all(place in self.got for place in places) or self.lost, "what passes comes, unless lost"
                if places and places[-1] in self.got:
                    assert self.got[places[-1]], "the last that passes ends the event"
                assert not any(self.got.get(place) for place in places[:-1])
        passing = {
            (number, seq)
            for number, epoch in enumerate(self.epochs)
            for seq, one in enumerate((one for event in epoch for one in event), 1)
            if self.chosen.passes(one)
        }
        assert set(self.got) <= passing


@settings(max_examples=150, deadline=None)
@given(FILTERS, STEPS)
def test_what_passes_comes_once_and_in_order_and_the_rest_is_counted(chosen: Filter, steps: list) -> None:
    folder = Path(tempfile.mkdtemp(prefix="fh-filters-", dir="/dev/shm"))
    try:
        world = World(folder, chosen)
        for step in steps:
            match step:
                case ("read", most):
                    world.read(most)
                case ("restart", _):
                    world.restart()
                case event:
                    world.publish(event)
        while world.read(12):
            pass
        world.judge()
    finally:
        shutil.rmtree(folder)
