"""One ring's way into its journal: attach, resume, drain, name what was lost, follow the epochs.

Invariant: what was taken from the ring and not yet written is held in `_count` (records in the
buffer) or `_gap`, and nothing more is read before it is written. A full disk so costs time only,
until the ring overwrites what was not read yet; that is then named as a gap.
"""

from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from feedhandler._native import Attach, RingReader, ring_epochs
from feedhandler.record.format import BLOCK_BYTES, UNKNOWN_SEQ, GapReason
from feedhandler.record.writer import RingJournal
from feedhandler.tick import RECORD_BYTES, TICK

BATCH_RECORDS = 16384
LOOK_INTERVAL_NS = 100_000_000  # how often a ring that gives nothing is looked at for a new epoch
RETRY_INTERVAL_NS = 500_000_000  # how often a disk that refused is tried again
UNLINK_GRACE_NS = 5_000_000_000  # drained epochs stay this long for other readers that are still at it


class TapState(IntEnum):
    """Where a ring's recording stands."""

    WAITING = 0  # no ring yet
    RECORDING = 1
    REFUSED = 2  # the newest epoch is of another layout version, or no ring at all
    STOPPED = 3  # the disk refuses; trying again
    DENIED = 4  # no permission; trying again


class Drained(msgspec.Struct):
    """An epoch whose file may go at `unlink_ns`."""

    epoch: int
    unlink_ns: int


def aligned_buffer(count: int) -> "np.ndarray[Any, Any]":
    """uint8 of `count` bytes, aligned to a cache line."""
    raw = np.zeros(count + BLOCK_BYTES, np.uint8)
    start = -raw.ctypes.data % BLOCK_BYTES
    return raw[start : start + count]


