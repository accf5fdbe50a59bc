"""The recorder process: `python -m feedhandler.recorder --config FILE` (docs/contracts/journal.md)."""

import select
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from feedhandler import process
from feedhandler.clock import Clock
from feedhandler.config import Config
from feedhandler.counters import SLOTS, Counter, Counters
from feedhandler.record.agent import DERIVED_RING, Recorder
from feedhandler.record.directory import DirectoryNames
from feedhandler.record.parquet import ParquetSink
from feedhandler.record.sink import SinkRunner
from feedhandler.record.tap import RingTap
from feedhandler.record.writer import Policy

DRAIN_NS = 3_000_000_000  # a writer that goes on while we stop is not followed for ever
CONTROL_INTERVAL_NS = 20_000_000
COUNTERS_INTERVAL_NS = 100_000_000
_RING_COUNTERS = {
    Counter[f"RECORD_{name}"]: name.lower()
    for name in ("RECORDS", "TICKS", "LOST", "BLOCKS", "BYTES", "FSYNCS", "ERRORS", "EPOCHS")
} | {Counter["RECORD_TORN"]: "repairs"}
_SINK_COUNTERS = {Counter[f"PARQUET_{name}"]: name.lower() for name in ("ROWS", "FILES", "COMMITS", "ERRORS")} | {
    Counter["PARQUET_LAG_RECORDS"]: "lag"
}


def rings_of(config: Config) -> list[str]:
    """Return every ring of a configuration: one a handler, and the conflator's."""
    return [handler.name for handler in config.handler] + [DERIVED_RING]


def make_recorder(config: Config, log: Any, clock: Clock) -> Recorder:
    """Build the recorder that a configuration asks for. Raises JournalError, OSError."""
    general, section = config.feedhandler, config.recorder

    def note(level: str, event: str, **fields: Any) -> None:
        getattr(log, level)(event, **fields)

    names = DirectoryNames(Path(general.state_dir, "instruments.dir"))
    policy = Policy(section.segment_bytes, section.fsync, section.fsync_interval_s)
    recorder = Recorder(
        Path(general.shm_dir), Path(section.journal_dir), rings_of(config), policy,
        names=names, log=note, clock=clock.now_ns,
    )  # fmt: skip
    if section.parquet is not None:
        parquet = section.parquet
        recorder.add_sink(ParquetSink(Path(parquet.dir), names, parquet.batch_rows, parquet.batch_age_s))
    return recorder


def tap_status(tap: RingTap) -> dict[str, Any]:
    """Return what the control operation `status` says of one ring. Seqs, records and bytes."""
    journal, stats = tap.journal, tap.journal.stats
    durable = journal.durable
    return {
        "state": tap.state.name,
        "error": tap.error,
        "epoch": journal.epoch,
        "published": tap.published,
        "journaled": journal.last,
        "durable_epoch": durable[0],
        "durable": durable[1],
        "lag": tap.lag,
        "records": stats.records,
        "ticks": stats.ticks,
        "lost": stats.lost,
        "lost_ranges": [list(gap) for gap in stats.lost_ranges],
        "blocks": stats.blocks,
        "bytes": stats.bytes,
        "fsyncs": stats.fsyncs,
        "errors": stats.errors,
        "repairs": stats.repairs,
        "segment": journal.segment_name,
    }


def sink_status(runner: SinkRunner, taps: list[RingTap]) -> dict[str, Any]:
    """Return what `status` says of one sink. `lag` counts the records of current epochs not yet committed."""
    stats = runner.sink.stats
    positions = {tap.ring: runner.positions.get(tap.ring, (0, 0)) for tap in taps}
    lag = sum(
        tap.journal.last - (positions[tap.ring][1] if positions[tap.ring][0] == tap.journal.epoch else 0)
        for tap in taps
    )
    return {
        "rows": stats.rows,
        "ticks": stats.ticks,
        "commits": stats.commits,
        "files": stats.files,
        "bytes": stats.bytes,
        "errors": stats.errors,
        "failed": runner.failed,
        "lag": max(0, lag),
        "positions": {ring: list(position) for ring, position in positions.items()},
    }


def status(recorder: Recorder) -> dict[str, Any]:
    """Return the reply to the control operation `status`."""
    return {
        "journal_dir": str(recorder.root),
        "fsync": recorder.policy.fsync,
        "rings": {tap.ring: tap_status(tap) for tap in recorder.taps},
        "sinks": {runner.sink.name: sink_status(runner, recorder.taps) for runner in recorder.sinks},
    }


def count(recorder: Recorder, counters: Counters) -> None:
    """Copy the recorder's figures to shared memory. Slot = place of the ring in the configuration."""
    for slot, tap in enumerate(recorder.taps[:SLOTS]):
        for counter, field in _RING_COUNTERS.items():
            counters.set(counter, getattr(tap.journal.stats, field), slot)
    for runner in recorder.sinks:
        figures = sink_status(runner, recorder.taps)
        for counter, field in _SINK_COUNTERS.items():
            counters.set(counter, figures[field])


def main(argv: Sequence[str] | None = None) -> int:
    """Record until SIGTERM; then drain rings, journal and sinks. Exit code 0, or 1 where something was left."""
    with process.start("recorder", argv) as runtime:
        clock = Clock(runtime.config.feedhandler.shm_dir, runtime.placement)
        recorder = make_recorder(runtime.config, runtime.log, clock)
        runtime.control.status_fn = lambda: status(recorder)
        pause_s = runtime.section.poll_interval_ms / 1000
        next_control_ns = next_count_ns = 0
        while not runtime.stopping:
            now_ns = clock.now_ns()
            recorder.do_work(now_ns)
            if now_ns >= next_count_ns:
                next_count_ns = now_ns + COUNTERS_INTERVAL_NS
                count(recorder, runtime.counters)
            if now_ns >= next_control_ns:
                next_control_ns = now_ns + CONTROL_INTERVAL_NS
                runtime.idle(0)
            # Not idle(): at 200 turns a second a poll of all sockets would be most of our CPU time.
            select.select([runtime.wake_fd], [], [], pause_s)
        drained = recorder.stop(clock.now_ns() + DRAIN_NS)
        count(recorder, runtime.counters)
        if not drained:
            runtime.log.error("stopped before everything was taken", rings=status(recorder)["rings"])
    return 0 if drained else 1


if __name__ == "__main__":
    sys.exit(main())
