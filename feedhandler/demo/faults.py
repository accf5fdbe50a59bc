"""Kills on the way: when everything was right again at the WebSocket client, and what the venue says was in between.

The judge is the venue's own BBO log. A client's value is *stale* at a moment where the venue had replaced it more
than a tolerance before that moment.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from rich.table import Table

from feedhandler.clock import Clock
from feedhandler.demo.judge import Book, venue_books
from feedhandler.demo.latency import BBO_LOG, Array
from feedhandler.demo.rig import Rig
from feedhandler.supervision import ChildState

LIMIT_NS = 2_000_000_000
"""After the restart of a killed process: then every best bid and ask at the client must be the venue's."""
LIMIT_TOLERANCE_NS = 500_000_000
FIGURE_TOLERANCE_NS = 50_000_000
QUIET_NS = 250_000_000
EARLY_NS = 1_000_000  # the venue sends what is due within --wake-us together, so a little before its time
LONG_AGO_NS = 1
WATCHED_NS = 10_000_000_000
VENUE_COUNTS = ("sent", "resent", "skipped", "cut", "unsent")


class Seen(msgspec.Struct):
    """What a client received: `instrument` (row of the venue's list), `arrival` (ns) and `values` (n, 4), in order."""

    instrument: Array
    arrival: Array
    values: Array


class Kill(msgspec.Struct):
    """One SIGKILL. Times in ns on the shared clock; `restarted_ns` 0 until the successor is started."""

    process: str
    pid: int
    at_s: float
    killed_ns: int
    venue: dict[str, int]
    restarted_ns: int = 0


class Faults:
    """Kills processes of a rig and remembers what the venue had counted by then. `poll` often."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._clock = Clock(rig.shm_dir)
        self.kills: list[Kill] = []

    def kill(self, name: str) -> None:
        """End a process with SIGKILL."""
        status = self._rig.venue("status")
        pid = self._rig.kill(name)
        self.kills.append(Kill(name, pid, float(status["seconds"]), self._clock.now_ns(), _counts(status)))

    def poll(self) -> None:
        """Note the start of successors."""
        for kill in self.kills:
            child = self._rig.supervisor.state.children[kill.process]
            if not kill.restarted_ns and child.state is ChildState.RUNNING and child.pid != kill.pid:
                kill.restarted_ns = child.started_ns + self._clock.offset_ns

    def settle(self) -> None:
        """Wait until the limit after the last restart is over. Gives up after 20 s."""
        for _ in range(200):
            self.poll()
            ends = [kill.restarted_ns + LIMIT_NS for kill in self.kills if kill.restarted_ns]
            if len(ends) == len(self.kills) and self._clock.now_ns() > max(ends, default=0) + LIMIT_TOLERANCE_NS:
                return
            self._rig.poll(0.1)

    def report(self, status: dict[str, Any], log: Array, seen: Seen) -> list[dict[str, Any]]:
        """Return one entry a kill. `status` is the venue's at the end, `log` its whole BBO log."""
        log = whole_history(venue_books(self._rig.first_books), log)
        later = [*(kill.venue for kill in self.kills[1:]), _counts(status)]
        return [self._entry(kill, after, log, seen) for kill, after in zip(self.kills, later, strict=True)]

    def _entry(self, kill: Kill, after: dict[str, int], log: Array, seen: Seen) -> dict[str, Any]:
        wrong: list[int] | None = None
        recovered_s: float | None = None
        if kill.restarted_ns:
            wrong = differing_at(log, seen, kill.restarted_ns + LIMIT_NS, LIMIT_TOLERANCE_NS)
            end_ns = kill.restarted_ns + WATCHED_NS
            stale = stale_intervals(log, seen, kill.killed_ns, end_ns, FIGURE_TOLERANCE_NS)
            recovered_s = round((recovered_ns(stale, kill.restarted_ns) - kill.restarted_ns) / 1e9, 3)
        return {
            "process": kill.process,
            "at_s": round(kill.at_s, 3),
            "down_s": round((kill.restarted_ns - kill.killed_ns) / 1e9, 3) if kill.restarted_ns else None,
            "recovered_s": recovered_s,
            "checked_after_2s": len(np.unique(log["instrument"])),
            "differing_after_2s": None if wrong is None else len(wrong),
            "venue": {name: after[name] - kill.venue[name] for name in VENUE_COUNTS},
        }


def _counts(status: dict[str, Any]) -> dict[str, int]:
    return {name: int(status[f"ticks_{name}"]) for name in VENUE_COUNTS}


