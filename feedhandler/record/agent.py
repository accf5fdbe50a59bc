"""The recorder without its process: taps, fsync, sinks; do_work() is one poll of everything."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from feedhandler.record.cursor import JournalCursor
from feedhandler.record.files import FolderLock
from feedhandler.record.format import SEGMENT_BYTES_MAX
from feedhandler.record.names import Names
from feedhandler.record.positions import Position
from feedhandler.record.sink import Sink, SinkRunner
from feedhandler.record.tap import RingTap
from feedhandler.record.writer import Policy, RingJournal

PASSES_MAX = 64  # batches of one ring before the next ring has its turn
SINK_NICE = 10
DERIVED_RING = "derived"


class Recorder:
    """Records `rings` of `shm_dir` into `journal_dir`. One thread calls do_work(); sinks have their own.

    Raises JournalError where another recorder writes the journal or other software wrote it.
    """

    def __init__(
        self,
        shm_dir: Path,
        journal_dir: Path,
        rings: list[str],
        policy: Policy,
        *,
        names: Names,
        log: Callable[..., Any],
        clock: Callable[[], int],
    ) -> None:
        policy = msgspec.structs.replace(policy, segment_bytes=min(policy.segment_bytes, SEGMENT_BYTES_MAX // 2))
        self._lock = FolderLock(journal_dir, "journal")
        self.root, self.policy, self._log, self._clock = journal_dir, policy, log, clock
        try:
            self.taps = [RingTap(shm_dir, RingJournal(journal_dir, ring, policy, names), log) for ring in rings]
        except BaseException:
            self._lock.release()
            raise
        self.sinks: list[SinkRunner] = []
        self._syncer = ThreadPoolExecutor(1, thread_name_prefix="fsync") if policy.fsync == "interval" else None
        self._pending: Future[None] | None = None
        self._next_sync_ns = 0

    def add_sink(self, sink: Sink, *, threaded: bool = True) -> SinkRunner:
        """Feed a sink from now on, in a thread of its own: whatever it does, the journal goes on.

        Not threaded: the caller calls open() and do_work(). Raises SinkError or OSError then.
        """
        runner = SinkRunner(sink, self._cursor, self._durable, self._clock, self._log)
        self.sinks.append(runner)
        if threaded:
            runner.start(lower_priority)
        else:
            runner.open()
        return runner

    def _cursor(self, ring: str, position: Position) -> JournalCursor:
        return JournalCursor(self.root, ring, position)

    def _durable(self) -> dict[str, Position]:
        return {tap.ring: tap.journal.durable for tap in self.taps}

    def do_work(self, now_ns: int) -> int:
        """Poll every ring once through; returns the records written."""
        total = 0
        for tap in self.taps:
            for _ in range(PASSES_MAX):
                count = tap.do_work(now_ns)
                total += count
                if count == 0:
                    break
        self._sync(now_ns)
        return total

    def _sync(self, now_ns: int) -> None:
        """Under `interval`, fsync in a thread: a slow disk must not keep the rings from being read."""
        if self._syncer is None or now_ns < self._next_sync_ns:
            return
        if self._pending is not None and not self._pending.done():
            return
        self._next_sync_ns = now_ns + int(self.policy.fsync_interval_s * 1e9)
        self._pending = self._syncer.submit(self._sync_all)

    def _sync_all(self) -> None:
        for tap in self.taps:
            if not tap.journal.sync():
                self._log("error", "fsync refused", ring=tap.ring)

    def drained(self) -> bool:
        """Every ring's records are in the journal."""
        return all(tap.drained() for tap in self.taps)

    def stop(self, deadline_ns: int) -> bool:
        """Take what the rings still hold, end the segments, drain the sinks, release the lock.

        Stops taking at `deadline_ns` (a writer may go on for ever). Returns True where all was drained.
        """
        while not self.drained() and self._clock() < deadline_ns:
            self.do_work(self._clock())
        drained = self.drained()
        if self._syncer is not None:
            self._syncer.shutdown(wait=True)
        for tap in self.taps:
            tap.close(self._clock())
        for runner in self.sinks:
            runner.stop()
        self._lock.release()
        return drained and not any(runner.failed for runner in self.sinks)


def lower_priority() -> None:
    """Make the calling thread nicer than the journal's; one that is nicer already stays as it is."""
    thread = threading.get_native_id()
    if os.getpriority(os.PRIO_PROCESS, thread) < SINK_NICE:
        os.setpriority(os.PRIO_PROCESS, thread, SINK_NICE)
