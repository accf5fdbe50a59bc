"""Whether text is a value of a FIX data type. Types that FIX leaves open (text, currencies, zones) take anything."""

import re
from collections.abc import Callable
from typing import Final

from feedhandler.wire.fix_time import parse_timestamp

_INT: Final = re.compile(rb"-?[0-9]+")
_FLOAT: Final = re.compile(rb"-?(?:[0-9]+\.?|[0-9]*\.[0-9]+)")
_TIME: Final = re.compile(rb"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]{1,9})?")
_DATE: Final = re.compile(rb"[0-9]{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")

MULTIPLE: Final = frozenset({"MULTIPLEVALUESTRING", "MULTIPLESTRINGVALUE", "MULTIPLECHARVALUE"})
"""Types of several values with a blank between each two."""


def _is_int(text: bytes) -> bool:
    return _INT.fullmatch(text) is not None


def _is_float(text: bytes) -> bool:
    return _FLOAT.fullmatch(text) is not None


def _is_char(text: bytes) -> bool:
    return len(text) == 1


def _is_flag(text: bytes) -> bool:
    return text in (b"Y", b"N")


def _is_timestamp(text: bytes) -> bool:
    return parse_timestamp(text) is not None


def _is_time(text: bytes) -> bool:
    return _TIME.fullmatch(text) is not None


def _is_date(text: bytes) -> bool:
    return _DATE.fullmatch(text) is not None


_CHECKS: Final[dict[str, Callable[[bytes], bool]]] = {
    **dict.fromkeys(("INT", "LENGTH", "NUMINGROUP", "SEQNUM", "TAGNUM"), _is_int),
    **dict.fromkeys(("FLOAT", "PRICE", "QTY", "AMT", "PRICEOFFSET", "PERCENTAGE"), _is_float),
    "CHAR": _is_char,
    "BOOLEAN": _is_flag,
    **dict.fromkeys(("UTCTIMESTAMP", "TIME"), _is_timestamp),
    "UTCTIMEONLY": _is_time,
    **dict.fromkeys(("UTCDATE", "UTCDATEONLY"), _is_date),
}


def is_valid(kind: str, text: bytes) -> bool:
    """Whether `text` is a value of the type called `kind` (upper case); any text is one of an unknown type."""
    check = _CHECKS.get(kind)
    return check is None or check(text)
