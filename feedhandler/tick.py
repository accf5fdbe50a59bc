"""The record: one 64-byte tick, as numpy sees it (shm/README.md is the contract)."""

from enum import IntEnum, IntFlag
from typing import Any

import numpy as np

from feedhandler import _native


class Kind(IntEnum):
    """What a record says."""

    NONE = 0
    EVENT = 1
    LEVEL = 2
    TRADE = 3
    BOOK_CLEAR = 4
    STATUS = 5
    STATE = 6
    SKIP = 7
    FUNDING = 8
    OPEN_INTEREST = 9
    MARK = 10
    INDEX = 11
    LIQUIDATION = 12
    BAR = 13
    QUALITY = 14


class Side(IntEnum):
    """A level's side, or a trade's aggressor."""

    NONE = 0
    BID = 1
    ASK = 2


class Action(IntEnum):
    """What a LEVEL record does to its book."""

    NONE = 0
    NEW = 1
    CHANGE = 2
    DELETE = 3
    DELETE_THROUGH = 4
    DELETE_FROM = 5
    OVERLAY = 6


class Flag(IntFlag):
    """Flag bits; those that Databento's DBN also has stand where DBN has them."""

    LAST = 0x80
    GAP = 0x40
    SNAPSHOT = 0x20
    SUSPECT = 0x10
    BAD_TIME = 0x08
    MAYBE_BAD_BOOK = 0x04
    RECOVERED = 0x02
    ROUNDED = 0x01


class State(IntEnum):
    """Code of a STATE record, in its `level` field."""

    NONE = 0
    CONNECTED = 1
    DISCONNECTED = 2
    RECOVERING = 3
    SYNCED = 4
    STALE = 5
    CLOCK_STEP = 6
    EPOCH = 7
    UNKNOWN_INTERVAL = 8
    LAPPED = 9
    BAD_BOOK = 10


LAYOUT_VERSION: int = _native.layout()["version"]


def _dtype() -> "np.dtype[Any]":
    layout = _native.layout()
    fields = layout["fields"]
    return np.dtype(
        {
            "names": list(fields),
            "formats": [kind for kind, _ in fields.values()],
            "offsets": [offset for _, offset in fields.values()],
            "itemsize": layout["itemsize"],
        }
    )


TICK = _dtype()
RECORD_BYTES = 64
TICK_KINDS = (Kind.LEVEL, Kind.TRADE)

_EXPECTED = (
    ("seq", "<u8"), ("ts_event", "<i8"), ("ts_recv", "<i8"), ("price", "<f8"), ("size", "<f8"), ("ref", "<u8"),
    ("instrument", "<u4"), ("source", "<u2"), ("kind", "u1"), ("side", "u1"), ("action", "u1"), ("flags", "u1"),
    ("level", "<u2"), ("delay", "<u4"),
)  # fmt: skip
if np.dtype(list(_EXPECTED)) != TICK or TICK.itemsize != RECORD_BYTES:
    raise ImportError("feedhandler/tick.py and shm/layout.hpp disagree about the record; rebuild the extension")
