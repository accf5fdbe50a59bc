"""Reading rings from Python: copied or borrowed numpy records, waiting, restarts (shm/README.md)."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from feedhandler import _native, clock
from feedhandler.tick import RECORD_BYTES, TICK

Attach = _native.Attach
WaitPolicy = _native.WaitPolicy
Records = np.ndarray[Any, np.dtype[Any]]
STALL_NS = 2_000_000_000


class Batch(NamedTuple):
    """What one read gave: records (whole events where they fit), and how many were overwritten before."""

    records: Records
    lost: int


class Reader:
    """Follows a ring across its writer's restarts. One thread; the writer never knows of it.

    `from_oldest` starts at the oldest event still held, else at the next one published.
    """

    def __init__(self, shm_dir: str | Path, ring: str, *, from_oldest: bool = False, max_records: int = 4096) -> None:
        self._native = _native.RingReader(str(shm_dir), ring)
        self._from_oldest = from_oldest
        self._skipped = 0
        self._buffer = aligned_records(max_records)

    def attach(self) -> Attach:
        """Map the newest epoch; return OK, MISSING, STARTING, VERSION_MISMATCH, DENIED or DAMAGED (see `problem`)."""
        return self._native.attach(0, self._from_oldest)

    def open(self) -> None:
        """Attach, or raise the SegmentError that says why not: SegmentMissingError is worth another try."""
        self._native.open(0, self._from_oldest)

    @property
    def problem(self) -> str:
        """Why the last `attach` was not OK, in one line; empty where it was."""
        return self._native.problem

    @property
    def epoch(self) -> int:
        """Epoch of the attached file."""
        return self._native.epoch

    @property
    def next(self) -> int:
        """Seq of the first record not yet read."""
        return self._native.next

    @property
    def published(self) -> int:
        """Seq of the last record published in this epoch."""
        return self._native.published

    def read(self, out: Records | None = None) -> Batch:
        """Copy whole events. Without `out` the records lie in the reader's own buffer, valid until the next read.

        A lapped reader gets an empty batch with `lost` > 0 once and then goes on half a ring back, at an event's start.
        So does one that `follow` took to an epoch whose beginning was overwritten already.
        """
        if self._skipped:
            lost, self._skipped = self._skipped, 0
            return Batch(self._buffer[:0], lost)
        buffer = self._buffer if out is None else out
        count, lost = self._native.read_into(buffer.view(np.uint8))
        return Batch(buffer[:count], lost)

    def view(self, max_records: int = 4096) -> tuple[int, Records]:
        """Borrow records in place: (first seq, read-only array). Outside the memory-model guarantee.

        Use them, check `still_valid(first)`, and only then trust what was computed; then `advance(len(records))`.
        """
        first = self._native.next
        borrowed: Any = self._native.view(max_records)
        return first, borrowed.view(TICK)

    def still_valid(self, first: int) -> bool:
        """Whether nothing from seq `first` on has been overwritten up to now."""
        return self._native.still_valid(first)

    def advance(self, count: int) -> None:
        """Move past borrowed records."""
        self._native.advance(count)

    def wait(self, timeout_ns: int, policy: WaitPolicy = WaitPolicy.PARK) -> bool:
        """Wait for a record; False on timeout. Releases the GIL."""
        return self._native.wait(policy, timeout_ns)

    def state(self, stall_ns: int = STALL_NS) -> Attach:
        """Tell a living (OK), stopped (STALLED) and dead (WRITER_DEAD) writer apart."""
        return self._native.state(clock.monotonic_ns(), stall_ns)

    def follow(self) -> bool:
        """Go on with the next epoch once this one is drained and its writer is dead. True if it moved.

        What is gone of the new epoch already is the next read's `lost`; so is 1 for an epoch in between that is gone
        as a whole or cannot be read (how many records it had, nobody here knows).
        """
        reader = self._native
        if reader.next <= reader.published or reader.state(clock.monotonic_ns(), STALL_NS) != Attach.WRITER_DEAD:
            return False
        old = reader.epoch
        if not reader.following_epoch() or reader.next <= reader.published or not reader.attach_following():
            return False
        self._skipped += reader.next - 1 + (reader.previous_epoch != old)
        return True


def aligned_records(count: int) -> Records:
    """Return `count` zeroed records that start on a cache line."""
    raw = np.zeros(count * RECORD_BYTES + RECORD_BYTES, np.uint8)
    offset = -raw.ctypes.data % RECORD_BYTES
    return raw[offset : offset + count * RECORD_BYTES].view(TICK)
