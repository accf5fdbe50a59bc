"""Framing: where messages begin and end in a stream of bytes.

A frame is `8=FIX... SOH 9=length SOH 35=... SOH 10=ddd SOH` with right BodyLength and CheckSum. What is not
a frame is garbled: reported, counted once per run of bad bytes, and skipped. A garbled message ends where its
own 10= ends, which is what QuickFIX does; when even that is not to be found, at the next `8=FIX`.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from feedhandler.wire.fix_message import SOH, checksum

MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
_BEGIN: Final = b"8=FIX"
_BEGIN_BYTES_MAX: Final = 24
_LENGTH_DIGITS_MAX: Final = 10
_TRAILER_BYTES: Final = 7
_TRAILER: Final = b"\x0110="
WRONG_LENGTH: Final = "BodyLength is wrong"
WRONG_CHECKSUM: Final = "CheckSum is wrong"


class Partial(NamedTuple):
    """Not enough bytes yet. Bytes from `begin` on must be kept; a search for the end goes on at `search_from`."""

    begin: int
    search_from: int = 0


class Garbled(NamedTuple):
    """Bytes [begin, end) are no message."""

    begin: int
    end: int
    why: str


class Ok(NamedTuple):
    """Bytes [begin, end) are one message with right BodyLength and CheckSum."""

    begin: int
    end: int


def scan(  # noqa: PLR0911 - one return per way of being wrong
    data: bytes | bytearray,
    begin: int = 0,
    bytes_max: int = MESSAGE_BYTES_MAX,
    *,
    verify: bool = True,
    search_from: int = 0,
) -> Partial | Garbled | Ok:
    """Look for one message at `begin`. Never raises, whatever the bytes.

    `verify` off lets wrong BodyLength and CheckSum pass. `search_from` is what an earlier call for the same message
    said; without it nothing changes but the time it takes.
    """
    if data[begin : begin + len(_BEGIN)] != _BEGIN:
        if _BEGIN.startswith(data[begin : begin + len(_BEGIN)]):
            return Partial(begin)
        return Garbled(begin, _next_begin(data, begin + 1), "no BeginString")
    begin_end = data.find(SOH, begin, begin + _BEGIN_BYTES_MAX)
    if begin_end < 0:
        return _wait_or(data, begin, _BEGIN_BYTES_MAX, "BeginString too long")
    head = data[begin_end + 1 : begin_end + 3]
    if head != b"9=":
        if b"9=".startswith(head):
            return Partial(begin)
        return Garbled(begin, _next_begin(data, begin + 1), "BodyLength is not second")
    length_end = data.find(SOH, begin_end + 3, begin_end + 4 + _LENGTH_DIGITS_MAX)
    if length_end < 0:
        return _wait_or(data, begin, begin_end + 4 + _LENGTH_DIGITS_MAX - begin, "BodyLength too long")
    digits = bytes(data[begin_end + 3 : length_end])
    if not digits.isdigit() or int(digits) > bytes_max:
        return Garbled(begin, _next_begin(data, begin + 1), "BodyLength is not a number or too large")
    found = _scan_body(data, begin, length_end + 1, int(digits))
    if found is None:
        found = _skip_wrong_length(data, begin, max(length_end + int(digits), search_from), bytes_max)
    if verify or not isinstance(found, Garbled) or found.why not in (WRONG_LENGTH, WRONG_CHECKSUM):
        return found
    return Ok(found.begin, found.end)


def _scan_body(data: bytes | bytearray, begin: int, body: int, length: int) -> Partial | Garbled | Ok | None:
    """None: the message does not end where it says."""
    trailer = body + length
    end = trailer + _TRAILER_BYTES
    if len(data) < end:
        return Partial(begin)
    digits = bytes(data[trailer + 3 : end - 1])
    if data[trailer - 1 : trailer + 3] != _TRAILER or data[end - 1] != SOH[0] or not digits.isdigit():
        return None
    if data[body : body + 3] != b"35=":
        return Garbled(begin, end, "MsgType is not third")
    with memoryview(data) as view:
        total = checksum(view[begin:trailer])
    if total != int(digits):
        return Garbled(begin, end, WRONG_CHECKSUM)
    return Ok(begin, end)


def _skip_wrong_length(data: bytes | bytearray, begin: int, search_from: int, bytes_max: int) -> Partial | Garbled:
    found = data.find(_TRAILER, search_from)
    end = data.find(SOH, found + 1) if found >= 0 else -1
    if end >= 0:
        return Garbled(begin, end + 1, WRONG_LENGTH)
    if len(data) - begin < 2 * bytes_max:
        return Partial(begin, found if found >= 0 else max(search_from, len(data) - len(_TRAILER) + 1))
    return Garbled(begin, _next_begin(data, begin + 1), WRONG_LENGTH)


def _wait_or(data: bytes | bytearray, begin: int, bytes_max: int, why: str) -> Partial | Garbled:
    if len(data) - begin < bytes_max:
        return Partial(begin)
    return Garbled(begin, _next_begin(data, begin + 1), why)


def _next_begin(data: bytes | bytearray, begin: int) -> int:
    """Where the next `8=FIX`, or what may become one, starts at or after `begin`; else the end of `data`."""
    found = data.find(_BEGIN, begin)
    if found >= 0:
        return found
    for kept in range(min(len(_BEGIN) - 1, len(data) - begin), 0, -1):
        if data.endswith(_BEGIN[:kept]):
            return len(data) - kept
    return len(data)


class Framer:
    """Collects a stream and cuts it into messages. Holds at most twice `bytes_max` and one read."""

    def __init__(self, bytes_max: int = MESSAGE_BYTES_MAX, *, verify: bool = True) -> None:
        """`bytes_max` bounds BodyLength; a longer message is garbled. `verify`: as in `scan`."""
        self._data = bytearray()
        self._bytes_max = bytes_max
        self._verify = verify
        self._in_garbage = False
        self._search_from = 0
        self.garbled_count = 0

    def clear(self) -> None:
        """Forget unfinished bytes (a new connection)."""
        self._data.clear()
        self._in_garbage = False
        self._search_from = 0

    @property
    def unfinished(self) -> bool:
        """Whether bytes wait for the rest of their message."""
        return bool(self._data)

    def feed(self, data: bytes) -> Iterator[tuple[bytes, str]]:
        """Take bytes; yield (message, "") per good message and (bytes, why) per stretch of garbled ones.

        The caller may stop early only to `clear`.
        """
        self._data += data
        position = 0
        while position < len(self._data):
            found = scan(self._data, position, self._bytes_max, verify=self._verify, search_from=self._search_from)
            if isinstance(found, Partial):
                self._search_from = found.search_from
                break
            position, self._search_from = found.end, 0
            piece = bytes(self._data[found.begin : found.end])
            if isinstance(found, Ok):
                self._in_garbage = False
                yield piece, ""
                continue
            # Garbage that arrives in several reads is one defect, however the transport cut it.
            if not (self._in_garbage and found.why == "no BeginString"):
                self.garbled_count += 1
            self._in_garbage = True
            yield piece, found.why
        del self._data[:position]
        self._search_from = max(0, self._search_from - position)
