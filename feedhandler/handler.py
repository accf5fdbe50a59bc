"""The feed handler process: `python -m feedhandler.handler --config FILE [--name NAME]`.

One ring, named as the handler; one native receive loop for all of its sources (docs/contracts/control-handler.md
has its control operations).
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from feedhandler import _native, process
from feedhandler.clock import Clock
from feedhandler.config import Handler
from feedhandler.counters import Counter
from feedhandler.handler_changes import Changes
from feedhandler.instruments import Directory
from feedhandler.sources.roster import Place, Roster
from feedhandler.sources.states import Reason
from feedhandler.tick import State

RUN_NS = 20_000_000  # the loop comes back at least this often: control and timers wait no longer
BUSY_RUN_NS = 1_000_000
CONTROL_INTERVAL_NS = 5_000_000
HOUSEKEEPING_NS = 100_000_000
CLOCK_INTERVAL_NS = 1_000_000_000
LOGOUT_NS = 3_000_000_000


class FeedHandler:
    """The sources of one handler over one ring. An agent: `do_work(now_ns)`."""

    def __init__(self, runtime: process.Runtime) -> None:
        section = runtime.section
        assert isinstance(section, Handler)
        general = runtime.config.feedhandler
        self._runtime = runtime
        state_dir = Path(general.state_dir)
        self.clock = Clock(general.shm_dir, runtime.placement)
        self.ring = _native.RingWriter(
            general.shm_dir, general.state_dir, section.name, section.ring_capacity, placement=runtime.placement
        )
        spin = runtime.wait_policy == _native.WaitPolicy.SPIN
        self.loop = _native.FixLoop(self.ring, spin, section.coalesce_us * 1000)
        self.loop.offset_ns = self.clock.offset_ns
        place = Place(
            ring=self.ring, loop=self.loop,
            directory=Directory(state_dir / "instruments.dir", writable=True, placement=runtime.placement),
            directory_path=state_dir / "instruments.dir", placement=runtime.placement,
            handler=section.name, shm_dir=general.shm_dir, state_dir=state_dir, log=runtime.log,
            log_messages=general.log_level == "debug",
        )  # fmt: skip
        self.roster = Roster(place, section.source, self.clock.now_ns())
        self._counted: set[int] = set()
        self._next_control_ns = self._next_housekeeping_ns = self._next_clock_ns = 0
        runtime.control.status_fn = self.status
        runtime.control.register("resnapshot", self.resnapshot)
        Changes(runtime, section, self.roster, self.clock).register(runtime.control)

    def do_work(self, now_ns: int) -> int:
        """Timers and requests of all sources, then one run of the native loop."""
        work = self.roster.do_work(now_ns)
        if now_ns >= self._next_control_ns:
            self._next_control_ns = now_ns + CONTROL_INTERVAL_NS
            self._runtime.control.poll()
        if now_ns >= self._next_housekeeping_ns:
            self._next_housekeeping_ns = now_ns + HOUSEKEEPING_NS
            self.housekeeping(now_ns)
        busy = any(source.busy for source in self.roster)
        timer_ns = min((source.next_timer_ns() for source in self.roster), default=now_ns + RUN_NS) - now_ns
        return work + self._answer(*self.loop.run(max(0, min(BUSY_RUN_NS if busy else RUN_NS, timer_ns))))

    def _answer(self, code: _native.LoopCode, index: int, detail: Any) -> int:
        """Do what the native loop returned for."""
        if code == _native.LoopCode.IDLE:
            return 0
        now_ns, source = self.clock.now_ns(), self.roster.sources[index]
        if code == _native.LoopCode.READABLE:
            source.on_readable(now_ns)
        elif code == _native.LoopCode.MESSAGE:
            source.on_message(detail, now_ns)
        else:
            source.on_closed(detail, now_ns)
        return 1

    def housekeeping(self, now_ns: int) -> None:
        """Counters to shared memory, raw bytes to the quarantine, damaged books to the venue; the clock."""
        for index, source in self.roster.sources.items():
            for ts_recv, why, total, kept in self.loop.take_quarantine(index):
                self.roster.quarantines[index].add(ts_recv, why, total, kept)
            damaged, overflow = self.loop.take_damaged(index)
            if damaged or overflow:
                source.subscription.damaged(None if overflow else damaged, now_ns)
            self._count(index, {**self.loop.counts(index), **source.counts})
        for index in self._counted - set(self.roster.sources):
            self._count(index, dict.fromkeys(COUNTERS, 0))
        self._counted = set(self.roster.sources)
        if now_ns >= self._next_clock_ns:
            self._next_clock_ns = now_ns + CLOCK_INTERVAL_NS
            self._follow_clock(now_ns)

    def _count(self, index: int, counts: dict[str, int]) -> None:
        for name, value in counts.items():
            counter = COUNTERS.get(name)
            if counter is not None:
                self._runtime.counters.set(counter, value, index)

    def _follow_clock(self, now_ns: int) -> None:
        self.clock.follow()
        if self.clock.offset_ns == self.loop.offset_ns:
            return
        self.loop.offset_ns = self.clock.offset_ns
        self._runtime.counters.add(Counter.CLOCK_STEPS)
        for source in self.roster:
            source.states.write(State.CLOCK_STEP, Reason.CLOCK_STEP, max(now_ns, self.loop.now_ns()))

    def status(self) -> dict[str, Any]:
        """Answer the control operation `status`."""
        return {
            "ring": {
                "name": self.ring.name,
                "epoch": self.ring.epoch,
                "published": self.ring.published,
                "capacity": self.ring.capacity,
                "refused_events": self.ring.refused,
                "previous_epoch": self.ring.previous_epoch,
                "previous_last": self.ring.previous_last,
            },
            "change": self.roster.change,
            "sources": {source.config.name: source.status() for source in self.roster},
        }

    def resnapshot(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer the control operation `resnapshot`: queue instruments (directory ids, or null for all)."""
        name, ids = request.get("source"), request.get("instruments")
        chosen = [source for source in self.roster if name in (None, source.config.name)]
        if isinstance(name, str) and name in self.roster.gone:
            return {"queued": 0}  # whoever lost its books has nothing to wait for
        if not chosen:
            return {"ok": False, "error": f"no source {name!r} here"}
        if ids is not None and not (isinstance(ids, list) and all(type(i) is int for i in ids)):
            return {"ok": False, "error": "instruments must be a list of ids, or null for all"}
        if ids is not None and name is None:
            return {"ok": False, "error": "instruments need their source"}
        try:
            return {"queued": sum(source.subscription.want(ids) for source in chosen)}
        except KeyError as error:
            return {"ok": False, "error": f"instrument {error} is not of source {name!r}"}

    def close(self) -> None:
        """Log out of every session, wait briefly for the answers, close everything."""
        now_ns = self.clock.now_ns()
        for source in self.roster:
            source.stop(now_ns)
        deadline_ns = now_ns + LOGOUT_NS
        while not all(source.done for source in self.roster) and now_ns < deadline_ns:
            self._answer(*self.loop.run(RUN_NS))
            now_ns = self.clock.now_ns()
        for source in self.roster:
            source.close(now_ns)
        self.housekeeping(now_ns)
        for quarantine in self.roster.quarantines.values():
            quarantine.close()


COUNTERS = {
    name.removeprefix("FIX_").lower(): counter
    for name, counter in Counter.__members__.items()
    if name.startswith("FIX_")
}
"""Name of a session's count -> its place in shared memory (shm/counters.hpp); slot = place of the source."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM, then log out. Exit code 0."""
    with process.start("handler", argv) as runtime:
        handler = FeedHandler(runtime)
        try:
            while not runtime.stopping:
                handler.do_work(handler.clock.now_ns())
        finally:
            handler.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
