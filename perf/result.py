"""One measured figure beside its peer, and the command line that every perf module has.

`python -m perf.<kind>.<name> --json FILE` writes {"machine", "commit", "results"}. A part that fails says why on
stderr and the others go on; the module then exits 1.
"""

import argparse
import json
import signal
import statistics
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from feedhandler import clock
from perf import machine

Timed = tuple[list[float], list[float]]
"""Per run: the median and the 99th percentile of its chunks."""


class Result(msgspec.Struct, frozen=True):
    """`median` is the median of `runs`, `runs` one figure a run, `p99` the median of the runs' 99th percentiles.

    `ratio` is median / peer_median: below 1 is better than the peer where the unit is a time, above 1 where it is
    a rate. Nothing known is None.
    """

    name: str
    unit: str
    median: float | None
    p99: float | None
    runs: list[float]
    peer: str | None = None
    peer_median: float | None = None
    ratio: float | None = None


def result(name: str, unit: str, timed: Timed, peer: str | None = None, peer_timed: Timed | None = None) -> Result:
    """Put a figure beside its peer's of the same run."""
    runs, tails = timed
    median = statistics.median(runs) if runs else None
    peer_median = statistics.median(peer_timed[0]) if peer_timed and peer_timed[0] else None
    ratio = median / peer_median if median is not None and peer_median else None
    return Result(
        name, unit, _short(median), _short(statistics.median(tails)) if tails else None, [*map(_figure, runs)],
        peer if peer_median is not None else None, _short(peer_median), _short(ratio),
    )  # fmt: skip


def _figure(value: float) -> float:
    return float(f"{value:.6g}")


def _short(value: float | None) -> float | None:
    return None if value is None else _figure(value)


def in_turns(
    runs: int, chunks: int, contenders: dict[str, tuple[Callable[[], Any], int]], after: Callable[[], Any] | None = None
) -> dict[str, Timed]:
    """Time {name: (function, items it handles)} in turns, so that noise meets all alike; ns per item.

    Each of `runs` gives every contender `chunks` calls; `after` runs untimed after each call. One call warms up.
    """
    found: dict[str, Timed] = {name: ([], []) for name in contenders}
    for function, _ in contenders.values():
        function()
        if after is not None:
            after()
    for _ in range(runs):
        for name, (function, items) in contenders.items():
            samples = []
            for _ in range(chunks):
                begin = clock.monotonic_ns()
                function()
                samples.append((clock.monotonic_ns() - begin) / items)
                if after is not None:
                    after()
            found[name][0].append(statistics.median(samples))
            found[name][1].append(float(np.quantile(samples, 0.99, method="higher")))
    return found


Part = Callable[[argparse.Namespace], Iterable[Result]]
"""Measures something; may raise."""


def document(results: Iterable[Result]) -> dict[str, Any]:
    """Return what a perf module writes."""
    return {
        "machine": machine.facts(),
        "commit": machine.commit(),
        "results": [msgspec.to_builtins(one) for one in results],
    }


def load(path: Path) -> list[Result]:
    """Read the results of a file; a module that only counts its runs has one figure. ValueError names the file."""
    try:
        rows = json.loads(path.read_bytes())["results"]
        for row in rows:
            if isinstance(row["runs"], int):
                row["runs"] = [row["median"]]
        return msgspec.convert(rows, list[Result])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no result file: {error}") from None


def table(results: Iterable[Result]) -> str:
    """Return the results as plain text."""
    rows = [("what", "median", "p99", "unit", "runs", "peer", "its median", "ratio")]
    rows += [
        (one.name, _text(one.median), _text(one.p99), one.unit, str(len(one.runs)), one.peer or "-",
         _text(one.peer_median), _text(one.ratio))
        for one in results
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = (0, 3, 5)
    return "\n".join(
        "  ".join(f"{cell:{'<' if i in left else '>'}{widths[i]}}" for i, cell in enumerate(row)).rstrip()
        for row in rows
    )


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def parser(module: str, what: str, runs: int = 5) -> argparse.ArgumentParser:
    """Return the command line that every module shares."""
    parse = argparse.ArgumentParser(prog=f"python -m {module}", description=what)
    parse.add_argument("--json", type=Path, metavar="FILE", help="write machine, commit and results here")
    parse.add_argument("--runs", type=_positive, default=runs, help="runs; medians are over them (%(default)s)")
    return parse


def end_on_sigterm() -> None:
    """Let SIGTERM unwind like an interrupt, so that a run ends the processes that it started."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("expected at least 1")
    return value


def run(options: argparse.Namespace, parts: Sequence[Part], *, show: bool = True) -> int:
    """Measure every part, print and write what came out; return 1 where a part failed."""
    results: list[Result] = []
    failed = 0
    for part in parts:
        try:
            for one in part(options):
                results.append(one)
                save(options.json, results)
        except Exception as error:  # noqa: BLE001 - one broken part must not take the others' figures with it
            failed += 1
            traceback.print_exc()
            print(f"FAILED {part.__name__}: {error}", file=sys.stderr)
    save(options.json, results)
    if show:
        print(table(results))
    return 1 if failed else 0


def save(path: Path | None, results: Sequence[Result]) -> None:
    """Write the results so far; whole or not at all."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(path.suffix + ".part")
    draft.write_text(json.dumps(document(results), indent=2) + "\n")
    draft.replace(path)
