"""The journal of one ring: epochs, segments, rotation, fsync policy, recovery at start.

Invariants: seqs of an epoch are covered without a hole by RECORDS and GAP blocks; epochs are written
strictly one after the other; `durable` never passes `written`.
"""

import contextlib
import threading
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from feedhandler.record.format import (
    BLOCK_BYTES,
    HEADER_BYTES,
    SUFFIX,
    BlockHeader,
    BlockType,
    GapReason,
    JournalError,
    JournalVersionError,
    SegmentHeader,
    pack_block,
    small_block,
)
from feedhandler.record.names import Names
from feedhandler.record.scan import SegmentReader
from feedhandler.record.segment import SegmentWriter, segment_path
from feedhandler.tick import RECORD_BYTES, Kind

NONE_TS = 0
LOST_RANGES_MAX = 64  # that status shows; the journal's gap blocks name them all


class Policy(msgspec.Struct, frozen=True):
    """How the journal is written. segment_bytes bounds a file; fsync is DESIGN section 7's policy."""

    segment_bytes: int = 256 << 20
    fsync: Literal["none", "interval", "block"] = "interval"
    fsync_interval_s: float = 0.2


class RingStats(msgspec.Struct):
    """What happened to one ring since this process started. Counts of records, blocks, bytes, calls."""

    records: int = 0
    ticks: int = 0
    lost: int = 0
    gaps: int = 0
    blocks: int = 0
    bytes: int = 0
    fsyncs: int = 0
    errors: int = 0
    repairs: int = 0
    epochs: int = 0
    lost_ranges: list[tuple[int, int, int]] = msgspec.field(default_factory=list)  # the newest (epoch, first, last)


