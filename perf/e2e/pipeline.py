"""`python -m perf.e2e.pipeline`: the whole system at several rates, open loop, under the full far-end load.

Latency counts from the intended send time of the oldest change not yet delivered for its instrument to after decoding
at the client. Every rate is run --runs times; figures are medians over the runs, with the runs beside them.
"""

import argparse
import os
import shutil
import statistics
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from perf import result
from perf.e2e.one_run import Figures, RunOptions, run
from perf.result import Result, Timed

RATES = (10_000, 50_000, 100_000, 200_000)
QUANTILES = ("p50", "p90", "p99", "p99_9", "max")
STAGES = ("source_to_ring", "source_to_zmq", "source_to_ws")
CONTROLS = ("timer", "loopback_hop")
TARGET_RATE, TARGET_P99_US, TARGET_CPU = 100_000, 1000.0, 1.67


def label(rate: float) -> str:
    """Return a rate as names have it: 100k."""
    return f"{rate / 1000:g}k"


def _over(runs: Sequence[Figures], stage: str, quantile: str) -> Timed:
    return [float(one.latency_us[stage][quantile]) for one in runs], [
        float(one.latency_us[stage]["p99"]) for one in runs
    ]


def results(rate: float, runs: Sequence[Figures]) -> Iterator[Result]:
    """Return every figure of one rate. Latencies stand beside a bare loopback hop of the same run and quantile."""
    at = f"e2e/{label(rate)}"
    for stage in (*CONTROLS, *STAGES):
        for quantile in QUANTILES:
            hop = _over(runs, "loopback_hop", quantile)
            peer = (f"loopback TCP hop {quantile}", hop) if stage in STAGES else (None, None)
            yield result.result(f"{at}/{stage}/{quantile}", "us", _over(runs, stage, quantile), *peer)
    for name in runs[0].cpu:
        yield result.result(f"{at}/cpu/{name}", "CPUs", ([one.cpu[name] for one in runs], []))
    for name in runs[0].conflated:
        yield result.result(f"{at}/conflated/{name}", "share", ([one.conflated[name] for one in runs], []))
    for stage in runs[0].lost:
        yield result.result(f"{at}/lost/{stage}", "ticks", ([float(one.lost[stage]) for one in runs], []))
    for name in runs[0].rss_end:
        yield result.result(f"{at}/rss/{name}", "MB", ([one.rss_end[name] for one in runs], []))
        grown = [one.rss_end[name] - one.rss_begin[name] for one in runs]
        yield result.result(f"{at}/rss_growth/{name}", "MB", (grown, []))
    yield result.result(f"{at}/books_differing", "books", ([float(one.books_differing) for one in runs], []))
    yield result.result(f"{at}/undelivered", "changes", ([float(one.undelivered) for one in runs], []))
    yield result.result(f"{at}/client_gaps", "gaps", ([float(one.gaps) for one in runs], []))
    yield result.result(f"{at}/rate", "ticks/s", ([one.rate for one in runs], []), "asked for", ([rate], []))


def wrong(rate: float, runs: Sequence[Figures]) -> list[str]:
    """Return what must never be: ticks lost, books differing, changes never delivered; of any run.

    Above the rate of the goal the publisher may drop towards the subscriber of everything, which has no priority: that
    is where the machine ends. It is printed among what was lost, and counted by publisher and subscriber alike.
    """
    found = []
    for number, one in enumerate(runs, 1):
        bad = {
            f"{count} lost at {stage}": count
            for stage, count in one.lost.items()
            if stage != "publisher" or rate <= TARGET_RATE
        }
        bad |= {
            f"{one.books_differing} of {one.books_checked} books differ": one.books_differing,
            f"{one.undelivered} changes never delivered": one.undelivered,
            f"{one.gaps} gaps at the clients of 50 symbols": one.gaps,
        }
        found += [f"{label(rate)} run {number}: {sentence}" for sentence, count in bad.items() if count]
    return found