class RingTap:
    """Reads one ring into one RingJournal. do_work() never blocks but for the disk."""

    def __init__(self, shm_dir: Path, journal: RingJournal, log: Callable[..., Any]) -> None:
        self.journal, self.ring, self.state = journal, journal.ring, TapState.WAITING
        self.error = ""
        self._dir, self._log = str(shm_dir), log
        self._reader: RingReader | None = None
        self._buffer = aligned_buffer(BLOCK_BYTES + BATCH_RECORDS * RECORD_BYTES)
        self._count = 0
        self._gap: tuple[int, GapReason] | None = None
        self._next_look_ns = 0
        self._retry_ns = 0
        self._refused: set[int] = set()
        self._drained: list[Drained] = []

    @property
    def published(self) -> int:
        """Last seq in the attached ring (0 where none is attached)."""
        return self._reader.published if self._reader is not None else 0

    @property
    def lag(self) -> int:
        """Records that the attached ring holds and the journal does not."""
        return max(0, self.published - self.journal.last) if self._reader is not None else 0

    def do_work(self, now_ns: int) -> int:
        """One step; returns the records written. A refusing disk is a state, never an exception."""
        if now_ns < self._retry_ns:
            return 0
        try:
            done = self._step(now_ns)
        except OSError as error:
            self._stop(error, now_ns)
            return 0
        if self.state is TapState.STOPPED:
            self.state, self.error = TapState.RECORDING, ""
            self._log("warning", "journal goes on", ring=self.ring, epoch=self.journal.epoch, seq=self.journal.last)
        return done

    def _stop(self, error: OSError, now_ns: int) -> None:
        self.journal.stats.errors += 1
        self._retry_ns = now_ns + RETRY_INTERVAL_NS
        if self.state is not TapState.STOPPED:
            self.state, self.error = TapState.STOPPED, str(error)
            self._log("error", "journal stopped: the disk refuses", ring=self.ring, error=str(error),
                      epoch=self.journal.epoch, seq=self.journal.last)  # fmt: skip

    def _step(self, now_ns: int) -> int:
        if self._count or self._gap:
            return self._flush(now_ns)
        if self._reader is None:
            if now_ns >= self._next_look_ns:
                self._next_look_ns = now_ns + LOOK_INTERVAL_NS
                self._attach_next(now_ns)
            return 0
        self._take(self._reader)
        if self._count or self._gap:
            return self._flush(now_ns)
        if now_ns >= self._next_look_ns or self._reader.newer_epoch():
            self._next_look_ns = now_ns + LOOK_INTERVAL_NS
            self._follow(self._reader, now_ns)
            self._unlink(now_ns)
        return 0

    def _take(self, reader: RingReader) -> None:
        before = reader.next
        self._count, lost = reader.read_into(self._buffer[BLOCK_BYTES:])
        if lost:
            self._gap = (before + lost - 1, GapReason.LAPPED)

    def _flush(self, now_ns: int) -> int:
        if self._gap is not None:
            last, reason = self._gap
            first = self.journal.last + 1
            self.journal.append_gap(last, reason, now_ns)
            self._gap = None
            self._log("warning", "records lost", ring=self.ring, epoch=self.journal.epoch, first=first,
                      last=None if last == UNKNOWN_SEQ else last, reason=reason.name)  # fmt: skip
            return 0
        count = self._count
        used = self._buffer[: BLOCK_BYTES + count * RECORD_BYTES]
        self.journal.append_records(used, used[BLOCK_BYTES:].view(TICK), now_ns)
        self._count = 0
        return count

    def _follow(self, reader: RingReader, now_ns: int) -> None:
        """Leaves a drained epoch for the next one. A following epoch proves that this one's writer ended."""
        if not reader.following_epoch():
            return
        self._take(reader)  # what came between the last read and the end of its writer
        if self._count or self._gap:
            return
        self._reader = None
        self.journal.finish_epoch(now_ns, complete=True)
        self._attach_next(now_ns)

    def _attach_next(self, now_ns: int) -> None:
        journal = self.journal
        for epoch in ring_epochs(self._dir, self.ring):
            if epoch < journal.epoch or (epoch == journal.epoch and journal.complete) or epoch in self._refused:
                continue
            reader = RingReader(self._dir, self.ring)
            result = reader.attach(epoch)
            if result in (Attach.VERSION_MISMATCH, Attach.DAMAGED):
                self._refuse(epoch, reader.problem)
                continue
            if result == Attach.DENIED and self.state is not TapState.DENIED:
                self.state, self.error = TapState.DENIED, reader.problem
                self._log("error", "ring may not be read: not recorded", ring=self.ring, error=reader.problem)
            if result != Attach.OK:
                return
            if epoch != journal.epoch:
                self._account(reader, now_ns)
            reader.seek(journal.last + 1)
            self._reader = reader
            self.state, self.error = TapState.RECORDING, ""
            self._schedule_unlink(epoch, now_ns)
            self._log("info", "recording", ring=self.ring, epoch=epoch, seq=journal.last + 1)
            return

    def _refuse(self, epoch: int, problem: str) -> None:
        self._refused.add(epoch)
        self.state, self.error = TapState.REFUSED, problem
        self.journal.stats.errors += 1
        self._log("error", "ring cannot be read: not recorded", ring=self.ring, epoch=epoch, error=problem)

    def _account(self, reader: RingReader, now_ns: int) -> None:
        """Names what is missing between the journal's end and the start of the reader's epoch.

        Idempotent over a refusing disk: every step changes what the next call sees.
        """
        journal, previous, previous_last = self.journal, reader.previous_epoch, reader.previous_last
        if journal.epoch and not journal.complete:
            # The journal's epoch is gone with its tail. Only the next epoch knows how long it was.
            end = previous_last if previous == journal.epoch else UNKNOWN_SEQ
            if end > journal.last:
                self._gap = (end, GapReason.EPOCH_GONE)
                self._flush(now_ns)
            journal.finish_epoch(now_ns, complete=True)
        if journal.epoch and previous > journal.epoch and previous_last:
            reason = GapReason.VERSION if previous in self._refused else GapReason.EPOCH_GONE
            journal.begin_epoch(previous, 0, 0)
            self._gap = (previous_last, reason)
            self._flush(now_ns)
            journal.finish_epoch(now_ns, complete=True)
        journal.begin_epoch(reader.epoch, previous, previous_last)

    def _schedule_unlink(self, epoch: int, now_ns: int) -> None:
        """Epochs before the attached one are in the journal: their memory is given back a little later."""
        waiting = {drained.epoch for drained in self._drained}
        for older in ring_epochs(self._dir, self.ring):
            if older < epoch and older not in self._refused and older not in waiting:
                self._drained.append(Drained(older, now_ns + UNLINK_GRACE_NS))

    def _unlink(self, now_ns: int) -> None:
        while self._drained and now_ns >= self._drained[0].unlink_ns:
            Path(self._dir, f"{self.ring}.{self._drained.pop(0).epoch}").unlink(missing_ok=True)

    def drained(self) -> bool:
        """Nothing of the attached epoch is left to write, and no later epoch waits."""
        if self._reader is None:
            return not any(
                epoch > self.journal.epoch and epoch not in self._refused for epoch in ring_epochs(self._dir, self.ring)
            )
        idle = not self._count and not self._gap and self.lag == 0
        return idle and not self._reader.following_epoch()

    def close(self, now_ns: int) -> None:
        """End the segment cleanly. Called once, after the last do_work().

        A dead writer's drained epoch is complete: nothing of it can be missed by a later start.
        """
        reader = self._reader
        if reader is None:
            self.journal.finish_epoch(now_ns, complete=self.journal.complete)
            return
        ended = reader.state(0, UNKNOWN_SEQ >> 1) == Attach.WRITER_DEAD
        self.journal.finish_epoch(now_ns, complete=ended and self.drained())
