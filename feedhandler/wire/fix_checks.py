"""Is one message good enough for the session layer? Reasons and texts are QuickFIX's.

Without a dictionary: fields of the header and of administrative messages are checked; application fields only for
tag number and presence of a value. With one: `fix_validate.py`.
"""

from typing import Final, NamedTuple

import msgspec

from feedhandler.wire.fix_message import HEADER_TAGS, TRAILER_TAGS, Message, parse_int
from feedhandler.wire.fix_time import parse_timestamp

INVALID_TAG: Final = 0
REQUIRED_MISSING: Final = 1
NOT_IN_MESSAGE: Final = 2
NO_VALUE: Final = 4
BAD_VALUE: Final = 5
BAD_FORMAT: Final = 6
COMP_ID: Final = 9
SENDING_TIME: Final = 10
BAD_MSG_TYPE: Final = 11
REPEATED: Final = 13
OUT_OF_ORDER: Final = 14
GROUP_ORDER: Final = 15
BAD_COUNT: Final = 16
BAD_APPL_VERSION: Final = 18

REASON_TEXT: Final = {
    INVALID_TAG: "Invalid tag number",
    REQUIRED_MISSING: "Required tag missing",
    NOT_IN_MESSAGE: "Tag not defined for this message type",
    NO_VALUE: "Tag specified without a value",
    BAD_VALUE: "Value is incorrect (out of range) for this tag",
    BAD_FORMAT: "Incorrect data format for value",
    COMP_ID: "CompID problem",
    SENDING_TIME: "SendingTime accuracy problem",
    BAD_MSG_TYPE: "Invalid MsgType",
    REPEATED: "Tag appears more than once",
    OUT_OF_ORDER: "Tag specified out of required order",
    GROUP_ORDER: "Out of order repeating group members",
    BAD_COUNT: "Incorrect NumInGroup count for repeating group",
    BAD_APPL_VERSION: "Invalid/Unsupported application version",
}

_HEADER_REQUIRED: Final = (34, 52)
_ONCE: Final = frozenset({8, 9, 35, 49, 56, 34, 52, 43, 97, 122, 10})
_REQUIRED: Final = {b"A": (98, 108), b"1": (112,), b"2": (7, 16), b"3": (45,), b"4": (36,)}
_HEADER_NUMBERS: Final = (34,)
_NUMBERS: Final = {b"A": (98,), b"2": (7, 16), b"3": (45,), b"4": (36,)}
_HEADER_FLAGS: Final = (43, 97)
_FLAGS: Final = {b"A": (141,), b"4": (123,)}
_TIMES: Final = (52, 122)
MSG_TYPE_BYTES_MAX: Final = 3


class Validation(msgspec.Struct, frozen=True, kw_only=True):
    """What is checked beyond what the session itself needs; QuickFIX's names of the settings stand beside."""

    order: bool = True  # ValidateFieldsOutOfOrder: header, body, trailer
    have_values: bool = True  # ValidateFieldsHaveValues
    user_fields: bool = True  # ValidateUserDefinedFields: tags from 5000 on must be in the dictionary
    unknown_fields: bool = True  # the contrary of AllowUnknownMsgFields: fields that the message does not have
    group_order: bool = True  # ValidateUnorderedGroupFields: members of groups in the dictionary's order


class Problem(NamedTuple):
    """SessionRejectReason (373) and the tag it is about (371), where there is one."""

    reason: int
    tag: int | None = None

    @property
    def text(self) -> str:
        """What 58 says."""
        return REASON_TEXT[self.reason]


def find_missing_party(message: Message) -> Problem | None:
    """Who speaks to whom comes before everything else: 49 and 56."""
    for tag in (49, 56):
        if message.get(tag) is None:
            return Problem(REQUIRED_MISSING, tag)
    return None


def find_bad_number(message: Message) -> Problem | None:
    """Return what keeps the session from working, whatever a dictionary allows: its numbers and times."""
    msg_type = message.msg_type
    return _find_missing(message, msg_type) or _find_bad_format(message, msg_type)


def find_problem(message: Message, validation: Validation) -> Problem | None:
    """First defect of `message`, or None. Sequence, time and CompIDs are the session's business."""
    msg_type = message.msg_type
    if validation.order and (misplaced := _find_misplaced(message)):
        return Problem(OUT_OF_ORDER, misplaced)
    if not msg_type.isalnum() or len(msg_type) > MSG_TYPE_BYTES_MAX:
        return Problem(BAD_MSG_TYPE) if msg_type else Problem(NO_VALUE, 35)
    return (
        _find_missing(message, msg_type)
        or _find_bad_field(message, validation.have_values)
        or _find_bad_format(message, msg_type)
    )


def _find_misplaced(message: Message) -> int:
    stage = 0
    for tag, _ in message.fields:
        here = 0 if tag in HEADER_TAGS else 2 if tag in TRAILER_TAGS else 1
        if here < stage:
            return tag
        stage = here
    return 0


def _find_missing(message: Message, msg_type: bytes) -> Problem | None:
    present = {tag for tag, _ in message.fields}
    for tag in _HEADER_REQUIRED + _REQUIRED.get(msg_type, ()):
        if tag not in present:
            return Problem(REQUIRED_MISSING, tag)
    return None


def _find_bad_field(message: Message, have_values: bool) -> Problem | None:
    seen = set()
    for tag, value in message.fields:
        if tag <= 0:
            return Problem(INVALID_TAG, tag)
        if not value and have_values:
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
    if msg_type == b"A" and parse_int((message.get(108) or b"").removeprefix(b"-")) is None:
        return Problem(BAD_FORMAT, 108)  # a negative one is answered in words
    for tag in _HEADER_FLAGS + _FLAGS.get(msg_type, ()):
        if (message.get(tag) or b"N") not in (b"Y", b"N"):
            return Problem(BAD_FORMAT, tag)
    for tag in _TIMES:
        value = message.get(tag)
        if value is not None and parse_timestamp(value) is None:
            return Problem(BAD_FORMAT, tag)
    return None
