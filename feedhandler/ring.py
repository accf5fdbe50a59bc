"""Reading rings from Python: batches of numpy records, waiting, restarts, several rings at once (docs/reading.md)."""

# ruff: noqa: A002 - `max` says it best

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from feedhandler import _native
from feedhandler.ring_async import Batches, read_async
from feedhandler.tick import RECORD_BYTES, TICK

Attach = _native.Attach
WaitPolicy = _native.WaitPolicy
Records = np.ndarray[Any, np.dtype[Any]]
Losses = Literal["raise", "count"]
STALL_NS = 2_000_000_000
MERGE_BOUND_S = 0.01


class Batch(NamedTuple):
    """What one read gave; empty where there was nothing.

    Whole events where they fit: one that is longer than the room comes in parts, look for LAST. `lost` records were
    overwritten before `records` (always 0 where losses raise); `filtered` were passed over.
    """

    records: Records
    lost: int
    filtered: int = 0


class MergedBatch(NamedTuple):
    """What one read of several rings gave, in the order of `ts_recv`. May end inside an event: look for LAST.

    `rings` has the number of each record's ring; both arrays are the reader's, `records` unless it went to `out`.
    `late` records came behind their place in the order.
    """

    records: Records
    rings: "np.ndarray[Any, np.dtype[np.uint16]]"
    lost: int
    filtered: int
    late: int


class Reader(_native.RingStream):
    """Reads a ring, and every epoch that follows it. One thread; the writer never knows of it. docs/reading.md.

    `read`, `view`, `attach` and the rest that is native have their help there: help(Reader.read).

    It starts at the next event published, or with `from_oldest` at the oldest still held; a ring that is not there yet
    is waited for and read from its first record. `instruments` (ids) and `kinds` are filtered natively, see `filter`.

    Losses: a read raises LostError, once for each, and the next one goes on. With `losses="count"` they are in the
    batch's `lost` instead, and it is for you to look.

    `max_records` is the size of the reader's own memory, to which reads without `out` go. `wait` is how blocking reads
    wait. With `follow=False`, `attach()` and `follow()` are yours to call, and no read raises a SegmentError.
    """

    def __init__(
        self,
        shm_dir: str | Path,
        ring: str,
        *,
        from_oldest: bool = False,
        max_records: int = 4096,
        instruments: Iterable[int] | None = None,
        kinds: Iterable[int] | None = None,
        losses: Losses = "raise",
        follow: bool = True,
        wait: WaitPolicy = WaitPolicy.PARK,
    ) -> None:
        buffer = aligned_records(max_records)
        super().__init__(str(shm_dir), ring, buffer, Batch, from_oldest, follow, _raises(losses), wait)
        self.filter(instruments=instruments, kinds=kinds)

    if TYPE_CHECKING:

        def read(self, out: Records | None = None, max: int | None = None, timeout: float | None = 0.0) -> Batch:
            """See help(Reader.read)."""

        def view(self, max_records: int = 4096) -> tuple[int, Records]:
            """See help(Reader.view)."""

    _awaited = False
    read_async = read_async

    def batches(self, *, max: int | None = None, timeout: float | None = None) -> Batches[Batch]:
        """Return an iterator over batches: it ends when none came for `timeout` seconds (None: it never does).

        Each is valid until the next. A LostError does not end it: iterate on.
        """
        return Batches(self, max, timeout)

    def __iter__(self) -> Batches[Batch]:
        return Batches(self, None, None)

    def __aiter__(self) -> Batches[Batch]:
        return Batches(self, None, None)

    def filter(self, *, instruments: Iterable[int] | None = None, kinds: Iterable[int] | None = None) -> None:
        """Take only these from the next read on; None takes all. A record must pass both.

        By instrument: records of these ids, those of instrument 0 (the whole source), and SKIP. By kind: to the letter.
        The last record of an event that passes has LAST. ValueError for an id of 2**24 or more, or a kind of 256.
        """
        self.set_filter(_ids(instruments), _ids(kinds))


class MergedReader(_native.MergeStream):
    """Reads several rings as one timeline, ordered by `(ts_recv, ring, seq)`, and every epoch that follows.

    A record is handed out when no ring can still bring one that belongs before it, or when it is `bound_s` old; what
    then comes behind its place is handed out at once and counted as late. Everything else is as with Reader; records
    that came with a loss are the next read's. A ring that cannot be attached raises its SegmentError from every read;
    one that is not there yet holds nothing up. ValueError for no rings, or more than 64.
    """

    def __init__(
        self,
        shm_dir: str | Path,
        rings: Sequence[str],
        *,
        bound_s: float = MERGE_BOUND_S,
        from_oldest: bool = False,
        max_records: int = 4096,
        instruments: Iterable[int] | None = None,
        kinds: Iterable[int] | None = None,
        losses: Losses = "raise",
        wait: WaitPolicy = WaitPolicy.PARK,
    ) -> None:
        buffer, numbers = aligned_records(max_records), np.zeros(max_records, np.uint16)
        super().__init__(
            str(shm_dir), list(rings), buffer, numbers, MergedBatch, int(bound_s * 1e9), from_oldest,
            _raises(losses), wait,
        )  # fmt: skip
        self.filter(instruments=instruments, kinds=kinds)

    if TYPE_CHECKING:

        def read(self, out: Records | None = None, max: int | None = None, timeout: float | None = 0.0) -> MergedBatch:
            """See help(MergedReader.read)."""

    _awaited = False
    read_async = read_async

    def batches(self, *, max: int | None = None, timeout: float | None = None) -> Batches[MergedBatch]:
        """As Reader.batches."""
        return Batches(self, max, timeout)

    def __iter__(self) -> Batches[MergedBatch]:
        return Batches(self, None, None)

    def __aiter__(self) -> Batches[MergedBatch]:
        return Batches(self, None, None)

    def filter(self, *, instruments: Iterable[int] | None = None, kinds: Iterable[int] | None = None) -> None:
        """As Reader.filter; records that wait for their place have passed the filter before."""
        self.set_filter(_ids(instruments), _ids(kinds))


def aligned_records(count: int) -> Records:
    """Return `count` zeroed records that start on a cache line."""
    raw = np.zeros(count * RECORD_BYTES + RECORD_BYTES, np.uint8)
    offset = -raw.ctypes.data % RECORD_BYTES
    return raw[offset : offset + count * RECORD_BYTES].view(TICK)


def _ids(ids: Iterable[int] | None) -> list[int] | None:
    return None if ids is None else [int(one) for one in ids]


def _raises(losses: Losses) -> bool:
    if losses not in ("raise", "count"):
        raise ValueError(f"losses: got {losses!r}, expected 'raise' or 'count'")
    return losses == "raise"
