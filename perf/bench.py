"""`python -m perf.bench` (`make bench`): the micro benchmarks and the whole system at four rates, in under 8 minutes.

Every module runs as a process of its own, so that one that breaks takes no other's figures with it. Prints as it
goes, the end-to-end table last, and writes perf/results/<date>-<commit>.json. Options pass through BENCH_ARGS.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from perf import machine, result
from perf.e2e import pipeline

MICRO = ("ring", "board", "directory", "fix_decode", "book", "conflate", "journal")
RESULTS = machine.ROOT / "perf" / "results"
MICRO_TIMEOUT_S = 180.0
END_TIMEOUT_S = 60.0
START_AND_JUDGE_S = 180.0  # the longest that a run takes beside its window


def modules() -> list[str]:
    """Return the micro benchmarks that run by default."""
    return [f"perf.micro.{name}" for name in MICRO]


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    options = argparse.ArgumentParser(prog="python -m perf.bench", description=__doc__)
    options.add_argument("--json", type=Path, help="where to write (default: perf/results/<date>-<commit>.json)")
    options.add_argument("--runs", type=int, default=1, help="end-to-end runs of each rate (%(default)s)")
    options.add_argument("--micro-runs", type=int, default=5, help="runs of each micro benchmark (%(default)s)")
    options.add_argument("--only", choices=("micro", "e2e"), help="one half")
    pipeline.arguments(options)
    options.set_defaults(seconds=20.0)  # two of the periods in which the venue has a burst
    return options.parse_args(argv)


def step(module: str, arguments: Sequence[str], timeout_s: float, folder: Path) -> tuple[list[result.Result], str]:
    """Run one module; return its results, and why it failed (empty where it did not)."""
    out = folder / f"{module}.json"
    print(f"== {module}", flush=True)
    child = subprocess.Popen([sys.executable, "-m", module, *arguments, "--json", str(out)], cwd=machine.ROOT)
    try:
        code = child.wait(timeout_s)
        failure = f"exit code {code}" if code else ""
    except subprocess.TimeoutExpired:
        failure = f"not done after {timeout_s:.0f} s"
    finally:
        end(child)
    try:
        found = result.load(out)
    except ValueError:
        return [], failure or "it wrote no results"
    return found, failure


def end(child: "subprocess.Popen[bytes]") -> None:
    """End a module that still runs; it is given time to end the processes that it started."""
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def steps(options: argparse.Namespace) -> list[tuple[str, list[str], float]]:
    """Return (module, arguments, time limit); the end-to-end table comes last."""
    found: list[tuple[str, list[str], float]] = []
    if options.only != "e2e":
        found += [(name, ["--runs", str(options.micro_runs)], MICRO_TIMEOUT_S) for name in modules()]
        found.append(("perf.micro.bridge", [], MICRO_TIMEOUT_S))  # one run at a pace, not runs of chunks
    if options.only != "micro":
        arguments = [
            "--rates", ",".join(f"{rate:g}" for rate in options.rates), "--seconds", f"{options.seconds:g}",
            "--runs", str(options.runs), "--instruments", str(options.instruments), "--folder", str(options.folder),
            "--wake-us", f"{options.wake_us:g}", "--realtime", str(options.realtime),
            "--cores", ",".join(map(str, options.cores)), *(f"--set={line}" for line in options.set),
        ]  # fmt: skip
        limit = len(options.rates) * options.runs * (options.seconds + START_AND_JUDGE_S)
        found.append(("perf.e2e.pipeline", arguments, limit))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run everything; 1 where a part failed (its words stand above, its partial figures are kept)."""
    options = parse(argv)
    commit = machine.commit()
    out = options.json or RESULTS / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{commit}.json"
    facts = machine.facts()
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    if facts["load_1m"] > 0.5:
        print(f"bench: load is {facts['load_1m']} already: what follows is too slow", file=sys.stderr)
    found: list[result.Result] = []
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        for module, arguments, timeout_s in steps(options):
            some, failure = step(module, arguments, timeout_s, Path(folder))
            found += some
            result.save(out, found)
            if failure:
                failures.append(f"{module}: {failure}")
    print(f"{len(found)} figures in {out}")
    for failure in failures:
        print(f"bench: FAILED {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
