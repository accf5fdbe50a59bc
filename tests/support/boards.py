"""Boards that a test writes by hand."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from feedhandler import _native
from feedhandler.board import row_dtype

DEPTH = 4
ROWS = 8
NUMBERS = ("bid", "bid_size", "ask", "ask_size", "open", "high", "low", "volume", "turnover", "vwap", "last_price")


def make(folder: Path, epoch: int = 1, **options: Any) -> _native.BoardWriter:
    """Return the writer of a board of 8 rows and 4 levels."""
    options = {"depth": DEPTH, "rows": ROWS, "publisher_epoch": epoch} | options
    return _native.BoardWriter(str(folder), **options)


def row(instrument: int, value: float, depth: int = DEPTH) -> np.ndarray:
    """Return a row in which every number is `value`, so that a mixture of two writes shows."""
    made = np.zeros(1, row_dtype(depth))
    made["instrument"], made["ring_seq"], made["updates"] = instrument, value, value
    for name in (*NUMBERS, "bids", "asks"):
        made[name] = value
    return made


def write(board: _native.BoardWriter, instrument: int, value: float, depth: int = DEPTH) -> None:
    """Write such a row."""
    assert board.write(instrument, row(instrument, value, depth).view(np.uint8))


def whole(got: np.ndarray) -> float | None:
    """Return the number that fills a row; None where it is a mixture."""
    value = got["ring_seq"]
    same = all(got[name] == value for name in ("updates", *NUMBERS))
    return float(value) if same and (got["bids"] == value).all() and (got["asks"] == value).all() else None


def tear(folder: Path, instrument: int, depth: int = DEPTH) -> None:
    """Leave a row as a writer leaves it that dies inside: an odd version, half of another row."""
    with (folder / "board").open("r+b") as file:
        header = np.frombuffer(file.read(4096), "<u4")
        at = int(header[6]) + instrument * row_dtype(depth).itemsize
        file.seek(at)
        file.write((7).to_bytes(8, "little"))


def as_stranger(work: Callable[[], bool]) -> bool:
    """Run `work` in a child that may read the files and write none (root becomes nobody); return what it returned."""
    child = os.fork()
    if child == 0:
        code = 2
        with contextlib.suppress(BaseException):
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            code = 0 if work() else 1
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
