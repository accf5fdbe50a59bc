"""What travels over ZeroMQ: topic text and payloads. docs/contracts/topics.md is the contract.

A payload is a msgpack array, one Struct below each. A later version of the same number may append
elements; they are ignored here. Another version number may mean anything, so such a payload is
refused with a reason (a value, never an exception per message) and its sender is counted.

Payload structs are immutable by convention and not by `frozen`, which would cost on every message.
"""

from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

VERSION: Final = 1
ALL: Final = "*"
SEPARATOR: Final = "|"
TOPIC_BYTES_MAX: Final = 512

STATE_CHANNELS: Final = frozenset({"bbo", "book", "state"})
"""Newest value wins: what was missed is repaired by a snapshot."""
EVENT_CHANNELS: Final = frozenset({"trade", "tick"})
"""Every message counts: what was missed is reported as a range of `seq`."""
HEARTBEAT_CHANNEL: Final = "hb"
HEARTBEAT_TOPIC: Final = b"hb|*|*"


class Topic(NamedTuple):
    """One topic: `<channel>|<symbol>|<source>`. Source `*` is consolidated, symbol `*` the whole source."""

    channel: str
    symbol: str
    source: str

    def __str__(self) -> str:
        return f"{self.channel}|{self.symbol}|{self.source}"

    def encode(self) -> bytes:
        """Return the first frame of this topic's messages."""
        return str(self).encode()


def format_topic(channel: str, symbol: str, source: str) -> bytes:
    """Return the topic frame. ValueError on an empty part, a `|` inside one, or more than TOPIC_BYTES_MAX."""
    text = f"{channel}|{symbol}|{source}".encode()
    if not (channel and symbol and source) or text.count(b"|") != 2 or len(text) > TOPIC_BYTES_MAX:
        raise ValueError(f"not a topic: channel {channel!r}, symbol {symbol!r}, source {source!r}")
    return text


def parse_topic(frame: bytes) -> Topic | None:
    """Return the topic of a first frame, or None: hostile bytes are a value, not an error."""
    if len(frame) > TOPIC_BYTES_MAX:
        return None
    try:
        parts = frame.decode().split(SEPARATOR)
    except UnicodeDecodeError:
        return None
    if len(parts) != 3 or not all(parts):
        return None
    return Topic(*parts)


class Payload(msgspec.Struct, array_like=True, gc=False):
    """Elements that begin every payload. Times are ns since the Unix epoch.

    `seq` is dense per topic within a publisher epoch, from 1. `(ring, epoch, ring_seq)` is the record
    that caused the message: the key into the journal. `ts_event` 0 = the venue gave none.
    """

    version: int
    seq: int
    ts_event: int
    ts_recv: int
    ts_pub: int
    ring: str
    epoch: int
    ring_seq: int


class Bbo(Payload, array_like=True, gc=False):
    """Best bid and offer; None = that side is empty.

    `oldest` is the `ts_event` of the oldest change this update carries: equal to `ts_event` unless
    updates were conflated on the way.
    """

    bid: float | None
    bid_size: float | None
    ask: float | None
    ask_size: float | None
    flags: int
    oldest: int


SNAPSHOT_KIND: Final = 0
CHANGES_KIND: Final = 1
Level: TypeAlias = tuple[float, float]


class Book(Payload, array_like=True):
    """The published window of a book: all of it (kind 0), or what changed since the previous seq (kind 1).

    Levels are (price, size). Best first in a snapshot; in changes size 0 deletes. A level that
    leaves or enters the window is an explicit change.
    """

    kind: int
    bids: list[Level]
    asks: list[Level]
    flags: int


class Trade(Payload, array_like=True, gc=False):
    """One trade. `side`: the aggressor, 0 unknown, 1 buyer, 2 seller. `ref`: trade id or its 64-bit hash."""

    price: float | None
    size: float | None
    side: int
    ref: int
    flags: int


class State(Payload, array_like=True, gc=False):
    """Our feed's state: `code` is feedhandler.tick.State, `reason` depends on it."""

    code: int
    reason: int
    flags: int


class Tick(Payload, array_like=True, gc=False):
    """Header of a batch: frame three is `count` records of 64 bytes; `ring_seq` is the first one's seq."""

    count: int


class Heartbeat(Payload, array_like=True):
    """The publisher's digest: `topics` maps each topic changed since the previous heartbeat to its seq."""

    publisher_epoch: int
    topics: dict[str, int]


PAYLOADS: Final[dict[str, type[Payload]]] = {
    "bbo": Bbo,
    "book": Book,
    "trade": Trade,
    "state": State,
    "tick": Tick,
    HEARTBEAT_CHANNEL: Heartbeat,
}
CHANNELS: Final = tuple(PAYLOADS)


class Refusal(Enum):
    """Why a payload was not understood."""

    UNKNOWN_CHANNEL = "unknown_channel"
    WRONG_VERSION = "wrong_version"
    MALFORMED = "malformed"


_DECODERS: Final[dict[str, "msgspec.msgpack.Decoder[Any]"]] = {
    channel: msgspec.msgpack.Decoder(kind) for channel, kind in PAYLOADS.items()
}
_ANY: Final = msgspec.msgpack.Decoder()
encode_payload = msgspec.msgpack.Encoder().encode


def decode(channel: str, payload: bytes) -> Payload | Refusal:
    """Return the channel's struct, or why there is none."""
    decoder = _DECODERS.get(channel)
    if decoder is None:
        return Refusal.UNKNOWN_CHANNEL
    try:
        value: Payload = decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _why(payload)
    return value if value.version == VERSION else Refusal.WRONG_VERSION


def decoder_of(channel: str) -> "msgspec.msgpack.Decoder[Any] | None":
    """Return the raw decoder, for hot loops that check `version` and handle DecodeError by `decode`."""
    return _DECODERS.get(channel)


def _why(payload: bytes) -> Refusal:
    """Tell a payload of another version (any shape after its first element) from rubbish."""
    try:
        value = _ANY.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError):
        return Refusal.MALFORMED
    first = value[0] if isinstance(value, list) and value else None
    return Refusal.WRONG_VERSION if isinstance(first, int) and first != VERSION else Refusal.MALFORMED


# The snapshot service: requests are one frame, replies begin with one of these.
REPLY_TOPIC: Final = b"S"
REPLY_END: Final = b"E"
REPLY_ERROR: Final = b"X"


class SnapshotRequest(msgspec.Struct, forbid_unknown_fields=False):
    """Ask for the current state of every topic that begins with `prefix` (op `snapshot`), or `hello`."""

    op: str
    prefix: str = ""


class SnapshotEnd(msgspec.Struct):
    """Closes the replies to one request."""

    publisher_epoch: int
    count: int = 0


class SnapshotError(msgspec.Struct):
    """The request was not understood."""

    error: str


def encode_request(op: str, prefix: str = "") -> bytes:
    """Return the single frame of a snapshot request."""
    return encode_payload({"op": op, "prefix": prefix} if op == "snapshot" else {"op": op})


decode_end = msgspec.msgpack.Decoder(SnapshotEnd).decode
decode_error = msgspec.msgpack.Decoder(SnapshotError).decode
decode_request = msgspec.msgpack.Decoder(SnapshotRequest).decode
