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

HEADER_TAGS: Final = frozenset({
    8, 9, 34, 35, 43, 49, 50, 52, 56, 57, 90, 91, 97, 115, 116, 122, 128, 129, 142, 143, 144, 145, 212, 213, 347,
    369, 370, 627, 628, 629, 630, 1128, 1129, 1156,
})  # fmt: skip
TRAILER_TAGS: Final = frozenset({10, 89, 93})
FIELDS_MAX: Final = 200_000  # of one message: a bound on what hostile bytes cost, far above any real one


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

    @property
    def is_admin(self) -> bool:
        """Whether the message is the session's own, not the application's."""
        return self.msg_type in ADMIN_TYPES


def parse_int(text: bytes) -> int | None:
    """Unsigned decimal digits (zero padding allowed), at most 2**63 - 1; anything else is None."""
    if not text or len(text) > 64 or not text.isdigit():
        return None
    text = text.lstrip(b"0") or b"0"
    if len(text) > INT_DIGITS_MAX:
        return None
    value = int(text)
    return value if value <= INT_MAX else None


def _parse_tag(text: bytes) -> int:
    """Tag number; 0 for what is no integer: that is no tag either, and gets the same Reject."""
    digits = text[1:] if text[:1] == b"-" else text
    if not digits or len(digits) > 9 or not digits.isdigit():
        return 0
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
        if tag == data_tag and raw[equals + 1 + data_bytes : equals + 2 + data_bytes] == SOH:
            end = equals + 1 + data_bytes
        value = raw[equals + 1 : end]
        data_tag = DATA_TAG_OF_LENGTH_TAG.get(tag, 0)
        data_bytes = (parse_int(value) or 0) if data_tag else 0
        fields.append((tag, value))
        if len(fields) > FIELDS_MAX:
            return Malformed("too many fields")
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
    more: Iterable[Field] = (),
    orig_sending_time: bytes | None = None,
) -> bytes:
    """Build a whole message: 8, 9, 35, the header in ascending order with `more`, `fields` as they are, 10.

    43=Y and 122 are there if `orig_sending_time` is.
    """
    head = [(34, b"%d" % seq), (49, header.sender), (52, sending_time), (56, header.target), *header.extra, *more]
    if orig_sending_time is not None:
        head += [(43, b"Y"), (122, orig_sending_time)]
    head.sort(key=_place)
    return frame(header.begin_string, b"35=%b\x01" % msg_type + join(head) + join(fields))


def _place(field: Field) -> int:
    """Where a header field stands: by its tag, the group of hops (627 to 630) together."""
    return min(field[0], 627) if field[0] <= 630 else field[0]


def encode_resent(raw: bytes, sending_time: bytes) -> bytes | None:
    """Build the stored message `raw` again, with 43=Y, its own 52 as 122 and `sending_time` as 52.

    None when `raw` is not a message with a SendingTime (a damaged store); the caller fills the gap instead.
    """
    message = decode(raw)
    if isinstance(message, Malformed) or [tag for tag, _ in message.fields[:3]] != [8, 9, 35]:
        return None
    fields = message.fields
    end = next((i for i, (tag, _) in enumerate(fields) if tag not in HEADER_TAGS), len(fields))
    head = [(tag, value) for tag, value in fields[3:end] if tag not in (43, 52, 122)]
    sent = message.get(52)
    if sent is None or fields[-1][0] != 10:
        return None
    head = sorted([*head, (43, b"Y"), (52, sending_time), (122, sent)], key=_place)
    return frame(fields[0][1], b"35=%b\x01" % fields[2][1] + join(head) + join(fields[end:-1]))
