"""Reading the board from Python: the latest state of every instrument as numpy records (docs/contracts/board.md)."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from feedhandler import _native, clock
from feedhandler.errors import NoRowError, TornRowError
from feedhandler.ring import STALL_NS, Attach, WaitPolicy
from feedhandler.tick import State

Rows = np.ndarray[Any, np.dtype[Any]]
Ids = np.ndarray[Any, np.dtype[np.uint32]]

BOARD_VERSION: int = _native.board_layout()["version"]
NEVER_NS: int = np.iinfo(np.int64).max
"""The age of what never came."""

_STATE_NAMES = np.array([state.name for state in State])


def row_dtype(depth: int) -> "np.dtype[Any]":
    """Return the dtype of a row with `depth` levels a side; `bids` and `asks` have shape (depth, 2): price, size.

    Fields, units and what "nothing" looks like: docs/contracts/board.md. The offsets are the extension's own.
    """
    layout = _native.board_layout()
    fields, fixed = layout["row"], layout["row_bytes"]
    levels = np.dtype(("<f8", (depth, 2)))
    return np.dtype(
        {
            "names": [*fields, "bids", "asks"],
            "formats": [*(kind for kind, _ in fields.values()), levels, levels],
            "offsets": [*(offset for _, offset in fields.values()), fixed, fixed + levels.itemsize],
            "itemsize": _native.board_row_bytes(depth),
        }
    )


class Changes(NamedTuple):
    """What changed behind a cursor.

    `ids` holds each changed instrument once, the oldest change first; it is the board's own buffer, valid until the
    next call. `cursor` is for the next call. `rescanned`: the cursor was too old for the log, or another file's, so
    all rows were looked at instead. Nothing is missing from `ids` then either, but they are in the order of ids, and
    where `publisher_epoch` is another one, rows that are not named hold nothing now.
    """

    ids: Ids
    cursor: int
    rescanned: bool


class Board:
    """The board of a configuration. A row is a consistent copy; NaN means none.

    One thread: make one object for each. Readers never disturb the writer or each other, and may have read-only
    access. Raises SegmentMissingError where there is no board yet, another SegmentError where it cannot be read.
    """

    def __init__(self, shm_dir: str | Path) -> None:
        self._native = _native.BoardReader(str(shm_dir))
        self._read, self._changes = self._native.read_row, self._native.changes
        self._prepare()

    def _prepare(self) -> None:
        self.depth: int = self._native.depth
        self.dtype = row_dtype(self.depth)
        row = np.zeros(1, self.dtype)
        self._ids: Ids = np.zeros(self._native.rows, np.uint32)
        self._native.bind(row.view(np.uint8), self._ids)
        self._row = row[0]
        self._nothing = Changes(self._ids[:0], 0, rescanned=False)

    def row(self, instrument: int) -> Any:
        """Return one instrument's row (a numpy record, this object's own buffer: valid until the next call).

        Raises NoRowError for an id that the board has no row for; TornRowError where the writer died inside the row
        (all others can be read), or stood still in it for 50 ms.
        """
        try:
            if self._read(instrument):
                return self._row
        except TypeError:
            raise self._no_row(instrument) from None
        return self._row_with_patience(instrument)

    def _row_with_patience(self, instrument: int) -> Any:
        if not 1 <= instrument <= self._native.rows:
            raise self._no_row(instrument)
        if self._native.read_row_patiently(instrument):
            return self._row
        why = "stands still in it" if self.alive else "died in it"
        raise TornRowError(f"row {instrument} is half written: its writer {why}")

    def _no_row(self, instrument: object) -> NoRowError:
        return NoRowError(f"no row {instrument}: the board has rows 1..{self._native.rows}")

    def read(self, instruments: ArrayLike, out: Rows | None = None) -> Rows:
        """Return the rows of these instruments, in this order, copied in one call (into `out`, where it is given).

        A row that its writer died in is there as `torn` says: flagged, with NaN for numbers. Raises NoRowError.
        """
        try:
            ids = np.ascontiguousarray(instruments, np.uint32)
            rows = self._room(len(ids), out)
            self._native.read_many(ids, rows.view(np.uint8))
        except IndexError as error:
            raise self._no_row(error) from None
        except OverflowError:
            wanted = np.asarray(instruments, object).tolist()
            raise self._no_row(next(i for i in wanted if not 0 <= i <= self._native.rows)) from None
        return rows

    def table(self, out: Rows | None = None) -> Rows:
        """Return all rows in one call, row i at position i: `rows + 1` of them, 0 is nobody's.

        What was never written has `instrument` 0 and NaN prices. `out` as in `read`: reuse it, as fresh memory costs
        more than the copy.
        """
        rows = self._room(self._native.rows + 1, out)
        self._native.read_all(rows.view(np.uint8))
        return rows

    def rows(self, out: Rows | None = None) -> Rows:
        """Return all rows that were ever written, in the order of instrument ids, copied in one call."""
        rows = self._room(self._native.highest, out)
        return rows[: self._native.read_written(rows.view(np.uint8))]

    def _room(self, count: int, out: Rows | None) -> Rows:
        if out is None:
            return np.empty(count, self.dtype)
        if out.dtype != self.dtype or out.ndim != 1 or len(out) < count or not out.flags.c_contiguous:
            raise ValueError(
                f"out: got {out.shape} of {out.dtype.itemsize} bytes, expected {count} rows of board.dtype"
            )
        return out[:count]

    def changes(self, cursor: int = 0) -> Changes:
        """Return which rows changed behind `cursor`, each once; a cursor of 0 gives all that were ever written.

        It costs what changed, not what there is. A change is never missed, however late the call: see Changes. A row
        read afterwards is at least as new as its change.
        """
        count, now, rescanned = self._changes(cursor)
        if now == self._nothing.cursor and not count and not rescanned:
            return self._nothing
        found = Changes(self._ids[:count], now, rescanned)
        if not count and not rescanned:
            self._nothing = found  # what a quiet market answers again and again
        return found

    def wait(self, cursor: int, timeout_ns: int, policy: WaitPolicy = WaitPolicy.PARK) -> bool:
        """Wait until something changed behind `cursor` or a successor's file is there. False on timeout.

        Releases the GIL. Without write permission on `board.parking` it looks every 50 us instead of sleeping. A
        writer that dies wakes nobody: look at `alive` after a timeout.
        """
        return self._native.wait(cursor, policy, timeout_ns)

    @property
    def cursor(self) -> int:
        """The number of the last change: where to begin for who wants only what comes."""
        return self._native.cursor

    @property
    def publisher_epoch(self) -> int:
        """Changes with every start of the conflator."""
        return self._native.publisher_epoch

    @property
    def alive(self) -> bool:
        """Whether the conflator that writes this file lives. If not, `attach` maps its successor's, if there is one."""
        return self._native.writer_alive

    def writer(self, stall_ns: int = STALL_NS) -> Attach:
        """Tell a living (OK), stopped (STALLED) and dead (WRITER_DEAD) conflator apart."""
        if not self._native.writer_alive:
            return Attach.WRITER_DEAD
        stalled = clock.monotonic_ns() - self._native.heartbeat_ns > stall_ns
        return Attach.STALLED if stalled else Attach.OK

    def attach(self) -> None:
        """Map the current board file: needed after the conflator was restarted. Where it raises, the old map stays."""
        self._native.attach()
        self._prepare()

    def follow(self) -> bool:
        """Map a successor's file if there is one; True if there was. Cheap enough for every turn of a loop.

        Rows and changes got before keep their memory; depth and `dtype` may be others now. An old cursor stays good:
        the next `changes` names every row of the new file.
        """
        if not self._native.superseded:
            return False
        self.attach()
        return True


def state_names(rows: Any) -> Any:
    """Return the name of the feed state of each row (or of one), as `State` has it: `SYNCED`, `STALE`, ..."""
    return _STATE_NAMES[rows["state"]]


def age_ns(rows: Any, now_ns: int) -> Any:
    """Return how long ago the last record of each row's instrument was received, ns; NEVER_NS where none came.

    `now_ns` is `clock.Clock(shm_dir).now_ns()`; `clock.now_ns()` does where milliseconds do not matter.
    """
    heard = rows["ts_record"]
    return np.where(heard == 0, NEVER_NS, now_ns - heard)[()]


def trusted(rows: Any) -> Any:
    """Return whether each row's prices may be acted on: a good feed state, no flag, a row that was written."""
    return (
        ((rows["state"] == State.NONE) | (rows["state"] == State.SYNCED))
        & (rows["flags"] == 0)
        & (rows["instrument"] != 0)
    )


def torn(rows: Any) -> Any:
    """Return whether each row of a bulk read could not be read: its writer died inside it."""
    return rows["version"] & 1 == 1