def whole_history(books: dict[str, Book], log: Array) -> Array:
    """Return the BBO log with a row in front for every instrument of the venue, as it stood before the flow."""
    first = np.zeros(len(books), BBO_LOG)
    first["ts"], first["instrument"] = LONG_AGO_NS, np.arange(len(books))
    for row, (bids, asks) in zip(first, books.values(), strict=True):
        row["bid"], row["bid_size"] = bids[0] if bids else (np.nan, np.nan)
        row["ask"], row["ask_size"] = asks[0] if asks else (np.nan, np.nan)
    return np.concatenate((first, log))


def _by_instrument(log: Array, seen: Seen) -> Iterator[tuple[int, Array, Array, Array, Array]]:
    """Yield instrument, its times and values at the venue, its arrivals and values at the client.

    Both begin with NaN for "nothing yet", at 0.
    """
    log = log[np.lexsort((np.arange(len(log)), log["instrument"]))]
    order = np.argsort(seen.instrument, kind="stable")
    numbers = seen.instrument[order]
    truth = np.stack([log[name] for name in ("bid", "bid_size", "ask", "ask_size")], axis=1)
    none = np.full((1, 4), np.nan)
    for key in np.unique(log["instrument"]):
        here = slice(*np.searchsorted(log["instrument"], [key, key + 1]))
        there = order[slice(*np.searchsorted(numbers, [key, key + 1]))]
        ts, arrival = (np.concatenate(([0], part)) for part in (log["ts"][here], seen.arrival[there]))
        yield int(key), ts, np.concatenate((none, truth[here])), arrival, np.concatenate((none, seen.values[there]))


def _same(rows: Array, value: Array) -> Array:
    same: Array = np.all((rows == value) | (np.isnan(rows) & np.isnan(value)), axis=1)
    return same


def differing_at(log: Array, seen: Seen, moment_ns: int, tolerance_ns: int) -> list[int]:
    """Return the instruments whose value at the client was none the venue had in the `tolerance_ns` before a moment."""
    wrong = []
    for key, ts, truth, arrival, values in _by_instrument(log, seen):
        held = values[np.searchsorted(arrival, moment_ns, "right") - 1]
        first = max(0, int(np.searchsorted(ts, moment_ns - tolerance_ns, "right")) - 1)
        last = int(np.searchsorted(ts, moment_ns + EARLY_NS, "right"))
        if not _same(truth[first:last], held).any():
            wrong.append(key)
    return wrong


def stale_intervals(log: Array, seen: Seen, start_ns: int, end_ns: int, tolerance_ns: int) -> list[tuple[int, int]]:
    """Return when, within [start, end), the client had a stale value of any instrument; sorted, overlapping."""
    found: list[tuple[int, int]] = []
    for _, ts, truth, arrival, values in _by_instrument(log, seen):
        begins = ts - EARLY_NS
        ends = np.concatenate((ts[1:], [end_ns])) + tolerance_ns
        arrivals = [*arrival.tolist(), end_ns]
        first = max(0, int(np.searchsorted(arrival, start_ns, "right")) - 1)
        for k in range(first, int(np.searchsorted(arrival, end_ns))):
            at, until = max(arrivals[k], start_ns), min(arrivals[k + 1], end_ns)
            rows = np.flatnonzero((ends > at) & (begins < until) & _same(truth, values[k]))
            found += _uncovered(at, until, begins[rows].tolist(), ends[rows].tolist())
    return sorted(found)


def _uncovered(at: int, until: int, begins: list[int], ends: list[int]) -> Iterator[tuple[int, int]]:
    """Yield what of [at, until) no [begin, end) covers; both lists ascend."""
    for begin, end in zip(begins, ends, strict=True):
        if begin > at:
            yield at, begin
        at = max(at, end)
    if at < until:
        yield at, until


def recovered_ns(stale: list[tuple[int, int]], restarted_ns: int) -> int:
    """Return the first moment from the restart on with nothing stale for QUIET_NS."""
    at = restarted_ns
    for begin, end in stale:
        if end <= at:
            continue
        if begin >= at + QUIET_NS:
            break
        at = end
    return at


def kills_table(kills: list[dict[str, Any]]) -> Table:
    """Return the kills as a table."""
    table = Table(title="kill -9; seconds after the restart until every best bid and ask at the client was the venue's")
    columns = ("process", "at_s", "down_s", "recovered_s", "checked_after_2s", "differing_after_2s")
    for name in (*columns, *(f"venue: {name}" for name in VENUE_COUNTS)):
        table.add_column(name, justify="left" if name == "process" else "right")
    for kill in kills:
        table.add_row(*(str(kill[name]) for name in columns), *(f"{kill['venue'][name]:,}" for name in VENUE_COUNTS))
    return table
