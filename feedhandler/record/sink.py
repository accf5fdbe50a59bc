"""The sink contract: durable journal blocks go downstream at the sink's own pace, exactly once.

A sink buffers what add() gives it and makes it permanent in commit(), together with the position up to
which it has taken each ring. After a crash open() returns the committed positions and the runner goes
on right behind them, so redelivery duplicates nothing and a sink that is down costs disk only.
tests/conformance/ holds the suite that every sink passes.
"""

import random
import threading
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from feedhandler.record.cursor import JournalCursor
from feedhandler.record.journal import Block
from feedhandler.record.positions import Position

BACKOFF_MIN_S = 0.1
BACKOFF_MAX_S = 10.0
IDLE_S = 0.05


class SinkError(Exception):
    """The sink cannot go on without an operator; the message says what to do."""


class SinkStats(msgspec.Struct):
    """What one sink has done since this process started."""

    rows: int = 0
    ticks: int = 0
    commits: int = 0
    files: int = 0
    bytes: int = 0
    errors: int = 0


class Sink(Protocol):
    """Owned by one thread. Any OSError of commit() is tried again with the same rows."""

    name: str
    stats: SinkStats

    def open(self) -> dict[str, Position]:
        """Recover, remove what a crash left half done, return the committed position of every ring."""

    @property
    def room(self) -> int:
        """Records that add() can take before the next commit()."""

    def add(self, block: Block) -> None:
        """Take a block (records or gap) of at most `room` records. The records are borrowed: copy them."""

    def due(self, now_ns: int) -> bool:
        """Tell whether it is time to commit: enough rows, or old enough."""

    def commit(self, now_ns: int) -> None:
        """Make everything added permanent together with its positions, or raise OSError and change nothing."""

    def close(self) -> None:
        """Let go of everything; what was not committed is dropped."""


class SinkRunner:
    """Feeds one sink from the journal. do_work() belongs to one thread at a time, start() makes one.

    `limits()` gives, per ring, the (epoch, seq) up to which the journal is durable.
    """

    def __init__(
        self,
        sink: Sink,
        cursor: Callable[[str, Position], JournalCursor],
        limits: Callable[[], dict[str, Position]],
        clock: Callable[[], int],
        log: Callable[..., Any],
    ) -> None:
        self.sink, self._cursor, self._limits, self._clock, self._log = sink, cursor, limits, clock, log
        self.failed = ""
        self.positions: dict[str, Position] = {}
        self._cursors: dict[str, JournalCursor] = {}
        self._retry_ns = 0
        self._backoff_s = BACKOFF_MIN_S
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.opened = False
        self.native_id = 0

    def open(self) -> None:
        """Recover the sink. Raises SinkError or OSError where it cannot be used."""
        self.positions = self.sink.open()
        self.opened = True

    def _open_patiently(self) -> bool:
        """Open, trying again while the disk refuses; False where it was stopped before that."""
        while not self.opened:
            try:
                self.open()
            except OSError as error:
                pause_s = self._refused(error)
                if self._stopping.wait(pause_s):
                    return False
        return True

    def _refused(self, error: OSError) -> float:
        """Count and log a refusal; return how long to wait: growing, jittered, s."""
        self.sink.stats.errors += 1
        pause_s = self._backoff_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        self._log("error", "sink refuses", sink=self.sink.name, error=str(error), retry_s=round(pause_s, 3))
        self._backoff_s = min(self._backoff_s * 2, BACKOFF_MAX_S)
        return pause_s

    def do_work(self, now_ns: int) -> int:
        """Take what is durable and commit what is due; returns the records taken."""
        if now_ns < self._retry_ns:
            return 0
        taken = self._take()
        if self.sink.due(now_ns) or self.sink.room == 0:
            self.commit(now_ns)
        return taken

    def _take(self) -> int:
        taken = 0
        for ring, limit in self._limits().items():
            cursor = self._cursors.get(ring)
            if cursor is None:
                cursor = self._cursors[ring] = self._cursor(ring, self.positions.get(ring, (0, 0)))
            while self.sink.room > 0 and (block := cursor.read(self.sink.room, limit)) is not None:
                self.sink.add(block)
                taken += len(block.records) if block.gap is None else 0
        return taken

    def commit(self, now_ns: int) -> bool:
        """Commit now; False where the sink refuses (counted; tried again after a growing, jittered pause)."""
        try:
            self.sink.commit(now_ns)
        except OSError as error:
            self._retry_ns = now_ns + int(self._refused(error) * 1e9)
            return False
        self._backoff_s, self._retry_ns = BACKOFF_MIN_S, 0
        self.positions |= self._reached()
        return True

    def drain(self, now_ns: int) -> bool:
        """Take and commit everything durable; False where the sink refuses."""
        while self.commit(now_ns):
            before = self._reached()
            self._take()
            if self._reached() == before:
                return True
        return False

    def _reached(self) -> dict[str, Position]:
        return {ring: cursor.position for ring, cursor in self._cursors.items()}

    def start(self, priority: Callable[[], None]) -> None:
        """Run in a thread of its own until stop(); `priority` is called in it first."""
        self._thread = threading.Thread(target=self._run, args=(priority,), name=self.sink.name, daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float | None = None) -> None:
        """Drain, close, end the thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self, priority: Callable[[], None]) -> None:
        self.native_id = threading.get_native_id()
        try:
            priority()
            if not self._open_patiently():
                self.failed = "stopped before it could be opened"
                return
            while not self._stopping.is_set():
                if self.do_work(self._clock()) == 0:
                    self._stopping.wait(IDLE_S)
            if not self.drain(self._clock()):
                self.failed = "stopped before everything was committed"
        except Exception as error:  # noqa: BLE001 - a broken sink must be seen, and must not take the journal down
            self.failed = f"{type(error).__name__}: {error}"
            self.sink.stats.errors += 1
            self._log("error", "sink stopped", sink=self.sink.name, error=self.failed)
        finally:
            self.sink.close()
