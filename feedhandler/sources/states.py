"""STATE records of a source: what its feed is worth, written into its ring in order with its data."""

from enum import IntEnum

import numpy as np

from feedhandler import _native
from feedhandler.tick import TICK, Flag, Kind, State

CLEARED_AT_ONCE = 128  # records between two publications: the smallest ring has eight times as many


class Reason(IntEnum):
    """Why a source's state changed: `ref` of its STATE record. Values never change their meaning."""

    NONE = 0
    STARTING = 1
    LOGGED_ON = 2
    CONNECT_FAILED = 3
    CONNECTION_LOST = 4
    LOGGED_OUT = 5
    SESSION_ENDED = 6  # by the session's rules: time-out, sequence too low, protocol error
    SEQUENCE_GAP = 7
    GAP_FILLED = 8
    SEQUENCE_RESET = 9
    SUBSCRIBED = 10
    STOPPING = 11
    OUTAGE = 12  # unknown_interval: the venue was not heard from ts_event to ts_recv
    CLOCK_STEP = 13
    OUT_OF_HOURS = 14  # the schedule's
    REMOVED = 15  # the source, or the instrument, by control


class StateWriter:
    """Writes STATE records of one source and publishes them. The ring's only writing thread."""

    def __init__(self, ring: _native.RingWriter, source: int) -> None:
        self._ring = ring
        self._source = source
        self.state = State.NONE
        self.reason = Reason.NONE

    def write(self, state: State, reason: Reason, now_ns: int, *, since_ns: int | None = None) -> None:
        """Append one STATE for the whole source. `since_ns` is the beginning of an unknown interval."""
        record = np.zeros(1, TICK)
        record["ts_event"] = now_ns if since_ns is None else since_ns
        record["ts_recv"] = now_ns
        record["price"] = record["size"] = np.nan
        record["ref"] = reason
        record["source"] = self._source
        record["kind"] = Kind.STATE
        record["level"] = state
        record["flags"] = Flag.LAST
        self._ring.append(record.view(np.uint8))
        self._ring.publish(now_ns)
        if state not in (State.UNKNOWN_INTERVAL, State.CLOCK_STEP):
            self.state, self.reason = state, reason

    def clear_books(self, instruments: list[int], now_ns: int) -> None:
        """Append a BOOK_CLEAR for each instrument (directory ids) and publish them: their books are over."""
        records = np.zeros(len(instruments), TICK)
        records["ts_event"] = records["ts_recv"] = now_ns
        records["price"] = records["size"] = np.nan
        records["instrument"] = instruments
        records["source"] = self._source
        records["kind"] = Kind.BOOK_CLEAR
        records["flags"] = Flag.LAST
        for i in range(0, len(records), CLEARED_AT_ONCE):
            self._ring.append(records[i : i + CLEARED_AT_ONCE].view(np.uint8))
            self._ring.publish(now_ns)


def last_received_ns(shm_dir: str, ring: str, epoch: int, last: int) -> int:
    """Return ts_recv of a previous epoch's last record, 0 where that is gone."""
    reader = _native.RingReader(shm_dir, ring)
    if epoch == 0 or last == 0 or reader.attach(epoch) != _native.Attach.OK:
        return 0
    reader.seek(last)
    out = np.zeros(1, TICK)
    count, _lost = reader.read_into(out.view(np.uint8))
    return int(out["ts_recv"][0]) if count else 0
