"""`feedhandler ring tail`: a ring's records as they come."""

import json
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from feedhandler.errors import FeedhandlerError
from feedhandler.ring import Attach, Batch, Reader, Records
from feedhandler.ring_tool import records
from feedhandler.ring_tool.names import Filter, Names
from feedhandler.ring_tool.place import Place
from feedhandler.tick import TICK

WAIT_NS = 100_000_000
NAP_S = 0.01
BATCH_RECORDS = 4096


class Printer:
    """Writes records and what happens to the ring, as lines or as JSON objects. Counts the records."""

    def __init__(self, ring: str, names: Names, *, as_json: bool) -> None:
        self._ring = ring
        self._names = names
        self._as_json = as_json
        self.printed = 0

    def records(self, batch: Records, epoch: int) -> None:
        """Write each record."""
        for row in batch.tolist():
            if self._as_json:
                line = json.dumps(records.named_json(row, self._ring, epoch, self._names))
            else:
                line = records.line(row, self._names)
            print(line)
        self.printed += len(batch)

    def event(self, words: str, **fields: Any) -> None:
        """Write what happened: as `-- words` for people."""
        place = {"ring": self._ring, **fields}
        print(json.dumps(place) if self._as_json else f"-- {self._ring}: {words}")

    def flush(self) -> None:
        """Hand over what was written."""
        sys.stdout.flush()


class Follower:
    """Reads a ring and tells its printer: records that pass, losses, restarts, changes of state. One thread."""

    def __init__(self, reader: Reader, chosen: Filter, printer: Printer) -> None:
        self._reader = reader
        self._filter = chosen
        self._printer = printer
        self._state = Attach.OK
        self._empty_turns = 0

    def history(self, last: int | None, most: int | None) -> None:
        """Print the last records held that pass, or all (None), at most so many. Half a ring is held for readers."""
        if last is not None and most is not None:
            last = min(last, most)
        kept: deque[Records] = deque()
        count = 0
        until = self._reader.published
        while self._reader.next <= until:
            kept.append(self._filter.chosen(self._reader.read().records).copy())
            count += len(kept[-1])
            while last is not None and kept and count - len(kept[0]) >= last:
                count -= len(kept.popleft())
        held = np.concatenate(kept) if kept else np.zeros(0, TICK)
        self._printer.records(held[:most] if last is None else held[count - min(count, last) :], self._reader.epoch)

    def turn(self, most: int | None) -> None:
        """Print what there is now, at most so many records; else wait a moment for more."""
        batch = self._reader.read()
        self._tell(batch, most)
        if len(batch.records) or batch.lost:
            self._empty_turns = 0
            return
        self._printer.flush()
        epoch = self._reader.epoch
        if self._reader.follow():
            self._state, self._empty_turns = Attach.OK, 0
            self._printer.event(f"the writer restarted; epoch {self._reader.epoch} after {epoch}",
                                epoch=self._reader.epoch, previous_epoch=epoch)  # fmt: skip
            return
        woken = self._reader.wait(WAIT_NS)
        self._empty_turns += 1
        if not woken or self._empty_turns > 1:
            self._look()
        if woken and self._empty_turns > 1:
            time.sleep(NAP_S)  # a newer epoch that cannot be followed to ends each wait at once

    def _tell(self, batch: Batch, most: int | None) -> None:
        if batch.lost:
            self._printer.event(f"lost {batch.lost:,} records: overwritten before they were read",
                                epoch=self._reader.epoch, lost=batch.lost)  # fmt: skip
        passed = self._filter.chosen(batch.records)
        self._printer.records(passed if most is None else passed[:most], self._reader.epoch)

    def _look(self) -> None:
        state = self._reader.state()
        if state != self._state:
            self._state = state
            self._printer.event(f"{state.name}", epoch=self._reader.epoch, state=state.name)
            self._printer.flush()


def tail(
    place: Place,
    ring: str,
    *,
    last: int | None = 10,
    count: int | None = None,
    follow: bool = True,
    symbols: tuple[str, ...] = (),
    sources: tuple[str, ...] = (),
    kinds: tuple[str, ...] = (),
    as_json: bool = False,
) -> int:
    """Print the last records held (None: all), then those that come, until `count` are printed or a signal comes.

    Raises FeedhandlerError where the ring cannot be attached, UsageError and FeedhandlerError as Filter does.
    """
    names = Names(place)
    chosen = Filter(names, symbols=symbols, sources=sources, kinds=kinds)
    reader = Reader(place.shm_dir, ring, from_oldest=True, max_records=BATCH_RECORDS, follow=False, losses="count")
    attach(reader, place, ring)
    printer = Printer(ring, names, as_json=as_json)
    follower = Follower(reader, chosen, printer)
    with stopping() as stopped:
        follower.history(last, count)
        while follow and not stopped() and (count is None or printer.printed < count):
            follower.turn(None if count is None else count - printer.printed)
        printer.flush()
    return 0


def attach(reader: Reader, place: Place, ring: str) -> None:
    """Attach, or raise FeedhandlerError saying why not."""
    state = reader.attach()
    if state != Attach.OK:
        raise FeedhandlerError(f"{place.shm_dir}/{ring}: {state.name}")


@contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """Turn SIGINT and SIGTERM into a question to ask: whoever reads our output gets whole lines and exit code 0."""
    asked: list[int] = []
    before = {
        number: signal.signal(number, lambda got, _: asked.append(got)) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
