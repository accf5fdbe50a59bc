"""Journal format v1: the bytes of segment and block headers (docs/contracts/journal.md draws them).

Invariants: every block starts at a multiple of 64 in its file and has a payload of a multiple of 64
bytes, so records lie in the file as they lie in the ring; a block's CRC32C covers all of it after the
CRC field; the first byte sequence that is not a good block is the end of what can be trusted.
"""

import struct
from enum import IntEnum
from typing import Any, Final

import google_crc32c
import msgspec
import numpy as np

from feedhandler.tick import LAYOUT_VERSION, RECORD_BYTES

SEGMENT_MAGIC: Final = b"FHJRNL1\0"
BLOCK_MAGIC: Final = b"FHB1"
FORMAT_VERSION: Final = 1
HEADER_BYTES: Final = 4096
BLOCK_BYTES: Final = 64
BLOCK_RECORDS_MAX: Final = 1 << 20  # 64 MiB of payload; the writer uses far smaller blocks
SEGMENT_BYTES_MAX: Final = 1 << 32  # a corrupt range must fit one gap block's 32-bit length
INDEX_STRIDE_BYTES: Final = 1 << 20  # one index row per this much of records
UNKNOWN_SEQ: Final = (1 << 64) - 1  # a gap whose end nobody can know
SUFFIX: Final = ".fhj"
RING_NAME_BYTES: Final = 64

assert BLOCK_BYTES == RECORD_BYTES

_SEGMENT = struct.Struct("<8sIIIIQQQQq64s")
_BLOCK = struct.Struct("<4sIIIIIQQqqq")
_CRC = struct.Struct("<I")
assert _BLOCK.size == BLOCK_BYTES

INDEX_ROW: "np.dtype[Any]" = np.dtype(
    [
        ("offset", "<u8"), ("bytes", "<u8"), ("first", "<u8"), ("last", "<u8"), ("min_ts", "<i8"),
        ("max_ts", "<i8"), ("records", "<u8"), ("type", "<u4"), ("code", "<u4"),
    ]
)  # fmt: skip


class BlockType(IntEnum):
    """What a block holds."""

    RECORDS = 1
    GAP = 2
    DIRECTORY = 3
    INDEX = 4
    END = 5


class GapReason(IntEnum):
    """Why a gap block names records as lost."""

    LAPPED = 1  # the ring overwrote them before they were read (recorder late, down, or disk full)
    EPOCH_GONE = 2  # the epoch's file was gone before it was drained
    VERSION = 3  # the epoch's layout version is not ours
    CORRUPT = 4  # the journal's own bytes were damaged
    MISSING = 5  # found by a reader: no block covers this range (a segment is missing)


class JournalError(Exception):
    """The journal cannot be used as asked; the message names the file."""


class JournalVersionError(JournalError):
    """Written by software with another format or record layout: nothing of it may be touched."""


class SegmentHeader(msgspec.Struct, frozen=True):
    """A segment's first page. `created_ns` since the Unix epoch; previous_epoch 0 = none."""

    ring: str
    epoch: int
    previous_epoch: int
    previous_last: int
    first_seq: int
    created_ns: int
    layout_version: int = LAYOUT_VERSION


class BlockHeader(msgspec.Struct, frozen=True):
    """A block's 64 bytes. RECORDS and GAP cover [first, last]; times are ts_recv, ns."""

    type: int
    payload_bytes: int
    count: int
    code: int
    first: int
    last: int
    min_ts: int
    max_ts: int
    written_ns: int
    crc: int = 0


def crc32c(data: Any, value: int = 0) -> int:
    """CRC32C of a uint8 numpy array or bytes (the library refuses memoryviews)."""
    return int(google_crc32c.extend(value, data))


def pack_segment(header: SegmentHeader) -> bytes:
    """Return the header page, 4096 bytes."""
    page = bytearray(HEADER_BYTES)
    _SEGMENT.pack_into(
        page, 0, SEGMENT_MAGIC, FORMAT_VERSION, header.layout_version, RECORD_BYTES, HEADER_BYTES,
        header.epoch, header.previous_epoch, header.previous_last, header.first_seq, header.created_ns,
        header.ring.encode(),
    )  # fmt: skip
    _CRC.pack_into(page, HEADER_BYTES - 4, crc32c(bytes(page[: HEADER_BYTES - 4])))
    return bytes(page)


def unpack_segment(page: bytes, path: object) -> SegmentHeader:
    """Read a header page. Raises JournalError naming `path` for anything that is not ours."""
    if len(page) < HEADER_BYTES or page[:8] != SEGMENT_MAGIC:
        raise JournalError(f"{path}: not a journal segment")
    if _CRC.unpack_from(page, HEADER_BYTES - 4)[0] != crc32c(page[: HEADER_BYTES - 4]):
        raise JournalError(f"{path}: header checksum is wrong")
    fields = _SEGMENT.unpack_from(page)
    _, version, layout, record_bytes, header_bytes, epoch, previous, previous_last, first, created, ring = fields
    if version != FORMAT_VERSION or header_bytes != HEADER_BYTES:
        raise JournalVersionError(f"{path}: journal format {version}, this software reads {FORMAT_VERSION}")
    if layout != LAYOUT_VERSION or record_bytes != RECORD_BYTES:
        raise JournalVersionError(f"{path}: record layout {layout}, this software reads {LAYOUT_VERSION}")
    name = ring.rstrip(b"\0").decode(errors="replace")
    return SegmentHeader(name, epoch, previous, previous_last, first, created, layout)


def pack_block(buffer: "np.ndarray[Any, Any]", header: BlockHeader) -> None:
    """Write the header into the first 64 bytes of `buffer` (uint8: header, then the payload)."""
    view = buffer.data
    _BLOCK.pack_into(
        view, 0, BLOCK_MAGIC, 0, header.type, header.payload_bytes, header.count, header.code,
        header.first, header.last, header.min_ts, header.max_ts, header.written_ns,
    )  # fmt: skip
    _CRC.pack_into(view, 4, crc32c(buffer[8 : BLOCK_BYTES + header.payload_bytes]))


def unpack_block(data: Any, offset: int = 0) -> BlockHeader | None:
    """Return the block header at `offset`, None where there is none that makes sense. Checks no CRC."""
    if len(data) - offset < BLOCK_BYTES:
        return None
    magic, crc, kind, payload, count, code, first, last, low, high, written = _BLOCK.unpack_from(data, offset)
    if magic != BLOCK_MAGIC or payload % BLOCK_BYTES or not BlockType.RECORDS <= kind <= BlockType.END:
        return None
    if kind == BlockType.RECORDS and (count * RECORD_BYTES != payload or last - first + 1 != count or count == 0):
        return None
    return BlockHeader(kind, payload, count, code, first, last, low, high, written, crc)


def small_block(header: BlockHeader, payload: bytes = b"") -> "np.ndarray[Any, Any]":
    """Return a whole block as uint8, payload padded to 64 bytes with spaces (JSON stays JSON)."""
    padded = payload + b" " * (-len(payload) % BLOCK_BYTES)
    buffer = np.empty(BLOCK_BYTES + len(padded), np.uint8)
    buffer[BLOCK_BYTES:] = np.frombuffer(padded, np.uint8)
    pack_block(buffer, msgspec.structs.replace(header, payload_bytes=len(padded)))
    return buffer
