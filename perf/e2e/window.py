"""The measured window of a run: CPU and memory at both ends, and the latencies of what was sent inside it.

Rule: the window begins one second after the last client is subscribed while the flow runs. What was sent before
(page faults, snapshots, processes starting) counts for correctness at the end and for no latency and no CPU.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

from feedhandler import clock
from feedhandler.clock import Clock
from feedhandler.demo import latency
from feedhandler.demo.rig import HANDLER, Rig, RigError
from feedhandler.record.journal import open_journal
from feedhandler.tick import TICK_KINDS, Flag

WARM_UP_S = 1.0
HARNESS = "harness"
Array = latency.Array


class Mark(NamedTuple):
    """One end of the window."""

    monotonic_ns: int
    realtime_ns: int
    cpu_s: dict[str, float]
    rss_mb: dict[str, float]
    machine_idle_s: float


def mark(rig: Rig) -> Mark:
    """Look at every process now. The harness itself (it supervises and counts) is one of them."""
    rig.measure()
    own = psutil.Process()
    times, machine = own.cpu_times(), psutil.cpu_times()
    control_echo = psutil.Process(rig.clients["control"].pid).children()
    echo = sum(sum(child.cpu_times()[:2]) for child in control_echo)
    cpu = rig.cpu_s | {HARNESS: times.user + times.system}
    cpu["control"] += echo
    rss = rig.rss_mb | {HARNESS: round(own.memory_info().rss / 1e6, 1)}
    return Mark(clock.monotonic_ns(), Clock(rig.shm_dir).now_ns(), cpu, rss, machine.idle + machine.iowait)


def flow(rig: Rig, seconds: float) -> tuple[Mark, Mark]:
    """Warm up, then let the flow run for `seconds`; return both ends. RigError where it ends before."""
    rig.poll(0)
    _poll_until(rig, clock.monotonic_ns() + int(WARM_UP_S * 1e9))
    begin = mark(rig)
    _poll_until(rig, begin.monotonic_ns + int(seconds * 1e9))
    end = mark(rig)
    if rig.venue("status")["flow"] != "running":
        raise RigError("the flow ended inside the measured window")
    return begin, end


def _poll_until(rig: Rig, deadline_ns: int) -> None:
    while (left := deadline_ns - clock.monotonic_ns()) > 0:
        rig.poll(min(0.1, left / 1e9))


def cpu_shares(begin: Mark, end: Mark) -> dict[str, float]:
    """Return CPUs used in the window by process, `total` (their sum) and `machine` (all cores but their idle time)."""
    seconds = (end.monotonic_ns - begin.monotonic_ns) / 1e9
    shares = {name: (value - begin.cpu_s.get(name, 0.0)) / seconds for name, value in sorted(end.cpu_s.items())}
    return shares | {
        "total": sum(shares.values()),
        "machine": (psutil.cpu_count() or 1) - (end.machine_idle_s - begin.machine_idle_s) / seconds,
    }


def source_to_ring(journal: Path, begin: Mark, end: Mark) -> Array:
    """Latency (ns) of every live tick intended inside the window, as the handler stamped it into the ring."""
    hops: list[Array] = []
    for block in open_journal(journal).blocks(HANDLER):
        records = block.records
        inside = (records["ts_event"] >= begin.realtime_ns) & (records["ts_event"] < end.realtime_ns)
        live = (records["flags"] & (Flag.SNAPSHOT | Flag.RECOVERED)) == 0
        ticks = records[inside & live & np.isin(records["kind"], TICK_KINDS)]
        hops.append(ticks["ts_recv"] + ticks["delay"] - ticks["ts_event"])
    return np.concatenate(hops) if hops else np.zeros(0, np.int64)


def delivered(log: Array, seen: Any, symbols: list[str], begin: Mark, end: Mark) -> latency.Delivered:
    """Join a client's deliveries with the changes intended inside the window. RigError where it came too late."""
    if len(seen["arrival"]) == 0 or seen["arrival"][0] > begin.realtime_ns:
        raise RigError("a measuring client had nothing before the window began: it was not there")
    index = {symbol: number for number, symbol in enumerate(symbols)}
    numbers = np.array([index[key.split("|")[0]] for key in seen["keys"]], np.int64)
    inside = log[(log["ts"] >= begin.realtime_ns) & (log["ts"] < end.realtime_ns)]
    return latency.oldest_undelivered(inside, numbers[seen["key"]], seen["ts_event"], seen["arrival"])


def control(path: Path, begin: Mark, end: Mark) -> dict[str, Array]:
    """Return the control's samples of the window: overshoot_ns and hop_ns."""
    found = np.load(path)
    inside = (found["at"] >= begin.monotonic_ns) & (found["at"] < end.monotonic_ns)
    if not inside.any():
        raise RigError("the control measured nothing inside the window")
    return {name: found[name][inside] for name in ("overshoot_ns", "hop_ns")}
