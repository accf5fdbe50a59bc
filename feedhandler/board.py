"""Reading the board from Python: the latest state of every instrument as numpy records (shm/board.hpp)."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from feedhandler import _native

Rows = np.ndarray[Any, np.dtype[Any]]

_FIELDS = [
    ("version", "<u8"), ("ring_epoch", "<u8"), ("ring_seq", "<u8"), ("ts_event", "<i8"), ("ts_recv", "<i8"),
    ("ts_update", "<i8"), ("bid", "<f8"), ("bid_size", "<f8"), ("ask", "<f8"), ("ask_size", "<f8"),
    ("last_price", "<f8"), ("last_size", "<f8"), ("last_ts", "<i8"), ("open", "<f8"), ("high", "<f8"), ("low", "<f8"),
    ("volume", "<f8"), ("turnover", "<f8"), ("trades", "<u8"), ("updates", "<u8"), ("instrument", "<u4"),
    ("source", "<u2"), ("state", "<u2"), ("bid_levels", "<u2"), ("ask_levels", "<u2"), ("last_side", "u1"),
    ("flags", "u1"), ("reserved", "<u2"), ("spare", "<u8", (2,)),
]  # fmt: skip


# A writer that lost its core inside a row gets it back within some scheduler slices; a dead one never.
_PAUSES_S = (0.0, 0.0, *[0.001] * 50)


def row_dtype(depth: int) -> "np.dtype[Any]":
    """Return the dtype of a row with `depth` levels a side; `bids` and `asks` have shape (depth, 2): price, size."""
    return np.dtype([*_FIELDS, ("bids", "<f8", (depth, 2)), ("asks", "<f8", (depth, 2))])


class Board:
    """The board of a configuration. A row is a consistent copy; NaN means none. Any thread.

    Raises OSError where there is no board yet, RuntimeError where its version is another.
    """

    def __init__(self, shm_dir: str | Path) -> None:
        self._native = _native.BoardReader(str(shm_dir))
        self._prepare()

    def _prepare(self) -> None:
        self.depth: int = self._native.depth
        self.dtype = row_dtype(self.depth)
        if self.dtype.itemsize != self._native.row_bytes:
            raise RuntimeError("feedhandler/board.py and shm/board.hpp disagree about a row; rebuild the extension")
        self._row = np.zeros(1, self.dtype)
        self._bytes = self._row.view(np.uint8)

    def row(self, instrument: int) -> Any:
        """Return one instrument's row (a numpy record, this object's own buffer: valid until the next call)."""
        if instrument > self._native.rows:
            raise RuntimeError(f"no row {instrument}: the board has rows 1..{self._native.rows}")
        if not _patiently(lambda: self._native.read(instrument, self._bytes)):
            raise RuntimeError(
                f"row {instrument} stayed half written for 50 ms: its writer died in it, or stands still"
            )
        return self._row[0]

    def rows(self) -> Rows:
        """Return all rows that were ever written, copied, in the order of instrument ids."""
        out = np.zeros(self._native.rows + 1, self.dtype)
        if not _patiently(lambda: not self._native.read_all(out.view(np.uint8))):
            raise RuntimeError("a row stayed half written for 50 ms: its writer died in it, or stands still")
        written: Rows = out[out["instrument"] != 0]
        return written

    @property
    def publisher_epoch(self) -> int:
        """Changes with every start of the conflator."""
        return self._native.publisher_epoch

    @property
    def alive(self) -> bool:
        """Whether the conflator that writes this file lives. If not, `attach` maps its successor's, if there is one."""
        return self._native.writer_alive

    def attach(self) -> None:
        """Map the current board file: needed after the conflator was restarted."""
        self._native.attach()
        self._prepare()


def _patiently(read: Callable[[], bool]) -> bool:
    for pause_s in _PAUSES_S:
        if read():
            return True
        time.sleep(pause_s)
    return False
