"""Sequence numbers and sent messages of one FIX session: what a session needs, and two that have it.

`MemoryStore` is gone with the process; `FileStore` (fix_file_store.py) survives its death.
"""

import mmap
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from feedhandler.wire.fix_file_store import FileStore
from feedhandler.wire.fix_numbers import NUMBERS_BYTES, Numbered, Numbers, StoreError

__all__ = ["FileStore", "MemoryStore", "SequenceStore", "StoreError"]

_STORED_MAX: Final = 10_000


class SequenceStore(Protocol):
    """What a session needs. `next_in`/`next_out` start at 1."""

    next_in: int
    next_out: int

    @property
    def created_ns(self) -> int:
        """When the numbers last began at 1, ns since the epoch; 0 = not told."""

    def append(self, seq: int, message: bytes) -> None:
        """Keep a sent application message for resending."""

    def messages(self, begin: int, end: int) -> Iterable[tuple[int, bytes]]:
        """Kept messages with begin <= seq <= end, ascending; those not kept are left out."""

    def reset(self, now_ns: int) -> None:
        """Forget all messages; both numbers become 1."""


class MemoryStore(Numbered):
    """Numbers and the last `messages_max` sent messages, gone with the process."""

    def __init__(self, messages_max: int = _STORED_MAX, now_ns: int = 0) -> None:
        """Start at 1 and 1. `messages_max` 0 keeps none: every resend is one gap fill."""
        super().__init__(Numbers(mmap.mmap(-1, NUMBERS_BYTES)))
        self._messages: dict[int, bytes] = {}
        self._messages_max = messages_max
        self._begin(now_ns)

    def append(self, seq: int, message: bytes) -> None:
        """Keep a sent message; the oldest is dropped beyond the bound."""
        if self._messages_max == 0:
            return
        self._messages.pop(seq, None)
        if len(self._messages) >= self._messages_max:
            del self._messages[next(iter(self._messages))]
        self._messages[seq] = message

    def messages(self, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Kept messages of that range, ascending."""
        return iter(sorted((seq, raw) for seq, raw in self._messages.items() if begin <= seq <= end))

    def reset(self, now_ns: int) -> None:
        """Forget all messages; both numbers become 1."""
        self._messages.clear()
        self._begin(now_ns)

    def close(self) -> None:
        """Release the memory."""
        self._numbers.close()