def text(rate: float, runs: Sequence[Figures]) -> str:
    """Return one rate's figures as plain text."""
    middle = statistics.median
    lines = [f"{rate:,.0f} ticks/s asked, {middle(one.rate for one in runs):,.0f} sent; {len(runs)} run(s)"]
    lines.append(
        f"  {'us':16}" + "".join(f"{name.replace('_', '.'):>11}" for name in QUANTILES) + "    p99 of each run"
    )
    for stage in (*STAGES, *CONTROLS):
        cells = "".join(f"{middle(_over(runs, stage, name)[0]):11,.1f}" for name in QUANTILES)
        lines.append(f"  {stage:16}{cells}    " + " ".join(f"{one.latency_us[stage]['p99']:,.0f}" for one in runs))
    cpu = {name: middle(one.cpu.get(name, 0.0) for one in runs) for name in runs[0].cpu}
    lines.append("  CPU  " + ", ".join(f"{name} {value:.3f}" for name, value in cpu.items()))
    rss = {
        n: (middle(o.rss_begin.get(n, 0) for o in runs), middle(o.rss_end[n] for o in runs)) for n in runs[0].rss_end
    }
    lines.append("  RSS, MB  " + ", ".join(f"{name} {a:.0f}-{b:.0f}" for name, (a, b) in rss.items()))
    shares = ", ".join(f"{n} {middle(one.conflated[n] for one in runs):.2%}" for n in runs[0].conflated)
    lines.append(f"  changes conflated  {shares}")
    lost = ", ".join(f"{stage} {sum(one.lost[stage] for one in runs)}" for stage in runs[0].lost)
    books = f"{sum(o.books_differing for o in runs)} of {sum(o.books_checked for o in runs)}"
    lines.append(f"  lost, all runs  {lost}; books differing {books}")
    if rate == TARGET_RATE:
        p99, busy = middle(_over(runs, "source_to_ws", "p99")[0]), max(cpu["machine"], cpu["total"])
        met = "met" if p99 < TARGET_P99_US and busy <= TARGET_CPU else "MISSED"
        lines.append(
            f"  goal p99 < {TARGET_P99_US:.0f} us with <= {TARGET_CPU} CPUs: {p99:,.0f} us, {busy:.2f} CPUs: {met}"
        )
    return "\n".join(lines)


def arguments(parse: argparse.ArgumentParser) -> None:
    """Add the options of the end-to-end benchmark."""
    parse.add_argument("--rates", type=_rates, default=RATES, help="ticks a second, with commas between")
    parse.add_argument("--seconds", type=float, default=60.0, help="measured window of a run (%(default)s)")
    parse.add_argument("--instruments", type=int, default=1000)
    parse.add_argument("--folder", type=Path, default=Path("var/bench"), help="the runs' files; emptied (%(default)s)")
    parse.add_argument(
        "--wake-us", type=float, default=300.0, help="the venue sends together what is due in it (%(default)s)"
    )
    parse.add_argument(
        "--realtime", type=int, default=10, help="SCHED_FIFO priority of the measured path; 0 = none (%(default)s)"
    )
    parse.add_argument(
        "--cores",
        type=_cores,
        default=(1, 1, 0, 0) if len(os.sched_getaffinity(0)) > 1 else (),
        help="cores of handler, conflator, bridge and the measured client (1,1,0,0); empty: none is pinned",
    )
    parse.add_argument("--set", action="append", default=[], metavar="SECTION:LINE", help="a line of configuration")


def _rates(value: str) -> tuple[float, ...]:
    rates = tuple(float(part) for part in value.split(","))
    if not rates or not all(1 <= rate <= 1e7 for rate in rates):
        raise argparse.ArgumentTypeError("expected rates of 1 to 1e7 with commas between")
    return rates


def _cores(value: str) -> tuple[int, ...]:
    cores = tuple(int(part) for part in value.split(",")) if value else ()
    if len(cores) not in (0, 4):
        raise argparse.ArgumentTypeError("expected four cores with commas between, or nothing")
    return cores


def extra(lines: Sequence[str]) -> dict[str, str]:
    """Return {section: TOML lines} of --set options."""
    found: dict[str, str] = {}
    for line in lines:
        section, _, setting = line.partition(":")
        found[section] = found.get(section, "") + setting + "\n"
    return found


def measure(options: argparse.Namespace) -> tuple[list[Result], list[str]]:
    """Run everything; return the figures and what went wrong. A run that fails says why and the next one starts."""
    found: list[Result] = []
    faults: list[str] = []
    for rate in options.rates:
        runs: list[Figures] = []
        for number in range(1, options.runs + 1):
            folder = options.folder / f"e2e-{label(rate)}"
            asked = RunOptions(
                folder=folder, rate=rate, seconds=options.seconds, instruments=options.instruments,
                seed=number, extra=extra(options.set), wake_us=options.wake_us, realtime=options.realtime,
                cores=options.cores,
            )  # fmt: skip
            try:
                runs.append(run(asked))
            except Exception as error:  # noqa: BLE001 - whatever broke this run, the others are still worth having
                traceback.print_exc()
                faults.append(f"{label(rate)} run {number} failed: {type(error).__name__}: {error}")
                print(f"FAILED {faults[-1]}; its files are in {folder}", file=sys.stderr, flush=True)
            else:
                shutil.rmtree(folder, ignore_errors=True)
        if runs:
            print(text(rate, runs), flush=True)
            faults += wrong(rate, runs)
            found += results(rate, runs)
            result.save(options.json, found)
    return found, faults


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 where a run failed or anything was lost or wrong."""
    parse = result.parser("perf.e2e.pipeline", __doc__.partition("\n")[0], runs=1)
    arguments(parse)
    options = parse.parse_args(argv)
    result.end_on_sigterm()
    found, faults = measure(options)
    result.save(options.json, found)
    for fault in faults:
        print(f"pipeline: {fault}", file=sys.stderr)
    return 1 if faults or not found else 0


if __name__ == "__main__":
    sys.exit(main())
