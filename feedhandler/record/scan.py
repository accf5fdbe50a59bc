"""Reading one segment: its blocks, in order, with every checksum verified.

A segment that ended with an END block is mapped and read without copying. One that is still being
written (or whose writer died) is read with pread: it may be truncated under a reader's hands, and a
mapping would turn that into SIGBUS.
"""

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from feedhandler.record.format import (
    BLOCK_BYTES,
    BLOCK_MAGIC,
    HEADER_BYTES,
    INDEX_ROW,
    INDEX_STRIDE_BYTES,
    BlockHeader,
    BlockType,
    SegmentHeader,
    crc32c,
    unpack_block,
    unpack_segment,
)
from feedhandler.tick import TICK

RESYNC_CHUNK_BYTES = 4 << 20


class RawBlock(msgspec.Struct, frozen=True):
    """A good block at `offset`; `payload` is uint8, borrowed from the mapping of a closed segment."""

    offset: int
    header: BlockHeader
    payload: Any

    @property
    def end(self) -> int:
        """Offset of the byte after the block."""
        return self.offset + BLOCK_BYTES + self.header.payload_bytes

    def records(self) -> "np.ndarray[Any, Any]":
        """Return the payload as TICK records, read-only."""
        return np.asarray(self.payload.view(TICK))


class BadRange(msgspec.Struct, frozen=True):
    """Bytes [offset, end) that hold no good block although a good one follows (or the file ends)."""

    offset: int
    end: int
    tail: bool  # nothing good follows


class SegmentReader:
    """One segment file, opened read-only. Raises JournalError where the header is not ours."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.header: SegmentHeader = unpack_segment(os.pread(self._fd, HEADER_BYTES, 0), path)
        except BaseException:
            os.close(self._fd)
            self._fd = -1
            raise
        self._map: np.ndarray[Any, Any] | None = None
        self.end_block: BlockHeader | None = None
        self._open_closed()

    def __del__(self) -> None:
        if getattr(self, "_fd", -1) >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def closed(self) -> bool:
        """The writer ended this segment: it will not change any more."""
        return self.end_block is not None

    @property
    def size(self) -> int:
        """Bytes of the file now, preallocation included."""
        return os.fstat(self._fd).st_size

    def _open_closed(self) -> None:
        size = self.size
        if size % BLOCK_BYTES or size < HEADER_BYTES + BLOCK_BYTES:
            return
        tail = os.pread(self._fd, BLOCK_BYTES, size - BLOCK_BYTES)
        header = unpack_block(tail)
        if header is None or header.type != BlockType.END or header.crc != crc32c(tail[8:]):
            return
        mapping = mmap.mmap(self._fd, size, prot=mmap.PROT_READ)
        self._map = np.frombuffer(mapping, np.uint8)
        self.end_block = header

    def _bytes(self, offset: int, count: int) -> "np.ndarray[Any, Any]":
        if self._map is not None:
            return self._map[offset : offset + count]
        return np.frombuffer(os.pread(self._fd, count, offset), np.uint8)

    def block_at(self, offset: int) -> RawBlock | None:
        """Return the good block at `offset`, or None."""
        head = self._bytes(offset, BLOCK_BYTES)
        header = unpack_block(head)
        if header is None:
            return None
        whole = self._bytes(offset, BLOCK_BYTES + header.payload_bytes)
        if len(whole) != BLOCK_BYTES + header.payload_bytes or header.crc != crc32c(whole[8:]):
            return None
        return RawBlock(offset, header, whole[BLOCK_BYTES:])

    def blocks(self, offset: int = HEADER_BYTES) -> Iterator[RawBlock]:
        """Good blocks from `offset` up to the first that is not."""
        while (block := self.block_at(offset)) is not None:
            yield block
            offset = block.end

    def everything(self, offset: int = HEADER_BYTES) -> Iterator[RawBlock | BadRange]:
        """All good blocks of the file and every damaged range between or after them."""
        while True:
            for block in self.blocks(offset):
                yield block
                offset = block.end
            following = self.resync(offset)
            if following is None:
                if self._data_after(offset):
                    yield BadRange(offset, self.size, tail=True)
                return
            yield BadRange(offset, following, tail=False)
            offset = following

    def resync(self, offset: int) -> int | None:
        """Offset of the first good block after `offset`, None where there is none."""
        magic = int.from_bytes(BLOCK_MAGIC, "little")
        start = offset + BLOCK_BYTES
        size = self.size
        while start < size:
            chunk = self._bytes(start, min(RESYNC_CHUNK_BYTES, size - start))
            words = chunk[: len(chunk) // BLOCK_BYTES * BLOCK_BYTES].view("<u4")[:: BLOCK_BYTES // 4]
            for slot in np.flatnonzero(words == magic):
                candidate = start + int(slot) * BLOCK_BYTES
                if self.block_at(candidate) is not None:
                    return candidate
            start += RESYNC_CHUNK_BYTES
        return None

    def _data_after(self, offset: int) -> bool:
        size = self.size
        while offset < size:
            chunk = self._bytes(offset, min(RESYNC_CHUNK_BYTES, size - offset))
            if len(chunk) == 0:
                return False
            if chunk.any():
                return True
            offset += len(chunk)
        return False

    def index(self) -> "np.ndarray[Any, Any]":
        """Return the sparse time index: from the footer, or rebuilt by a scan where there is none."""
        if self.end_block is not None:
            index = self.block_at(self.size - 2 * BLOCK_BYTES - self.end_block.count)
            if index is not None and index.header.type == BlockType.INDEX:
                return np.asarray(index.payload.view(INDEX_ROW))
        builder = IndexBuilder()
        for item in self.everything():
            if isinstance(item, RawBlock) and item.header.type < BlockType.INDEX:
                builder.add(item.offset, item.header)
        return builder.rows()


class IndexBuilder:
    """Collects index rows while blocks are written or scanned: one per MiB of records, one per other block."""

    def __init__(self) -> None:
        self._rows: list[list[int]] = []

    def add(self, offset: int, header: BlockHeader) -> None:
        """Count in the block at `offset`; blocks come in file order."""
        size = BLOCK_BYTES + header.payload_bytes
        row = self._rows[-1] if self._rows else None
        if (
            row is not None
            and header.type == row[7] == BlockType.RECORDS
            and row[0] + row[1] == offset
            and row[1] + size <= INDEX_STRIDE_BYTES
        ):
            row[1] += size
            row[3] = header.last
            row[4] = min(row[4], header.min_ts)
            row[5] = max(row[5], header.max_ts)
            row[6] += header.count
            return
        records = header.count if header.type == BlockType.RECORDS else 0
        self._rows.append(
            [
                offset,
                size,
                header.first,
                header.last,
                header.min_ts,
                header.max_ts,
                records,
                header.type,
                header.code,
            ]
        )

    def rows(self) -> "np.ndarray[Any, Any]":
        """All rows so far, dtype INDEX_ROW."""
        return np.array([tuple(row) for row in self._rows], INDEX_ROW)
