"""Latency without coordinated omission: from the intended send time of a key's oldest change not yet delivered."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

BBO_LOG = np.dtype(
    [
        ("ts", "<i8"), ("instrument", "<u4"), ("pad", "<u4"),
        ("bid", "<f8"), ("bid_size", "<f8"), ("ask", "<f8"), ("ask_size", "<f8"),
    ]
)  # fmt: skip
"""A row of the simulated venue's BBO log: `ts` is the intended send time, ns; `instrument` the row of its list."""

Array = np.ndarray[Any, np.dtype[Any]]
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99_9": 0.999}


class Delivered(NamedTuple):
    """Latencies (ns, one a delivery), changes that came only as part of a later one, and changes never delivered."""

    latency_ns: Array
    conflated: int
    undelivered: int


def read_bbo_log(path: str | Path) -> Array:
    """Read the venue's own log of best bid and ask changes."""
    return np.fromfile(path, BBO_LOG)


def oldest_undelivered(log: Array, instrument: Array, ts_event: Array, arrival: Array) -> Delivered:
    """Join deliveries with the venue's log. Deliveries: list index, ts_event and arrival (ns), in order of arrival.

    A delivery covers all changes of its instrument up to its ts_event that no earlier one covered; its latency is
    arrival minus the first of them. A delivery that covers none (a snapshot, a flag) has no latency.
    """
    latencies: list[Array] = []
    conflated = undelivered = 0
    log = log[np.lexsort((log["ts"], log["instrument"]))]
    order = np.argsort(instrument, kind="stable")
    instrument, ts_event, arrival = instrument[order], ts_event[order], arrival[order]
    for key in np.unique(log["instrument"]):
        changes = log["ts"][slice(*np.searchsorted(log["instrument"], [key, key + 1]))]
        part = slice(*np.searchsorted(instrument, [key, key + 1]))
        # Deliveries never go back: one that repeats an older state covers nothing new.
        covered = np.searchsorted(changes, np.maximum.accumulate(ts_event[part]), "right")
        before = np.concatenate(([0], covered[:-1])) if len(covered) else covered
        fresh = covered > before
        latencies.append(arrival[part][fresh] - changes[before[fresh]])
        conflated += int((covered - before)[fresh].sum() - fresh.sum())
        undelivered += len(changes) - (int(covered[-1]) if len(covered) else 0)
    joined = np.concatenate(latencies) if latencies else np.zeros(0, np.int64)
    return Delivered(joined, conflated, undelivered)


def summary_us(latency_ns: Array) -> dict[str, float | int]:
    """Return p50, p90, p99, p99_9, max (microseconds) and the count."""
    if len(latency_ns) == 0:
        return {**dict.fromkeys(QUANTILES, 0.0), "max": 0.0, "count": 0}
    values = np.quantile(latency_ns, list(QUANTILES.values()), method="higher") / 1000
    found = {name: round(float(value), 1) for name, value in zip(QUANTILES, values, strict=True)}
    return {**found, "max": round(float(latency_ns.max()) / 1000, 1), "count": len(latency_ns)}
