"""What a WebSocket client may say, and what it is told when it says something else."""

from typing import Any, Final, TypeAlias

import msgspec

CHANNELS: Final = ("bbo", "book", "trade")
ALL: Final = "*"
SYMBOL_CHARS_MAX: Final = 128
RATE_MAX: Final = 1_000_000.0
OPS: Final = ("subscribe", "unsubscribe", "list", "ping", "auth")

# Why a request was refused: the `code` of an error message.
BAD_JSON: Final = "bad_json"
BAD_MESSAGE: Final = "bad_message"
BAD_FIELD: Final = "bad_field"
UNKNOWN_OP: Final = "unknown_op"
UNKNOWN_CHANNEL: Final = "unknown_channel"
TOO_MANY_SUBSCRIPTIONS: Final = "too_many_subscriptions"
MESSAGE_TOO_LARGE: Final = "message_too_large"
NOT_AUTHORISED: Final = "not_authorised"
TEXT_ONLY: Final = "text_only"
INTERNAL: Final = "internal"

# Why a connection was closed: application codes of the WebSocket close frame.
CLOSE_GOING_AWAY: Final = 1001
CLOSE_TOO_BIG: Final = 1009
CLOSE_NOT_AUTHORISED: Final = 4001
CLOSE_SLOW: Final = 4008


class Fault(msgspec.Struct, frozen=True):
    """A request that is refused."""

    code: str
    message: str
    id: Any = None


class Subscribe(msgspec.Struct, frozen=True):
    """Take these channels of these symbols. `sources` None = all; `max_rate` is updates a second and key."""

    id: Any
    channels: tuple[str, ...]
    symbols: tuple[str, ...]
    sources: frozenset[str] | None
    max_rate: float | None


class Unsubscribe(msgspec.Struct, frozen=True):
    """Take subscriptions back; symbol `*` = all of the channel."""

    id: Any
    channels: tuple[str, ...]
    symbols: tuple[str, ...]


class List(msgspec.Struct, frozen=True):
    """Say what is subscribed."""

    id: Any


class Ping(msgspec.Struct, frozen=True):
    """Answer with a pong."""

    id: Any


class Auth(msgspec.Struct, frozen=True):
    """Prove who you are."""

    id: Any
    token: str


Request: TypeAlias = Subscribe | Unsubscribe | List | Ping | Auth

_FIELDS: Final = {
    "subscribe": {"op", "id", "channels", "symbols", "sources", "max_rate"},
    "unsubscribe": {"op", "id", "channels", "symbols"},
    "list": {"op", "id"},
    "ping": {"op", "id"},
    "auth": {"op", "id", "token"},
}
encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class _FaultError(Exception):
    """Carries a Fault out of the parser; never leaves this module."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def parse(data: bytes) -> Request | Fault:
    """Return the request in one text message, or what is wrong with it. Never raises."""
    try:
        message = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Fault(BAD_JSON, f"not JSON: {error}")
    if not isinstance(message, dict):
        return Fault(BAD_MESSAGE, 'expected an object such as {"op":"ping"}')
    identity = message.get("id")
    try:
        return _request(message, identity)
    except _FaultError as fault:
        return Fault(fault.code, str(fault), identity)


def _request(message: dict[str, Any], identity: Any) -> Request:
    op = message.get("op")
    if not isinstance(op, str) or op not in _FIELDS:
        raise _FaultError(UNKNOWN_OP, f"op is {_show(op)}, expected one of {', '.join(OPS)}")
    unknown = sorted(message.keys() - _FIELDS[op])
    if unknown:
        raise _FaultError(BAD_FIELD, f"{op} has no field {_show(unknown[0])}")
    match op:
        case "subscribe":
            channels, symbols = _channels(message), _texts(message, "symbols")
            return Subscribe(identity, channels, symbols, _sources(message), _max_rate(message))
        case "unsubscribe":
            return Unsubscribe(identity, _channels(message), _texts(message, "symbols"))
        case "list":
            return List(identity)
        case "ping":
            return Ping(identity)
        case _:
            token = message.get("token")
            if not isinstance(token, str) or not token:
                raise _FaultError(BAD_FIELD, "token: expected a text")
            return Auth(identity, token)


def _channels(message: dict[str, Any]) -> tuple[str, ...]:
    channels = _texts(message, "channels")
    for channel in channels:
        if channel not in CHANNELS:
            raise _FaultError(UNKNOWN_CHANNEL, f"channel {_show(channel)}, expected one of {', '.join(CHANNELS)}")
    return channels


def _texts(message: dict[str, Any], field: str) -> tuple[str, ...]:
    """Return a list of texts without repetition, in order."""
    values = message.get(field)
    if not isinstance(values, list) or not values:
        raise _FaultError(BAD_FIELD, f"{field}: expected a list of at least one text")
    for value in values:
        if not isinstance(value, str) or not value or len(value) > SYMBOL_CHARS_MAX or "|" in value:
            raise _FaultError(
                BAD_FIELD, f"{field}: {_show(value)}, expected a text of 1 to {SYMBOL_CHARS_MAX} characters without '|'"
            )
    return tuple(dict.fromkeys(values))


def _sources(message: dict[str, Any]) -> frozenset[str] | None:
    if message.get("sources") is None:
        return None
    return frozenset(_texts(message, "sources"))


def _max_rate(message: dict[str, Any]) -> float | None:
    rate = message.get("max_rate")
    if rate is None:
        return None
    # The comparison is false for NaN and right for integers of any size.
    if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 < rate <= RATE_MAX:
        raise _FaultError(BAD_FIELD, f"max_rate: {_show(rate)}, expected a number above 0 up to {RATE_MAX:.0f}")
    return float(rate)


def _show(value: Any) -> str:
    """Return a value as short JSON, for messages."""
    text = encode(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."


def error(fault: Fault) -> bytes:
    """Return the error message for a refused request."""
    return encode({"type": "error", "code": fault.code, "message": fault.message, "id": fault.id})
