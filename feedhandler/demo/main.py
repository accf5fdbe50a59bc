"""The demo's command line and its course: start, watch, drain, stop, judge."""

import argparse
import contextlib
import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from feedhandler import clock
from feedhandler.demo.faults import Faults, kills_table
from feedhandler.demo.report import Findings
from feedhandler.demo.rig import PROCESSES, Rig, RigOptions
from feedhandler.demo.view import LiveView, report_table
from feedhandler.errors import FeedhandlerError

POLL_S = 0.1
VIEW_S = 0.5
COUNTED = ("ticks_expected", "ticks_in_ring", "ticks_journaled", "ticks_in_parquet")
BEST_EFFORT = ("publisher", "bridge")
CAPTURE_TIMEOUT_S = 7200.0


def _speed(text: str) -> float:
    value = 0.0 if text == "flat" else float(text)
    if not 0 <= value <= 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a positive number nor 'flat'")
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1e9:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _kill(text: str) -> tuple[str, float]:
    name, _, at = text.partition("@")
    if name not in PROCESSES or not at:
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME@SECONDS with NAME one of {', '.join(PROCESSES)}")
    return name, _positive(at)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; exits with a message on a bad command line."""
    parse = argparse.ArgumentParser(
        prog="feedhandler demo",
        description="Run simulated venue, handler, conflator, bridge, recorder and clients as real processes, "
        "watch them, and prove at the end that nothing was lost and every book is right.",
    )
    add = parse.add_argument
    add("--rate", type=_positive, default=20_000.0, help="ticks a second from the order-flow model (%(default)s)")
    add("--instruments", type=int, default=1000, help="how many instruments the model has (%(default)s)")
    add("--seconds", type=_positive, default=None, help="length of the flow (20; with --capture: all of it)")
    add("--seed", type=int, default=1, help="seed of the model (%(default)s)")
    add("--keying", choices=("price", "id"), default="price", help="what identifies a book entry (%(default)s)")
    add("--capture", type=Path, help="send this capture instead of the model")
    add("--speed", type=_speed, default=1.0, help="capture: N times faster, or 'flat'")
    add("--report", type=Path, help="write the report as JSON")
    add("--folder", type=Path, default=Path("var/demo"), help="where the run's files go; emptied first (%(default)s)")
    add("--kill", type=_kill, action="append", default=[], metavar="NAME@SECONDS", help="kill -9 a process on the way")
    add("--no-view", action="store_true", help="no live view")
    options = parse.parse_args(argv)
    if not 1 <= options.instruments <= 100_000:
        parse.error("--instruments: expected 1 to 100000")
    if options.capture is not None and not options.capture.is_file():
        parse.error(f"--capture: {options.capture} is not a file")
    if options.seconds is None:
        options.seconds = 0.0 if options.capture else 20.0
    return options


def watch(
    rig: Rig,
    seconds: float,
    kills: list[tuple[str, float]],
    show: Callable[[dict[str, Any]], None],
    faults: Faults | None = None,
) -> None:
    """Poll the rig until the venue's flow is done; kill what is to be killed, when it is due."""
    started: float | None = None
    next_view = 0.0
    deadline = clock.monotonic_ns() / 1e9 + (seconds * 2 + 60 if seconds else CAPTURE_TIMEOUT_S)
    due = sorted(kills, key=lambda kill: kill[1])
    faults = faults or Faults(rig)
    while True:
        rig.poll(POLL_S)
        now = clock.monotonic_ns() / 1e9
        if now < next_view:
            continue
        next_view = now + VIEW_S
        status = rig.venue("status")
        show(status)
        if started is None and status["flow"] != "waiting":
            started = now
        if status["flow"] == "done":
            return
        while due and started is not None and now - started >= due[0][1]:
            faults.kill(due.pop(0)[0])
        if now > deadline:
            raise FeedhandlerError(f"the venue's flow did not end in time: {status['flow']}")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the demo and return its report."""
    rig_options = RigOptions(
        folder=options.folder,
        rate=options.rate,
        instruments=options.instruments,
        seconds=options.seconds,
        seed=options.seed,
        keying=options.keying,
        capture=options.capture,
        speed=options.speed,
        hold=True,
    )
    with Rig(rig_options) as rig, contextlib.ExitStack() as stack:
        faults = Faults(rig)
        values = ["--values"] if options.kill else []
        websocket, zmq = (
            rig.websocket_client("websocket", *values),
            rig.zmq_client("zmq", "--topics", "bbo|", "trade|", "state|"),
        )
        rig.begin()
        view = stack.enter_context(LiveView(rig, enabled=not options.no_view and sys.stdout.isatty()))
        watch(rig, options.seconds, options.kill, view.show, faults)
        drained = rig.settle()
        faults.settle()
        findings = Findings(rig)
        findings.live()
        stack.close()
        rig.stop_clients()
        code = rig.stop_system()
        findings.stored()
        return findings.compose(websocket, zmq, faults) | {"drained": drained, "exit_code": code}


def verdict(report: dict[str, Any]) -> list[str]:
    """Return what is wrong with a run; nothing for a good one.

    Killing a process costs no tick that the venue wrote, either: it comes again by a resend, from the ring or from
    the journal. Only the best effort channels (publisher, bridge) may lose something then.
    """
    kills = report.get("kills", [])
    wrong = [
        f"{count} lost at stage {stage}"
        for stage, count in report["lost"].items()
        if count and not (kills and stage in BEST_EFFORT)
    ]
    counts = {name: report[name] for name in (COUNTED if kills else ("ticks_sent", *COUNTED))}
    if len(set(counts.values())) != 1:
        wrong.append(f"counts differ: {counts}")
    if report["instruments_miscounted"]:
        wrong.append(f"{report['instruments_miscounted']} instruments with wrong counts: {report.get('miscounted')}")
    if report["books_differing"]:
        wrong.append(f"{report['books_differing']} books differ from the venue's: {report['differing']}")
    for kill in kills:
        if kill["differing_after_2s"] is None:
            wrong.append(f"{kill['process']} was not started again")
        elif kill["differing_after_2s"]:
            wrong.append(f"{kill['differing_after_2s']} best prices wrong 2 s after the restart of {kill['process']}")
    if report["ticks_sent"] == 0:
        wrong.append("the venue sent nothing")
    if report["exit_code"]:
        wrong.append("a process had to be killed at the end")
    return wrong


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; return 0 where nothing was lost and every book is right."""
    options = parse(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        report = run(options)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except FeedhandlerError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    if options.report is not None:
        options.report.write_text(json.dumps(report, indent=2) + "\n")
    report_table(report)
    if "kills" in report:
        Console().print(kills_table(report["kills"]))
    wrong = verdict(report)
    for sentence in wrong:
        print(f"demo: {sentence}", file=sys.stderr)
    return 1 if wrong else 0
