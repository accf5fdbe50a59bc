"""`python -m perf.compare BASE.json NEW.json`: what changed by more than the measurements scatter.

A figure's error bar is 3 robust standard deviations (1.4826 MAD of its runs) of both files together, and at least
--floor of the base. Exits 1 where something is worse beyond its error bar or was measured and is no more, 2 where
a file cannot be read.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from perf.result import Result, load

SIGMAS = 3.0
MAD_TO_SIGMA = 1.4826
FLOOR = 0.05
LONE_RUN_FLOOR = 0.25  # with fewer than three runs nothing is known about the scatter


class Verdict(Enum):
    """What a comparison found."""

    SAME = "same"
    BETTER = "better"
    WORSE = "WORSE"
    GONE = "GONE"
    NEW = "new"


class Difference(NamedTuple):
    """One figure in both files. `bar` is in the figure's unit."""

    name: str
    unit: str
    base: float | None
    new: float | None
    bar: float
    verdict: Verdict


def rate(unit: str) -> bool:
    """Whether more is better: rates per second. Everything else we measure is a cost."""
    return unit.endswith("/s")


def mad(runs: Sequence[float]) -> float:
    """Median absolute deviation from the median."""
    center = statistics.median(runs)
    return statistics.median(abs(value - center) for value in runs)


def error_bar(base: Result, new: Result, floor: float = FLOOR) -> float:
    """Return the difference that noise alone explains."""
    assert base.median is not None
    lone = min(len(base.runs), len(new.runs)) < 3
    least = (max(floor, LONE_RUN_FLOOR) if lone else floor) * abs(base.median)
    spread = sum((MAD_TO_SIGMA * mad(one.runs)) ** 2 for one in (base, new) if one.runs) ** 0.5
    return max(SIGMAS * spread, least)


def compare(base: Sequence[Result], new: Sequence[Result], floor: float = FLOOR) -> list[Difference]:
    """Compare by name; in the base's order, then what is new."""
    after = {one.name: one for one in new}
    found = []
    for one in base:
        if one.median is None:
            continue
        other = after.get(one.name)
        if other is None or other.median is None:
            found.append(Difference(one.name, one.unit, one.median, None, 0.0, Verdict.GONE))
            continue
        bar = error_bar(one, other, floor)
        change = other.median - one.median
        verdict = Verdict.SAME
        if abs(change) > bar:
            verdict = Verdict.BETTER if (change > 0) == rate(one.unit) else Verdict.WORSE
        found.append(Difference(one.name, one.unit, one.median, other.median, bar, verdict))
    known = {one.name for one in base if one.median is not None}
    found += [
        Difference(one.name, one.unit, None, one.median, 0.0, Verdict.NEW) for one in new if one.name not in known
    ]
    return found


def sentence(one: Difference) -> str:
    """Say a difference in one line."""
    if one.base is None or one.new is None:
        return f"{one.verdict.value:6} {one.name}"
    percent = f"{(one.new - one.base) / one.base:+.1%}" if one.base else ""
    return (
        f"{one.verdict.value:6} {one.name}: {one.base:.6g} -> {one.new:.6g} {one.unit} {percent} "
        f"(error bar {one.bar:.3g})"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Print what exceeds its error bar; with --all everything."""
    parse = argparse.ArgumentParser(prog="python -m perf.compare", description=__doc__)
    parse.add_argument("base", type=Path)
    parse.add_argument("new", type=Path)
    parse.add_argument("--floor", type=float, default=FLOOR, help="least share that counts (%(default)s)")
    parse.add_argument("--all", action="store_true", help="print what did not change, too")
    options = parse.parse_args(argv)
    try:
        found = compare(load(options.base), load(options.new), options.floor)
        machines = [json.loads(path.read_bytes()).get("machine", {}) for path in (options.base, options.new)]
    except ValueError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    if any(machines[0].get(key) != machines[1].get(key) for key in ("cpu", "cores_usable")):
        print("compare: measured on different machines: compare the ratios by eye, not the figures", file=sys.stderr)
    for one in found:
        if options.all or one.verdict is not Verdict.SAME:
            print(sentence(one))
    counts = {verdict: sum(one.verdict is verdict for one in found) for verdict in Verdict}
    print(", ".join(f"{count} {verdict.value.lower()}" for verdict, count in counts.items() if count) or "nothing")
    return 1 if counts[Verdict.WORSE] or counts[Verdict.GONE] else 0


if __name__ == "__main__":
    sys.exit(main())
