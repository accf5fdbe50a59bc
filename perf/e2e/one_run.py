"""One run of the whole system under the full load, and its figures."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil

from feedhandler import clock
from feedhandler.demo import latency
from feedhandler.demo.report import Findings
from feedhandler.demo.rig import Rig, RigError, RigOptions
from perf.e2e import load, window

SETTLE_S = 60.0
PATH = ("handler", "conflator", "bridge")
START_ALLOWANCE_S = 600.0  # the flow is paused when the window is over: this only must not be too short


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `seconds` is the measured window's length, `reserve_s` what `watch` needs before it.

    `realtime` > 0: handler, conflator, bridge, the venue, the WebSocket client of everything and the control run at
    this SCHED_FIFO priority, and the recorder at nice 10. `cores`: where handler, conflator, bridge and that client are
    pinned; none = where the kernel puts them. A process on one core hands to its own threads without interrupting
    another core.
    """

    folder: Path
    rate: float
    seconds: float
    instruments: int = 1000
    seed: int = 1
    reserve_s: float = 0.0
    wake_us: float = 100.0
    realtime: int = 0
    cores: tuple[int, ...] = ()
    extra: dict[str, str] = {}


class Figures(msgspec.Struct, frozen=True):
    """What a run showed. Latencies in us by quantile; CPU in cores; memory in MB."""

    rate: float
    latency_us: dict[str, dict[str, float | int]]
    cpu: dict[str, float]
    rss_begin: dict[str, float]
    rss_end: dict[str, float]
    conflated: dict[str, float]
    lost: dict[str, int]
    books_checked: int
    books_differing: int
    undelivered: int
    gaps: int


def scheduled_sections(options: RunOptions) -> dict[str, str]:
    """Return the extra lines of configuration: priorities and cores of the data path, the recorder behind all."""
    lines = dict.fromkeys(PATH, "")
    if options.realtime:
        lines = dict.fromkeys(PATH, f"realtime = {options.realtime}\n") | {"recorder": "priority = 10\n"}
    for name, core in zip(PATH, options.cores, strict=False):
        lines[name] += f"core = {core}\n"
    return {name: lines.get(name, "") + options.extra.get(name, "") for name in {**lines, **options.extra}}


def _pin(rig: Rig, core: int, client: str) -> None:
    for thread in psutil.Process(rig.clients[client].pid).threads():
        os.sched_setaffinity(thread.id, {core})


def run(options: RunOptions, watch: Callable[[Rig], None] | None = None) -> Figures:
    """Run once. `watch` is called before the measured window (the soak looks at memory meanwhile)."""
    rig_options = RigOptions(
        folder=options.folder,
        rate=options.rate,
        instruments=options.instruments,
        seconds=options.seconds + options.reserve_s + START_ALLOWANCE_S,
        seed=options.seed,
        extra=scheduled_sections(options),
        wake_us=options.wake_us,
    )
    options.folder.parent.mkdir(parents=True, exist_ok=True)
    log = options.folder.with_name(f"{options.folder.name}.supervisor.log")  # beside the folder, which is emptied
    with log.open("w") as stderr, contextlib.redirect_stderr(stderr), Rig(rig_options) as rig:
        load.start(rig)
        load.wait_ready(rig)
        if options.realtime:
            rig.favour(options.realtime, "websocket", "control")
        if len(options.cores) > len(PATH):
            _pin(rig, options.cores[len(PATH)], "websocket")
        sent_before, at_before = rig.venue("status")["ticks_sent"], clock.monotonic_ns()
        if watch is not None:
            watch(rig)
        begin, end = window.flow(rig, options.seconds)
        sent = rig.venue("status")["ticks_sent"] - sent_before
        rate = sent / ((clock.monotonic_ns() - at_before) / 1e9)
        rig.venue("pause")
        findings = _judge(rig)
        return _figures(rig, findings, begin, end, rate)


def _judge(rig: Rig) -> Findings:
    """Let every stage finish what the venue sent, compare books, stop, count the files."""
    if not rig.settle(SETTLE_S):
        raise RigError(f"not everything was in the journal {SETTLE_S:.0f} s after the flow: {rig.venue('status')}")
    findings = Findings(rig)
    findings.live()
    rig.stop_clients()
    code = rig.stop_system()
    if code:
        raise RigError(f"the system ended with code {code}; see {rig.folder / 'logs'}")
    findings.stored()
    return findings


def _figures(rig: Rig, findings: Findings, begin: window.Mark, end: window.Mark, rate: float) -> Figures:
    files = {name: rig.folder / f"{name}.npz" for name in ("websocket", "zmq", "control")}
    report = findings.compose(files["websocket"], files["zmq"])
    log = latency.read_bbo_log(rig.bbo_log)
    symbols = list(findings.symbols.values())
    bare = window.control(files["control"], begin, end)
    latencies = {
        "timer": bare["overshoot_ns"],
        "loopback_hop": bare["hop_ns"],
        "source_to_ring": window.source_to_ring(rig.folder / "journal", begin, end),
    }
    conflated, undelivered = {}, 0
    for name, client in (("zmq", "zmq"), ("ws", "websocket")):
        found = window.delivered(log, np.load(files[client]), symbols, begin, end)
        latencies[f"source_to_{name}"] = found.latency_ns
        changes = found.conflated + len(found.latency_ns)
        conflated[name] = found.conflated / changes if changes else 0.0
        undelivered += found.undelivered
    others = [np.load(rig.folder / f"ws{number}.npz")["counts"] for number in range(1, load.PARTIAL_CLIENTS + 1)]
    return Figures(
        rate=rate,
        latency_us={name: latency.summary_us(values) for name, values in latencies.items()},
        cpu=window.cpu_shares(begin, end),
        rss_begin=begin.rss_mb,
        rss_end=end.rss_mb,
        conflated=conflated,
        lost={stage: int(count) for stage, count in report["lost"].items()},
        books_checked=report["books_checked"],
        books_differing=report["books_differing"],
        undelivered=undelivered,
        gaps=sum(int(counts[1]) for counts in others),
    )


def summary(figures: Figures) -> dict[str, Any]:
    """Return plain types, for files."""
    plain: dict[str, Any] = msgspec.to_builtins(figures)
    return plain
