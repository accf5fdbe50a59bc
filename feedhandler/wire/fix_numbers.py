"""The two sequence numbers of a FIX session in 64 little-endian bytes that native code may advance in place.

Aligned 8-byte loads and stores only; the layout is in docs/contracts/fix-session.md. One owner at a time: the
session between native runs, the native loop during one.
"""

import ctypes
import mmap
import struct
from typing import Final

NUMBERS_BYTES: Final = 64
NEXT_IN_OFFSET: Final = 0
NEXT_OUT_OFFSET: Final = 8
CREATED_OFFSET: Final = 16
MAGIC_OFFSET: Final = 24
MAGIC: Final = 0x3130_5145_5348_4601  # "\x01FHSEQ01"; the first byte tells a foreign byte order
_NUMBER: Final = struct.Struct("<Q")


class StoreError(Exception):
    """The store on disk cannot be used; the message names the file and what to do."""


class Numbers:
    """The 64 bytes. `memory` must outlive this object and be writable."""

    def __init__(self, memory: mmap.mmap) -> None:
        """Adopt `memory` as it is."""
        self.buffer = memory
        self._view = memoryview(memory)

    @property
    def address(self) -> int:
        """Where the 64 bytes lie in this process; valid until `close`."""
        return ctypes.addressof(ctypes.c_char.from_buffer(self.buffer))

    def read(self, offset: int) -> int:
        """One u64."""
        value: int = _NUMBER.unpack_from(self._view, offset)[0]
        return value

    def write(self, offset: int, value: int) -> None:
        """One u64."""
        _NUMBER.pack_into(self._view, offset, value)

    def close(self) -> None:
        """Unmap. Native code must have stopped using `address`."""
        self._view.release()
        self.buffer.close()


class Numbered:
    """next_in and next_out as properties over the 64 bytes."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    @property
    def next_in(self) -> int:
        """The MsgSeqNum expected next from the peer."""
        return self._numbers.read(NEXT_IN_OFFSET)

    @next_in.setter
    def next_in(self, value: int) -> None:
        self._numbers.write(NEXT_IN_OFFSET, value)

    @property
    def next_out(self) -> int:
        """The MsgSeqNum of the next message to be sent."""
        return self._numbers.read(NEXT_OUT_OFFSET)

    @next_out.setter
    def next_out(self, value: int) -> None:
        self._numbers.write(NEXT_OUT_OFFSET, value)

    @property
    def created_ns(self) -> int:
        """When the numbers last began at 1, ns since the epoch; 0 = not told."""
        return self._numbers.read(CREATED_OFFSET)

    @property
    def buffer(self) -> mmap.mmap:
        """The 64 bytes, writable."""
        return self._numbers.buffer

    @property
    def address(self) -> int:
        """Address of the 64 bytes; valid until `close`."""
        return self._numbers.address

    def _begin(self, now_ns: int) -> None:
        self._numbers.write(NEXT_IN_OFFSET, 1)
        self._numbers.write(NEXT_OUT_OFFSET, 1)
        self._numbers.write(CREATED_OFFSET, now_ns)
        self._numbers.write(MAGIC_OFFSET, MAGIC)
