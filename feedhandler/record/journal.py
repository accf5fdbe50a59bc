"""Reading a journal: what rings, epochs and ranges it holds, their records, whether it is sound.

    journal = open_journal("var/demo/journal")
    for block in journal.blocks(ring="handler1", start_ns=..., end_ns=...):
        block.records          # numpy TICK records, read-only, borrowed from the mapped file
        block.gap              # or the reason why [first, last] is missing

Reading needs no lock and may go on while the recorder writes: a reader sees whole blocks only.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from feedhandler.record.format import (
    HEADER_BYTES,
    SUFFIX,
    UNKNOWN_SEQ,
    BlockType,
    GapReason,
    JournalError,
    SegmentHeader,
)
from feedhandler.record.scan import BadRange, RawBlock, SegmentReader
from feedhandler.tick import TICK

NO_RECORDS = np.empty(0, TICK)


class Block(msgspec.Struct, frozen=True):
    """Records [first, last] of (ring, epoch), or the reason why they are not there."""

    ring: str
    epoch: int
    first: int
    last: int
    records: Any  # numpy TICK array; empty for a gap
    gap: GapReason | None = None


class SegmentInfo(msgspec.Struct, frozen=True):
    """One file: its place and what it covers. `closed`: will not change any more."""

    path: Path
    header: SegmentHeader
    closed: bool
    first: int
    last: int
    records: int
    gaps: int
    bytes: int
    min_ts: int
    max_ts: int


class Journal:
    """A journal folder, read-only."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise JournalError(f"{self.root}: no such journal")

    def rings(self) -> list[str]:
        """Names of the rings that have been recorded."""
        return sorted(path.name for path in self.root.iterdir() if path.is_dir() and any(self._epochs(path)))

    @staticmethod
    def _epochs(folder: Path) -> list[int]:
        return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())

    def epochs(self, ring: str) -> list[int]:
        """Epochs of a ring, oldest first."""
        folder = self.root / ring
        return self._epochs(folder) if folder.is_dir() else []

    def segment_paths(self, ring: str, epoch: int) -> list[Path]:
        """Segment files of an epoch, in order of their first seq."""
        return sorted((self.root / ring / str(epoch)).glob("*" + SUFFIX))

    def segments(self, ring: str | None = None) -> Iterator[SegmentInfo]:
        """Describe each file. Raises JournalError for a file that is no segment."""
        for name in [ring] if ring else self.rings():
            for epoch in self.epochs(name):
                for path in self.segment_paths(name, epoch):
                    yield describe(SegmentReader(path))

    def blocks(
        self,
        ring: str | None = None,
        epoch: int | None = None,
        *,
        first: int = 0,
        last: int = UNKNOWN_SEQ,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> Iterator[Block]:
        """Blocks by ring, epoch, seq range (both ends included) and ts_recv range (end excluded).

        Records outside the ranges are cut off; gaps are given where the seq range asks for them.
        Damaged ranges and missing segments come as gaps, too. Order: ring, epoch, seq.
        """
        for name in [ring] if ring else self.rings():
            for each in [epoch] if epoch is not None else self.epochs(name):
                for block in self._epoch_blocks(name, each, first, start_ns, end_ns):
                    if block.first > last:
                        break
                    cut = trim(block, first, last, start_ns, end_ns)
                    if cut is not None:
                        yield cut

    def _epoch_blocks(
        self, ring: str, epoch: int, first: int, start_ns: int | None, end_ns: int | None
    ) -> Iterator[Block]:
        paths = self.segment_paths(ring, epoch)
        expected = 1 if paths else 0
        for place, path in enumerate(paths):
            starts = int(path.stem)
            if place + 1 < len(paths) and int(paths[place + 1].stem) <= first:
                expected = int(paths[place + 1].stem)
                continue  # the next file still starts at or before what is asked for
            if starts > expected:
                yield Block(ring, epoch, expected, starts - 1, NO_RECORDS, GapReason.MISSING)
                expected = starts
            reader = open_segment(path)
            if reader is None:
                continue  # its range turns up as MISSING; verify() says why
            for block in segment_blocks(reader, first, start_ns, end_ns):
                yield block
                expected = block.last + 1
            if reader.end_block is not None:
                expected = max(expected, reader.end_block.last + 1)

    def gaps(self, ring: str | None = None) -> list[Block]:
        """Everything that is named as lost, and every hole that is not covered."""
        return [block for block in self.blocks(ring) if block.gap is not None]

    def directory(self) -> bytes:
        """Return the newest instrument directory snapshot as JSON (names.FixedNames reads it)."""
        newest, data = -1, b'{"sources":{},"instruments":[]}'
        for name in self.rings():
            for epoch in self.epochs(name)[-1:]:
                for path in self.segment_paths(name, epoch)[-1:]:
                    reader = SegmentReader(path)
                    for row in reader.index():
                        if row["type"] != BlockType.DIRECTORY:
                            continue
                        block = reader.block_at(int(row["offset"]))
                        if block is not None and block.header.written_ns > newest:
                            newest, data = block.header.written_ns, bytes(block.payload).rstrip(b" ")
        return data


def open_journal(root: str | Path) -> Journal:
    """Open a journal folder for reading. Raises JournalError where there is none."""
    return Journal(root)


def open_segment(path: Path) -> SegmentReader | None:
    """Return the segment at `path`, None where its header is damaged or belongs somewhere else."""
    try:
        reader = SegmentReader(path)
    except (JournalError, FileNotFoundError):
        return None
    head = reader.header
    here = (path.parent.parent.name, path.parent.name, path.stem)
    return reader if here == (head.ring, str(head.epoch), f"{head.first_seq:020d}") else None


def describe(reader: SegmentReader) -> SegmentInfo:
    """Return what a segment covers, from its index (rebuilt where missing)."""
    rows = reader.index()
    data = rows[rows["type"] == BlockType.RECORDS]
    gaps = rows[rows["type"] == BlockType.GAP]
    covered = rows[rows["type"] <= BlockType.GAP]
    head = reader.header
    return SegmentInfo(
        reader.path, head, reader.closed, head.first_seq,
        int(covered["last"][-1]) if len(covered) else head.first_seq - 1,
        int(data["records"].sum()), len(gaps), reader.size,
        int(data["min_ts"].min()) if len(data) else 0, int(data["max_ts"].max()) if len(data) else 0,
    )  # fmt: skip


def segment_blocks(
    reader: SegmentReader, first: int = 0, start_ns: int | None = None, end_ns: int | None = None
) -> Iterator[Block]:
    """Give records and gaps of one segment from `first` on; a closed one's index skips what is out of range.

    Damaged ranges come as gaps (CORRUPT). Blocks that straddle a limit are given whole: trim() them.
    """
    begin, stop, expected = HEADER_BYTES, UNKNOWN_SEQ, reader.header.first_seq
    if reader.closed:
        rows = reader.index()
        wanted = (rows["type"] <= BlockType.GAP) & (rows["last"] >= first)
        if start_ns is not None:
            wanted &= (rows["type"] == BlockType.RECORDS) & (rows["max_ts"] >= start_ns)
        if end_ns is not None:
            wanted &= (rows["type"] == BlockType.RECORDS) & (rows["min_ts"] < end_ns)
        places = np.flatnonzero(wanted)
        if len(places) == 0:
            return
        low, high = rows[places[0]], rows[places[-1]]
        begin, stop, expected = int(low["offset"]), int(high["offset"] + high["bytes"]), int(low["first"])
    for item in reader.everything(begin):
        if isinstance(item, BadRange):
            continue
        starts = item.header.first if item.header.type < BlockType.INDEX else item.header.last + 1
        if starts > expected:
            yield Block(reader.header.ring, reader.header.epoch, expected, starts - 1, NO_RECORDS, GapReason.CORRUPT)
            expected = starts
        if item.offset >= stop:
            return
        if item.header.type <= BlockType.GAP:
            yield raw_to_block(reader.header.ring, reader.header.epoch, item)
            expected = item.header.last + 1


def raw_to_block(ring: str, epoch: int, raw: RawBlock) -> Block:
    """Return a raw RECORDS or GAP block with its identity."""
    head = raw.header
    if head.type == BlockType.GAP:
        return Block(ring, epoch, head.first, head.last, NO_RECORDS, GapReason(head.code))
    return Block(ring, epoch, head.first, head.last, raw.records())


def trim(block: Block, first: int, last: int, start_ns: int | None, end_ns: int | None) -> Block | None:
    """Return the part of a block inside the ranges, None where nothing is."""
    if block.last < first or block.first > last or block.last < block.first:
        return None
    if block.gap is not None:
        low, high = max(block.first, first), min(block.last, last)
        return Block(block.ring, block.epoch, low, high, NO_RECORDS, block.gap)
    records = block.records[max(0, first - block.first) : max(0, min(block.last, last) - block.first + 1)]
    if start_ns is not None or end_ns is not None:
        times = records["ts_recv"]
        keep = np.ones(len(records), bool)
        if start_ns is not None:
            keep &= times >= start_ns
        if end_ns is not None:
            keep &= times < end_ns
        if not keep.all():
            records = records[keep]
    if len(records) == 0:
        return None
    return Block(block.ring, block.epoch, int(records["seq"][0]), int(records["seq"][-1]), records)