class RingJournal:
    """Appends to `<root>/<ring>/`.

    append_*, begin_epoch and finish_epoch belong to one thread; sync() and `durable` may be used from
    another. OSError from append_* leaves whole blocks on disk: try again later.
    """

    def __init__(self, root: Path, ring: str, policy: Policy, names: Names) -> None:
        self.root, self.ring, self.policy, self.names = root, ring, policy, names
        self.stats = RingStats()
        self.epoch = 0
        self.last = 0  # last seq of `epoch` that the journal covers
        self.complete = True  # the epoch has ended and all of it is covered
        self.durable = (0, 0)
        self._previous = (0, 0)
        self._known = -1
        self._segment: SegmentWriter | None = None
        self._lock = threading.Lock()  # between sync() and the closing of the segment's descriptor
        self._recover()

    @property
    def written(self) -> tuple[int, int]:
        """(epoch, seq) up to which blocks were handed to the kernel."""
        return (self.epoch, self.last)

    @property
    def segment_name(self) -> str:
        """File being written, empty where none is."""
        return self._segment.path.name if self._segment is not None else ""

    def _recover(self) -> None:
        folder = self.root / self.ring
        epochs = sorted(int(path.name) for path in folder.glob("*") if path.name.isdigit())
        for epoch in reversed(epochs):
            for path in sorted((folder / str(epoch)).glob("*" + SUFFIX), reverse=True):
                if self._recover_segment(path, epoch):
                    self.durable = self.written
                    return

    def _recover_segment(self, path: Path, epoch: int) -> bool:
        try:
            reader = SegmentReader(path)
        except JournalVersionError:
            raise
        except JournalError:
            # A header torn by a power loss. Kept under another name: evidence is never deleted.
            path.rename(path.with_name(path.name + ".bad"))
            self.stats.repairs += 1
            return False
        self.epoch = epoch
        self._previous = (reader.header.previous_epoch, reader.header.previous_last)
        if reader.end_block is not None:
            self.last, self.complete = reader.end_block.last, bool(reader.end_block.code)
            return True
        self._segment = SegmentWriter.resume(path, self.policy.segment_bytes)
        if self._segment is not None:
            self.last, self.complete = self._segment.last, False
            self.stats.repairs += int(self._segment.repaired)
            if self.policy.fsync != "none":
                self._segment.sync()
        return True

    def begin_epoch(self, epoch: int, previous_epoch: int, previous_last: int) -> None:
        """Start an epoch; the one before was finished."""
        if self._segment is not None:
            raise JournalError(f"{self.ring}: epoch {self.epoch} was not finished before {epoch}")
        self.epoch, self.last, self.complete = epoch, 0, False
        self._previous = (previous_epoch, previous_last)
        self.stats.epochs += 1

    def append_records(self, buffer: "np.ndarray[Any, Any]", records: "np.ndarray[Any, Any]", now_ns: int) -> None:
        """Write one block. `buffer` is uint8, 64 bytes of room and then exactly these `records`."""
        count = len(records)
        if int(records["seq"][0]) != self.last + 1 or int(records["seq"][-1]) != self.last + count:
            raise JournalError(f"{self.ring}: seq {records['seq'][0]}.. does not follow {self.last}")
        self._note_instruments(int(records["instrument"].max()), now_ns)
        times, kinds = records["ts_recv"], records["kind"]
        header = BlockHeader(
            BlockType.RECORDS, count * RECORD_BYTES, count, 0, self.last + 1, self.last + count,
            int(times.min()), int(times.max()), now_ns,
        )  # fmt: skip
        pack_block(buffer, header)
        self._append(buffer, header, now_ns)
        self.stats.records += count
        self.stats.ticks += int(np.count_nonzero((kinds == Kind.LEVEL) | (kinds == Kind.TRADE)))

    def append_gap(self, last: int, reason: GapReason, now_ns: int) -> None:
        """Names the records after the last journaled one up to `last` as lost."""
        header = BlockHeader(BlockType.GAP, 0, 0, reason, self.last + 1, last, NONE_TS, NONE_TS, now_ns)
        lost = last - self.last
        self._append(small_block(header), header, now_ns)
        self.stats.gaps += 1
        self.stats.lost_ranges = [*self.stats.lost_ranges[1 - LOST_RANGES_MAX :], (self.epoch, header.first, last)]
        if last < 1 << 63:
            self.stats.lost += lost

    def _note_instruments(self, highest: int, now_ns: int) -> None:
        """Write the directory again before the first record that speaks of a new instrument."""
        if highest <= self._known or self._segment is None:
            return
        known = self.names.refresh()
        if known != self._known:
            self._write_directory(known, now_ns)

    def _write_directory(self, known: int, now_ns: int) -> None:
        data = self.names.snapshot()
        header = BlockHeader(BlockType.DIRECTORY, len(data), known, 0, self.last + 1, self.last, 0, 0, now_ns)
        block = small_block(header, data)
        if self._segment is not None:
            self._segment.append(block, msgspec.structs.replace(header, payload_bytes=len(block) - BLOCK_BYTES))
            self._known = known

    def _append(self, block: "np.ndarray[Any, Any]", header: BlockHeader, now_ns: int) -> None:
        segment = self._segment
        full = segment is not None and segment.end + len(block) > self.policy.segment_bytes
        if segment is not None and full and segment.end > HEADER_BYTES:
            self._close(now_ns, complete=False)
        if self._segment is None:
            self._create(now_ns)
        if self._segment is None:
            raise JournalError(f"{self.ring}: no segment")
        self._segment.append(block, header)
        self.last = header.last
        self.stats.blocks += 1
        self.stats.bytes += len(block)
        if self.policy.fsync == "block":
            self.sync()
        elif self.policy.fsync == "none":
            self.durable = self.written

    def _create(self, now_ns: int) -> None:
        header = SegmentHeader(self.ring, self.epoch, *self._previous, self.last + 1, now_ns)
        path = segment_path(self.root, self.ring, self.epoch, self.last + 1)
        self._segment = SegmentWriter.create(path, header, self.policy.segment_bytes, sync=self.policy.fsync != "none")
        self._known = -1
        self._write_directory(self.names.refresh(), now_ns)

    def sync(self) -> bool:
        """Make what is written durable; False where the disk refuses (counted, tried again later)."""
        with self._lock:
            segment = self._segment
            if segment is None:
                return True
            # One object's view: epoch and seq change under the writing thread's hands.
            written = (segment.header.epoch, segment.last)
            if written <= self.durable:
                return True
            try:
                segment.sync()
            except OSError:
                self.stats.errors += 1
                return False
            self.stats.fsyncs += 1
            self.durable = written
        return True

    def finish_epoch(self, now_ns: int, *, complete: bool) -> None:
        """End the current segment; `complete` where the epoch's writer is dead and all of it is here."""
        if self._segment is None and complete and not self.complete and self.last:
            with contextlib.suppress(OSError):  # only so that a restart knows that the epoch is complete
                self._create(now_ns)
        self._close(now_ns, complete=complete)
        self.complete = complete

    def _close(self, now_ns: int, *, complete: bool) -> None:
        with self._lock:
            if self._segment is None:
                return
            self._segment.close(complete=complete, sync=self.policy.fsync != "none", now_ns=now_ns)
            self._segment = None
            self.durable = self.written
