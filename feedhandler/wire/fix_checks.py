"""Is one message good enough for the session layer? Reasons and texts are QuickFIX's.

No dictionary: fields of the header and of administrative messages are checked; application fields only for
tag number and presence of a value.
"""

from typing import Final, NamedTuple

from feedhandler.wire.fix_message import Message, parse_int
from feedhandler.wire.fix_time import parse_timestamp

INVALID_TAG: Final = 0
REQUIRED_MISSING: Final = 1
NO_VALUE: Final = 4
BAD_VALUE: Final = 5
BAD_FORMAT: Final = 6
COMP_ID: Final = 9
SENDING_TIME: Final = 10
BAD_MSG_TYPE: Final = 11
REPEATED: Final = 13

REASON_TEXT: Final = {
    INVALID_TAG: "Invalid tag number",
    REQUIRED_MISSING: "Required tag missing",
    NO_VALUE: "Tag specified without a value",
    BAD_VALUE: "Value is incorrect (out of range) for this tag",
    BAD_FORMAT: "Incorrect data format for value",
    COMP_ID: "CompID problem",
    SENDING_TIME: "SendingTime accuracy problem",
    BAD_MSG_TYPE: "Invalid MsgType",
    REPEATED: "Tag appears more than once",
}

_HEADER_REQUIRED: Final = (49, 56, 34, 52)
_ONCE: Final = frozenset({8, 9, 35, 49, 56, 34, 52, 43, 97, 122, 10})
_REQUIRED: Final = {b"A": (98, 108), b"1": (112,), b"2": (7, 16), b"3": (45,), b"4": (36,)}
_HEADER_NUMBERS: Final = (34,)
_NUMBERS: Final = {b"A": (98, 108), b"2": (7, 16), b"3": (45,), b"4": (36,)}
_HEADER_FLAGS: Final = (43, 97)
_FLAGS: Final = {b"A": (141,), b"4": (123,)}
_TIMES: Final = (52, 122)
MSG_TYPE_BYTES_MAX: Final = 3


class Problem(NamedTuple):
    """SessionRejectReason (373) and the tag it is about (371), where there is one."""

    reason: int
    tag: int | None = None


def find_problem(message: Message) -> Problem | None:
    """First defect of `message`, or None. Sequence, time and CompIDs are the session's business."""
    msg_type = message.msg_type
    if not msg_type.isalnum() or len(msg_type) > MSG_TYPE_BYTES_MAX:
        return Problem(BAD_MSG_TYPE) if msg_type else Problem(NO_VALUE, 35)
    return _find_missing(message, msg_type) or _find_bad_field(message) or _find_bad_format(message, msg_type)


def _find_missing(message: Message, msg_type: bytes) -> Problem | None:
    present = {tag for tag, _ in message.fields}
    for tag in _HEADER_REQUIRED + _REQUIRED.get(msg_type, ()):
        if tag not in present:
            return Problem(REQUIRED_MISSING, tag)
    return None


def _find_bad_field(message: Message) -> Problem | None:
    seen = set()
    for tag, value in message.fields:
        if tag <= 0:
            return Problem(INVALID_TAG, tag)
        if not value:
            return Problem(NO_VALUE, tag)
        if tag in _ONCE:
            if tag in seen:
                return Problem(REPEATED, tag)
            seen.add(tag)
    return None


def _find_bad_format(message: Message, msg_type: bytes) -> Problem | None:
    for tag in _HEADER_NUMBERS + _NUMBERS.get(msg_type, ()):
        if parse_int(message.get(tag) or b"") is None:
            return Problem(BAD_FORMAT, tag)
    for tag in _HEADER_FLAGS + _FLAGS.get(msg_type, ()):
        if (message.get(tag) or b"N") not in (b"Y", b"N"):
            return Problem(BAD_FORMAT, tag)
    for tag in _TIMES:
        value = message.get(tag)
        if value is not None and parse_timestamp(value) is None:
            return Problem(BAD_FORMAT, tag)
    return None
