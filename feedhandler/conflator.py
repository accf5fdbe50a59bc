"""The conflator process: `python -m feedhandler.conflator --config FILE` (docs/contracts/conflator.md)."""

import contextlib
import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from feedhandler import _native, clock, control, process
from feedhandler.config import Config
from feedhandler.counters import Counter
from feedhandler.errors import ControlError
from feedhandler.instruments import Directory
from feedhandler.publish import CHANNELS, Frames, Publisher

WAIT_NS = 1_000_000
HOUSEKEEPING_NS = 2_000_000  # the longest a request waits for the data path
CONTROL_TIMEOUT_S = 0.5
RETRY_NS = 500_000_000
LOOK_NS = 1_000_000_000
_ALIVE = 1  # fh::Writer::alive


class Conflator:
    """Drives the native conflator and hands what it encoded to ZeroMQ. One thread."""

    def __init__(self, runtime: process.Runtime, config: Config) -> None:
        self._runtime = runtime
        self._general = config.feedhandler
        self._section = config.conflator
        self._handler_of = {source.name: handler.name for handler in config.handler for source in handler.source}
        self._wanted: dict[str, set[int]] = {}
        self._retry_ns = 0
        self._next_heartbeat_ns = 0
        self._next_look_ns = 0
        self._checkpoint_ns = int(config.conflator.checkpoint_interval_s * 1e9)
        self._problems: dict[str, str] = {}
        path = Path(self._general.state_dir, "instruments.dir")
        # Handlers may start after us: there must be a file to map.
        directory = Directory(path, writable=True, placement=runtime.placement)
        instruments = sum(len(source.instruments) for handler in config.handler for source in handler.source)
        # Ids of instruments no longer configured stay taken.
        self._board_rows = max(1024, 2 * instruments, 2 * len(directory))
        self._board_full = False
        self.native = _native.Conflator(
            self._general.shm_dir,
            self._general.state_dir,
            str(path),
            [handler.name for handler in config.handler],
            [[source.name for source in handler.source] for handler in config.handler],
            self._section.depth,
            self._section.derived_capacity,
            self._board_rows,
            runtime.counters.native,
            runtime.placement,
        )
        self.publisher = Publisher(
            self._general.run_dir,
            runtime.counters,
            self._snapshot,
            self.native.publisher_epoch,
            send_hwm=self._section.send_hwm,
        )
        self.native.leave_through(self.publisher.native)
        runtime.control.register("resnapshot", self._on_resnapshot)
        runtime.control.status_fn = self._status

    def do_work(self) -> None:
        """One duty cycle: wait, conflate, send; housekeeping when it is due."""
        section = self._section
        self.native.run(self._runtime.wait_policy, WAIT_NS, section.min_interval_us * 1000, self._checkpoint_ns)

    def housekeep(self, now_ns: int) -> None:
        """Subscriptions, snapshot requests, heartbeats, re-subscriptions that the venue owes us."""
        wanted = self.publisher.poll_subscriptions()
        if wanted is not None:
            for index, channel in enumerate(CHANNELS):
                self.native.enable(index, channel in wanted)
        self.publisher.poll_snapshots()
        if now_ns >= self._next_heartbeat_ns:
            slices = _native.Conflator.HEARTBEATS_AN_INTERVAL
            self._next_heartbeat_ns = now_ns + int(self._section.heartbeat_interval_s * 1e9 / slices)
            self.native.heartbeat()
        self._forward_resnapshots(now_ns)
        if not self._board_full and self._runtime.counters.get(Counter.CONFLATE_NO_ROW):
            self._board_full = True
            self._runtime.log.warning("instruments beyond the board: restart for more rows", rows=self._board_rows)
        self._name_problems(now_ns)
        self._runtime.control.poll()

    def _snapshot(self, prefix: str) -> Frames:
        # What is encoded but not sent must leave first: the snapshot's seqs include it.
        self.native.send()
        self.native.snapshot(prefix)
        frames: Frames = self.native.take()
        return frames

    def _name_problems(self, now_ns: int) -> None:
        """Say once which ring cannot be read, and why: it looks as if its handler had nothing to say."""
        if now_ns < self._next_look_ns:
            return
        self._next_look_ns = now_ns + LOOK_NS
        problems = {ring["ring"]: ring["problem"] for ring in self.native.rings() if ring["problem"]}
        for ring, problem in problems.items():
            if self._problems.get(ring) != problem:
                self._runtime.log.error("ring cannot be read", ring=ring, error=problem)
        self._problems = problems

    def _forward_resnapshots(self, now_ns: int) -> None:
        """Ask handlers to subscribe anew, again where one does not answer; pacing the venue is the handler's part."""
        for source, instrument in self.native.resnapshots():
            self._wanted.setdefault(source, set()).add(instrument)
        if not self._wanted or now_ns < self._retry_ns:
            return
        rings = self.native.rings()
        # A handler may have got sources since we started: what speaks in its ring is its own.
        self._handler_of.update((source, ring["ring"]) for ring in rings for source in ring["sources"])
        alive = {ring["ring"] for ring in rings if ring["writer"] == _ALIVE}
        for source in list(self._wanted):
            if self._handler_of.get(source) not in alive:
                continue  # its successor subscribes anew by itself, and tells us if we lack more
            instruments = self._wanted[source]
            try:
                self._ask(source, None if 0 in instruments else sorted(instruments))
            except ControlError as error:
                self._retry_ns = now_ns + RETRY_NS
                self._runtime.log.warning("resnapshot not taken", source=source, error=str(error))
            else:
                self._runtime.counters.add(Counter.CONFLATE_RESNAPSHOTS)
                del self._wanted[source]

    def _ask(self, source: str, instruments: list[int] | None) -> dict[str, Any]:
        path = self._general.control_path(self._handler_of[source])
        return control.call(path, "resnapshot", CONTROL_TIMEOUT_S, source=source, instruments=instruments)

    def _on_resnapshot(self, request: dict[str, Any]) -> dict[str, Any]:
        source, instruments = request.get("source"), request.get("instruments")
        if source not in self._handler_of:
            raise ControlError(f"source: got {source!r}, expected one of {', '.join(self._handler_of)}")
        if instruments is not None and not (isinstance(instruments, list) and all(type(i) is int for i in instruments)):
            raise ControlError(f"instruments: got {instruments!r}, expected a list of ids or nothing")
        return self._ask(source, instruments)

    def _status(self) -> dict[str, Any]:
        return {
            "rings": self.native.rings(),
            "publisher_epoch": self.native.publisher_epoch,
            "resumed_books": self.native.resumed,
            "resnapshots_pending": {source: len(ids) for source, ids in self._wanted.items()},
        }

    def run(self) -> None:
        """Work until the process is asked to stop."""
        next_housekeeping = 0
        cycles = longest = 0
        while not self._runtime.stopping:
            self.do_work()
            now_ns = clock.monotonic_ns()
            cycles += 1
            if now_ns < next_housekeeping:
                continue
            self.housekeep(now_ns)
            next_housekeeping = now_ns + HOUSEKEEPING_NS
            longest = max(longest, clock.monotonic_ns() - now_ns)
            self._runtime.counters.set(Counter.LOOP_CYCLES, cycles)
            self._runtime.counters.set(Counter.LOOP_MAX_NS, longest)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the conflator; return the exit code."""
    with process.start("conflator", argv) as runtime:
        conflator = Conflator(runtime, runtime.config)
        runtime.log.info("books", resumed=conflator.native.resumed, epoch=conflator.native.publisher_epoch)
        gc.collect()
        gc.freeze()
        gc.disable()  # the loop makes no cycles; reference counting frees what it makes
        with contextlib.closing(conflator.publisher):
            conflator.run()
        gc.unfreeze()  # what was frozen would outlive the interpreter
        del conflator
    gc.collect()
    return 0


if __name__ == "__main__":
    sys.exit(main())
