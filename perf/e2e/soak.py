"""`python -m perf.e2e.soak`: the whole system for ten minutes; memory of every process over time.

Fails where a process's memory grows by more than --slope MB a minute (a robust line through its samples after the
first quarter), where anything is lost, or a book differs. The measuring clients keep a row per update (`websocket`,
`zmq`: that is what they are for), and the harness the rows of a report: their growth is printed and not judged.
"""

import statistics
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from feedhandler import clock
from feedhandler.demo.rig import Rig
from perf import result
from perf.e2e import pipeline
from perf.e2e.one_run import RunOptions, run
from perf.e2e.window import WARM_UP_S

MEASURING = ("websocket", "zmq", "control", "harness")
END_WINDOW_S = 5.0


def slope_per_minute(seconds: Sequence[float], sizes: Sequence[float]) -> float:
    """Return the Theil-Sen slope, MB a minute: the median of the slopes between all pairs of samples."""
    pairs = combinations(zip(seconds, sizes, strict=True), 2)
    slopes = [(b - a) / (t - s) for (s, a), (t, b) in pairs if t != s]
    return 60.0 * statistics.median(slopes) if slopes else 0.0


class MemoryWatch:
    """Samples resident memory of every process while the flow runs."""

    def __init__(self, seconds: float, every_s: float) -> None:
        self._seconds, self._every_s = seconds, every_s
        self.at: list[float] = []
        self.sizes: dict[str, list[float]] = {}

    def __call__(self, rig: Rig) -> None:
        """Watch for the whole time."""
        begin = clock.monotonic_ns()
        print(f"{'s':>6}  RSS, MB", flush=True)
        while (now_s := (clock.monotonic_ns() - begin) / 1e9) < self._seconds:
            rig.measure()
            self.at.append(now_s)
            for name, size in rig.rss_mb.items():
                self.sizes.setdefault(name, []).append(size)
            shown = "  ".join(f"{name} {size:.0f}" for name, size in sorted(rig.rss_mb.items()) if name[:2] != "ws")
            print(f"{now_s:6.0f}  {shown}", flush=True)
            until = begin + int(min(now_s + self._every_s, self._seconds) * 1e9)
            while (left := until - clock.monotonic_ns()) > 0:
                rig.poll(min(0.1, left / 1e9))

    def slopes(self) -> dict[str, float]:
        """Return MB a minute by process, from the samples after the first quarter."""
        first = next((i for i, at in enumerate(self.at) if at >= self._seconds / 4), 0)
        return {name: slope_per_minute(self.at[first:], sizes[first:]) for name, sizes in self.sizes.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Soak, print, write; 1 where something grew, was lost or differed."""
    parse = result.parser("perf.e2e.soak", __doc__.partition("\n")[0], runs=1)
    parse.add_argument("--rate", type=float, default=100_000.0, help="ticks a second (%(default)s)")
    parse.add_argument("--seconds", type=float, default=600.0, help="how long (%(default)s)")
    parse.add_argument("--every", type=float, default=10.0, help="seconds between samples (%(default)s)")
    parse.add_argument("--slope", type=float, default=1.0, help="MB a minute that a process may grow (%(default)s)")
    parse.add_argument("--instruments", type=int, default=1000)
    parse.add_argument("--folder", type=Path, default=Path("var/bench"))
    options = parse.parse_args(argv)
    result.end_on_sigterm()
    watch = MemoryWatch(options.seconds, options.every)
    asked = RunOptions(
        folder=options.folder / "soak", rate=options.rate, seconds=END_WINDOW_S, instruments=options.instruments,
        reserve_s=options.seconds + WARM_UP_S,
    )  # fmt: skip
    figures = run(asked, watch)
    slopes = watch.slopes()
    faults = pipeline.wrong(options.rate, [figures])
    found = []
    for name, slope in sorted(slopes.items()):
        judged = name not in MEASURING
        sizes = watch.sizes[name]
        print(
            f"{name:12} {sizes[0]:8.1f} -> {sizes[-1]:8.1f} MB, {slope:+.3f} MB/min{'' if judged else ', not judged'}"
        )
        found.append(result.result(f"soak/rss/{name}", "MB", ([sizes[-1]], [])))
        found.append(result.result(f"soak/slope/{name}", "MB/min", ([slope], [])))
        if judged and slope > options.slope:
            faults.append(f"{name} grew by {slope:.2f} MB a minute, allowed {options.slope}")
    result.save(options.json, found)
    for fault in faults:
        print(f"soak: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
