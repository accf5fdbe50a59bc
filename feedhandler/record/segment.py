"""Writing one segment file: header, blocks, and at its end the index and the END block.

Invariant: `end` is just past the last block written whole. Whenever a write fails the file is cut
back to `end`, so the disk always holds whole blocks (but for what a crash tears, see repair()).
"""

import contextlib
import errno
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from feedhandler.record.files import replace_file, sync_folder, write_all
from feedhandler.record.format import (
    BLOCK_BYTES,
    HEADER_BYTES,
    SUFFIX,
    BlockHeader,
    BlockType,
    GapReason,
    SegmentHeader,
    pack_block,
    pack_segment,
    small_block,
)
from feedhandler.record.scan import BadRange, IndexBuilder, RawBlock, SegmentReader


def segment_path(root: Path, ring: str, epoch: int, first_seq: int) -> Path:
    """Where the segment that starts with `first_seq` lives."""
    return root / ring / str(epoch) / f"{first_seq:020d}{SUFFIX}"


def _first_seq(block: RawBlock) -> int:
    """Return the seq a block continues with: records and gaps cover it, the index comes after its last."""
    return block.header.last + 1 if block.header.type >= BlockType.INDEX else block.header.first


class SegmentWriter:
    """An open segment. One thread appends; sync() may run in another (its caller locks)."""

    def __init__(self, path: Path, header: SegmentHeader, end: int, index: IndexBuilder) -> None:
        self.path = path
        self.header = header
        self.end = end
        self.last = header.first_seq - 1
        self.repaired = False
        self._index = index
        self._low, self._high = (1 << 63) - 1, -(1 << 63)
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    @classmethod
    def create(cls, path: Path, header: SegmentHeader, segment_bytes: int, *, sync: bool) -> "SegmentWriter":
        """Make a new segment, preallocated where the disk has room. OSError where refused."""
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, pack_segment(header), sync=sync)
        if sync:
            sync_folder(path.parent.parent)
            sync_folder(path.parent.parent.parent)
        writer = cls(path, header, HEADER_BYTES, IndexBuilder())
        writer.preallocate(segment_bytes)
        return writer

    def preallocate(self, segment_bytes: int) -> None:
        """Take the segment's room now, so that a write later is no metadata change.

        Without room (or without support) the segment grows by its writes and stops where the disk is full.
        """
        try:
            os.posix_fallocate(self.fd, 0, segment_bytes)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EOPNOTSUPP, errno.EINVAL, errno.EFBIG, errno.EDQUOT):
                raise
            with contextlib.suppress(OSError):
                os.ftruncate(self.fd, self.end)

    @classmethod
    def resume(cls, path: Path, segment_bytes: int) -> "SegmentWriter | None":
        """Repairs a segment that was not closed and goes on with it; None where it was closed.

        A torn tail is cut at the end of the last good block; a damaged range with good blocks behind
        it becomes a GAP block (reason CORRUPT) that keeps the damaged bytes as its payload.
        """
        reader = SegmentReader(path)
        if reader.closed:
            return None
        writer = cls(path, reader.header, HEADER_BYTES, IndexBuilder())
        bad: BadRange | None = None
        for item in reader.everything():
            if isinstance(item, BadRange):
                bad = item
                writer.repaired = True
                continue
            if bad is not None:
                writer._name_damage(bad, _first_seq(item) - 1)
                bad = None
            if item.header.type >= BlockType.INDEX:
                break  # the writer died while it ended the segment: the index is written again
            writer._count(item.offset, item.header)
        os.ftruncate(writer.fd, writer.end)
        writer.preallocate(segment_bytes)
        return writer

    def _name_damage(self, bad: BadRange, last: int) -> None:
        size = bad.end - bad.offset - BLOCK_BYTES
        buffer = np.empty(size + BLOCK_BYTES, np.uint8)
        buffer[BLOCK_BYTES:] = np.frombuffer(os.pread(self.fd, size, bad.offset + BLOCK_BYTES), np.uint8)
        header = BlockHeader(BlockType.GAP, size, 0, GapReason.CORRUPT, self.last + 1, last, 0, 0, 0)
        pack_block(buffer, header)
        write_all(self.fd, buffer[:BLOCK_BYTES], bad.offset)
        self._count(bad.offset, header)

    def append(self, block: "np.ndarray[Any, Any]", header: BlockHeader) -> None:
        """Write one packed block. On OSError the file is cut back to the last whole block."""
        try:
            write_all(self.fd, block, self.end)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self.fd, self.end)
            raise
        self._count(self.end, header)

    def _count(self, offset: int, header: BlockHeader) -> None:
        self._index.add(offset, header)
        self.end = offset + BLOCK_BYTES + header.payload_bytes
        if header.type in (BlockType.RECORDS, BlockType.GAP):
            self.last = header.last
        if header.type == BlockType.RECORDS:
            self._low = min(self._low, header.min_ts)
            self._high = max(self._high, header.max_ts)

    def sync(self) -> None:
        """fdatasync: what was appended survives a power loss."""
        os.fdatasync(self.fd)

    def close(self, *, complete: bool, sync: bool, now_ns: int) -> None:
        """End the segment: index, END block, exact length. Never raises for a full disk.

        `complete`: the epoch has no more records. Without room the segment just stays without its
        footer, and readers rebuild the index.
        """
        rows = self._index.rows()
        low, high = (self._low, self._high) if self._low <= self._high else (0, 0)
        data = rows.tobytes()
        first = self.header.first_seq
        head = BlockHeader(BlockType.INDEX, len(data), len(rows), 0, first, self.last, low, high, now_ns)
        tail = msgspec.structs.replace(head, type=BlockType.END, count=len(data), code=int(complete))
        try:
            write_all(self.fd, small_block(head, data), self.end)
            write_all(self.fd, small_block(tail), self.end + BLOCK_BYTES + len(data))
            os.ftruncate(self.fd, self.end + 2 * BLOCK_BYTES + len(data))
            if sync:
                os.fsync(self.fd)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self.fd, self.end)
                os.fdatasync(self.fd)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Lets go of the file as it is."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
