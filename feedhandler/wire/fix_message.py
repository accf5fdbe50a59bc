"""FIX tag=value messages: fields in, bytes out, and back.

Bad bytes give a value that says what is wrong (`Malformed`, None), never an exception.
Framing, where a stream of bytes becomes messages, is `fix_frame.py`.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

SOH: Final = b"\x01"
INT_DIGITS_MAX: Final = 19
INT_MAX: Final = 2**63 - 1

Field = tuple[int, bytes]

# A data field may hold SOH; the length field before it says where it ends.
DATA_TAG_OF_LENGTH_TAG: Final = {
    90: 91, 93: 89, 95: 96, 212: 213, 348: 349, 350: 351, 352: 353, 354: 355, 356: 357, 358: 359,
    360: 361, 362: 363, 364: 365, 445: 446, 618: 619, 621: 622, 1184: 1185, 1277: 1278, 1280: 1281,
    1282: 1283, 1397: 1398, 1400: 1402, 1401: 1402,
}  # fmt: skip

ADMIN_TYPES: Final = frozenset({b"0", b"1", b"2", b"3", b"4", b"5", b"A"})


class Malformed(NamedTuple):
    """A message that cannot be split into fields: to be counted and ignored, as all garbled ones."""

    why: str


class Message:
    """One complete message, split into fields. Owns its bytes; immutable by convention."""

    __slots__ = ("fields", "raw")

    def __init__(self, raw: bytes, fields: Sequence[Field]) -> None:
        """Use `decode`; fields are in wire order, 8 and 10 included."""
        self.raw = raw
        self.fields = fields

    def get(self, tag: int) -> bytes | None:
        """First value of `tag`, or None when the message has no such field. An empty value is `b""`."""
        for name, value in self.fields:
            if name == tag:
                return value
        return None

    def text(self, tag: int) -> str:
        """First value of `tag` as text for people (bytes that are not UTF-8 replaced); "" when missing."""
        return (self.get(tag) or b"").decode(errors="replace")

    def integer(self, tag: int) -> int | None:
        """First value of `tag` as an unsigned integer; None when missing or not a number."""
        value = self.get(tag)
        return None if value is None else parse_int(value)

    def flag(self, tag: int) -> bool:
        """Whether `tag` is present and Y."""
        return self.get(tag) == b"Y"

    @property
    def msg_type(self) -> bytes:
        """Value of 35; empty when missing."""
        return self.get(35) or b""


def parse_int(text: bytes) -> int | None:
    """Unsigned decimal digits (zero padding allowed), at most 2**63 - 1; anything else is None."""
    if not text or len(text) > 64 or not text.isdigit():
        return None
    text = text.lstrip(b"0") or b"0"
    if len(text) > INT_DIGITS_MAX:
        return None
    value = int(text)
    return value if value <= INT_MAX else None


def _parse_tag(text: bytes) -> int | None:
    """Tag number, negative and zero included (those get a Reject); None when not an integer."""
    digits = text[1:] if text[:1] == b"-" else text
    if not digits or len(digits) > 9 or not digits.isdigit():
        return None
    return int(text)


def decode(raw: bytes) -> Message | Malformed:
    """Split `raw` (one whole message, framing already checked) into fields.

    Data fields are cut by the length field before them when the length fits; else at the next SOH.
    """
    if raw[-1:] != SOH:
        return Malformed("last field is not terminated")
    fields: list[Field] = []
    position, total = 0, len(raw)
    data_tag, data_bytes = 0, 0
    while position < total:
        equals = raw.find(b"=", position)
        end = raw.find(SOH, position)
        if equals < 0 or equals > end:
            return Malformed("field without '='")
        tag = _parse_tag(raw[position:equals])
        if tag is None:
            return Malformed("tag is not a number")
        if tag == data_tag and raw[equals + 1 + data_bytes : equals + 2 + data_bytes] == SOH:
            end = equals + 1 + data_bytes
        value = raw[equals + 1 : end]
        data_tag = DATA_TAG_OF_LENGTH_TAG.get(tag, 0)
        data_bytes = (parse_int(value) or 0) if data_tag else 0
        fields.append((tag, value))
        position = end + 1
    return Message(raw, fields)


def checksum(data: bytes | memoryview) -> int:
    """Sum of all bytes modulo 256 (field 10 over everything before it)."""
    return sum(data) & 0xFF


def frame(begin_string: bytes, body: bytes) -> bytes:
    """Put 8, 9 and 10 around `body` (which starts with 35= and ends with SOH)."""
    message = b"8=%b\x019=%d\x01%b" % (begin_string, len(body), body)
    return message + b"10=%03d\x01" % checksum(message)


def join(fields: Iterable[Field]) -> bytes:
    """Fields as `tag=value` and SOH each."""
    return b"".join([b"%d=%b\x01" % field for field in fields])


class Header(NamedTuple):
    """Who sends to whom, in this session; `extra` fields (50, 57, ...) stand in every message."""

    begin_string: bytes
    sender: bytes
    target: bytes
    extra: tuple[Field, ...] = ()


def encode(
    header: Header,
    msg_type: bytes,
    seq: int,
    sending_time: bytes,
    fields: Iterable[Field],
    *,
    orig_sending_time: bytes | None = None,
) -> bytes:
    """Build a whole message: 8, 9, 35, 49, 56, 34, 52; 43=Y and 122 if `orig_sending_time`; fields; 10."""
    head = b"35=%b\x0149=%b\x0156=%b\x0134=%d\x0152=%b\x01" % (
        msg_type,
        header.sender,
        header.target,
        seq,
        sending_time,
    )
    if orig_sending_time is not None:
        head += b"43=Y\x01122=%b\x01" % orig_sending_time
    return frame(header.begin_string, head + join(header.extra) + join(fields))


def encode_resent(raw: bytes, sending_time: bytes) -> bytes | None:
    """Build the stored message `raw` again, with 43=Y, its own 52 as 122 and `sending_time` as 52.

    None when `raw` is not a message with a SendingTime (a damaged store); the caller fills the gap instead.
    """
    begin_end = raw.find(SOH)
    length_end = raw.find(SOH, begin_end + 1)
    stamp = raw.find(b"\x0152=", length_end)
    trailer = raw.rfind(b"\x0110=")
    if not raw.startswith(b"8=") or min(begin_end, length_end, stamp) < 0 or trailer <= stamp:
        return None
    stamp_end = raw.find(SOH, stamp + 1)
    body = b"%b\x0152=%b\x0143=Y\x01122=%b%b" % (
        raw[length_end + 1 : stamp],
        sending_time,
        raw[stamp + 4 : stamp_end],
        raw[stamp_end : trailer + 1],
    )
    return frame(raw[2:begin_end], body)
