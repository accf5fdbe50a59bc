"""A sequence store on disk that survives the death of its process at any instruction.

Two files per session: `<id>.seq`, the 64 mapped bytes, and `<id>.sent`, an append-only log of sent
application messages. What must stay true:
- a message is in the log before `next_out` passes it, and `next_out` passes it before a byte leaves;
- records of the log are whole or cut off at opening (length and CRC); those at or above `next_out` are void;
- the log is rewritten by rename, so that either the old or the new one is there.
A power failure may take the last moments of both files; `sync` says from when on.
"""

import fcntl
import mmap
import os
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from feedhandler.wire.fix_numbers import (
    MAGIC,
    MAGIC_OFFSET,
    NUMBERS_BYTES,
    Numbered,
    Numbers,
    StoreError,
)

_RECORD: Final = struct.Struct("<QII")  # seq, bytes, CRC32 of seq and message
_MESSAGE_BYTES_MAX: Final = 16 * 1024 * 1024


def _crc(seq: int, message: bytes) -> int:
    return zlib.crc32(message, zlib.crc32(seq.to_bytes(8, "little")))


class FileStore(Numbered):
    """Numbers and the last `messages_max` sent messages in `folder`. One process at a time (locked)."""

    def __init__(self, folder: Path | str, session_id: str, *, messages_max: int = 10_000, now_ns: int = 0) -> None:
        """Open or create. Raises StoreError when another process holds it or the file is not a store."""
        base = Path(folder)
        base.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^A-Za-z0-9._-]", "_", session_id)
        self._sent_path = base / f"{name}.sent"
        self._messages_max = messages_max
        self._index: dict[int, tuple[int, int]] = {}
        self._seq_path = base / f"{name}.seq"
        self._seq_fd = os.open(self._seq_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            super().__init__(self._open_numbers())
            self._sent_fd = os.open(self._sent_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except BaseException:
            os.close(self._seq_fd)
            raise
        if self._numbers.read(MAGIC_OFFSET) != MAGIC:
            self.reset(now_ns)
        self._end = self._load()

    def _open_numbers(self) -> Numbers:
        try:
            fcntl.flock(self._seq_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"{self._seq_path}: held by another process; stop it or use another session name"
            ) from None
        size = os.fstat(self._seq_fd).st_size
        if size not in (0, NUMBERS_BYTES):
            raise StoreError(f"{self._seq_path}: {size} bytes, expected {NUMBERS_BYTES}; remove it to start at 1")
        if size == 0:
            # A new file is all zeros until the magic is written last, so half a creation is created again.
            os.ftruncate(self._seq_fd, NUMBERS_BYTES)
        numbers = Numbers(mmap.mmap(self._seq_fd, NUMBERS_BYTES))
        magic = numbers.read(MAGIC_OFFSET)
        if magic not in (0, MAGIC):
            numbers.close()
            raise StoreError(f"{self._seq_path}: not a sequence file; remove it to start at 1")
        return numbers

    def _load(self) -> int:
        """Index the log up to the first record that is torn or void; cut the rest off; return the end."""
        data = self._sent_path.read_bytes()
        position = 0
        while position + _RECORD.size <= len(data):
            seq, size, crc = _RECORD.unpack_from(data, position)
            begin = position + _RECORD.size
            message = data[begin : begin + size]
            if len(message) < size or _crc(seq, message) != crc or seq >= self.next_out:
                break
            self._index[seq] = (begin, size)
            position = begin + size
        os.ftruncate(self._sent_fd, position)
        self._trim()
        return position

    def _trim(self) -> None:
        while len(self._index) > self._messages_max:
            del self._index[next(iter(self._index))]

    def append(self, seq: int, message: bytes) -> None:
        """Keep a sent message. Raises OSError when the disk is full; nothing is kept then."""
        if self._messages_max == 0 or len(message) > _MESSAGE_BYTES_MAX:
            return
        record = _RECORD.pack(seq, len(message), _crc(seq, message)) + message
        try:
            written = os.pwrite(self._sent_fd, record, self._end)
        except OSError:
            os.ftruncate(self._sent_fd, self._end)
            raise
        if written != len(record):
            os.ftruncate(self._sent_fd, self._end)
            raise OSError(f"{self._sent_path}: short write")
        self._index.pop(seq, None)
        self._index[seq] = (self._end + _RECORD.size, len(message))
        self._end += len(record)
        self._trim()
        kept_bytes = sum(size + _RECORD.size for _, size in self._index.values()) if self._is_wasteful() else 0
        if kept_bytes and self._end > 2 * kept_bytes + mmap.PAGESIZE:
            self._rewrite()

    def _is_wasteful(self) -> bool:
        """Whether it is worth counting: once per full turn of the bounded index."""
        if len(self._index) < self._messages_max:
            return False
        oldest_begin = next(iter(self._index.values()))[0]
        return oldest_begin > self._end // 2 + mmap.PAGESIZE

    def _rewrite(self) -> None:
        """Only the kept messages, into a new file, then rename."""
        fresh_path = self._sent_path.with_suffix(".tmp")
        fresh = os.open(fresh_path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        index: dict[int, tuple[int, int]] = {}
        end = 0
        for seq, message in self.messages(0, 2**64):
            record = _RECORD.pack(seq, len(message), _crc(seq, message)) + message
            os.pwrite(fresh, record, end)
            index[seq] = (end + _RECORD.size, len(message))
            end += len(record)
        fresh_path.rename(self._sent_path)
        os.close(self._sent_fd)
        self._sent_fd, self._index, self._end = fresh, index, end

    def messages(self, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Kept messages of that range, ascending, read from disk as they are taken."""
        for seq in sorted(seq for seq in self._index if begin <= seq <= end):
            position, size = self._index[seq]
            yield seq, os.pread(self._sent_fd, size, position)

    def reset(self, now_ns: int) -> None:
        """Forget all messages; both numbers become 1."""
        # The log goes first: old messages must not meet new numbers.
        os.ftruncate(self._sent_fd, 0)
        self._index.clear()
        self._end = 0
        self._begin(now_ns)

    def sync(self) -> None:
        """Put both files on stable storage; what happened before survives a power failure."""
        self._numbers.buffer.flush()
        os.fsync(self._sent_fd)

    def close(self, *, durable: bool = True) -> None:
        """Sync, unmap, unlock. `address` is invalid afterwards. Not `durable`: without waiting for the disk."""
        if durable:
            self.sync()
        self._numbers.close()
        os.close(self._sent_fd)
        os.close(self._seq_fd)
