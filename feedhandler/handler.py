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
from feedhandler.config import Handler, InstrumentSpec, Source
from feedhandler.config_types import Keying
from feedhandler.counters import Counter
from feedhandler.errors import ConfigError
from feedhandler.instruments import Directory, Instrument
from feedhandler.sources.fix import FixSource
from feedhandler.sources.fix_config import ENTRIES_MAX, MESSAGE_BYTES_MAX
from feedhandler.sources.fix_subscription import Subscription
from feedhandler.sources.quarantine import Quarantine
from feedhandler.sources.resolve import Resolver
from feedhandler.sources.states import Reason, StateWriter, last_received_ns
from feedhandler.tick import State
from feedhandler.wire import fix_profile
from feedhandler.wire.fix_store import FileStore

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
        self._log = runtime.log
        self._state_dir = Path(general.state_dir)
        self._resolver = Resolver()
        self.clock = Clock(general.shm_dir, runtime.placement)
        self.ring = _native.RingWriter(
            general.shm_dir, general.state_dir, section.name, section.ring_capacity, placement=runtime.placement
        )
        spin = runtime.wait_policy == _native.WaitPolicy.SPIN
        self.loop = _native.FixLoop(self.ring, spin, section.coalesce_us * 1000)
        self.loop.offset_ns = self.clock.offset_ns
        self.directory = Directory(self._state_dir / "instruments.dir", writable=True, placement=runtime.placement)
        heard_ns = last_received_ns(general.shm_dir, section.name, self.ring.previous_epoch, self.ring.previous_last)
        self.sources = [self._make_source(i, source, heard_ns) for i, source in enumerate(section.source)]
        self.directory.sync()
        self.quarantines = [Quarantine(self._state_dir / "quarantine", source.name) for source in section.source]
        self._source_ids = [self.directory.source_id(source.name) for source in section.source]
        self._next_control_ns = self._next_housekeeping_ns = self._next_clock_ns = 0
        runtime.control.status_fn = self.status
        runtime.control.register("resnapshot", self.resnapshot)
        now_ns = self.clock.now_ns()
        for source in self.sources:
            source.states.write(State.DISCONNECTED, Reason.STARTING, now_ns)

    def _make_source(self, index: int, config: Source, heard_ns: int) -> FixSource:
        try:
            profile = fix_profile.load(config.profile)
        except fix_profile.ProfileError as error:
            where = f"source {config.name}"
            raise ConfigError(where, "profile", f'"{config.profile}"', f"a usable profile: {error}") from None
        keying = profile.record_keying(config.keying)
        source = self.directory.add_source(config.name)
        instruments = self._register(source, config.instruments, keying)
        note_slot = index
        table = profile.compile(config.keying, config.market_depth)
        self.loop.add_session(table, source, note_slot, MESSAGE_BYTES_MAX, ENTRIES_MAX)
        for instrument in instruments:
            self.loop.add_symbol(index, instrument.venue_symbol.encode(), instrument.id)
            self.loop.set_decimals(index, instrument.id, instrument.price_decimals, instrument.size_decimals)
        now_ns = self.clock.now_ns()
        name = f"{self._runtime.name}-{config.name}"
        store = FileStore(self._state_dir / "sessions", name, now_ns=now_ns)
        # What the last ring holds is what was received; the store may be a moment behind it.
        if note := self.ring.previous_note(note_slot):
            store.next_in = note
        self.loop.set_sequence(index, store.next_in, False)
        subscription = Subscription(
            profile, instruments, prefix=f"{config.name}-{now_ns // 1_000_000:x}", depth=config.market_depth,
            per_message=config.subscribe_per_message, per_s=config.resnapshot_per_s,
        )  # fmt: skip
        return FixSource(
            config, profile, loop=self.loop, index=index, store=store, subscription=subscription,
            states=StateWriter(self.ring, source), resolver=self._resolver, log=self._log,
            log_messages=self._runtime.config.feedhandler.log_level == "debug", heard_ns=heard_ns,
        )  # fmt: skip

    def _register(self, source: int, specs: Sequence[InstrumentSpec], keying: Keying) -> list[Instrument]:
        """Return the instruments as the directory has them: what it knew before stays as it was."""
        wanted = [
            Instrument(
                source=source, venue_symbol=spec.venue, symbol=spec.symbol, tick=spec.tick, lot=spec.lot,
                price_decimals=spec.price_decimals, size_decimals=spec.size_decimals, keying=keying,
                currency=spec.currency, calendar=spec.calendar,
            )
            for spec in specs
        ]  # fmt: skip
        found = [self.directory.get(number) for number in self.directory.add_many(wanted)]
        return [instrument for instrument in found if instrument is not None]

    def do_work(self, now_ns: int) -> int:
        """Timers and requests of all sources, then one run of the native loop."""
        work = sum(source.do_work(now_ns) for source in self.sources)
        if now_ns >= self._next_control_ns:
            self._next_control_ns = now_ns + CONTROL_INTERVAL_NS
            self._runtime.control.poll()
        if now_ns >= self._next_housekeeping_ns:
            self._next_housekeeping_ns = now_ns + HOUSEKEEPING_NS
            self.housekeeping(now_ns)
        busy = any(source.busy for source in self.sources)
        timer_ns = min(source.next_timer_ns() for source in self.sources) - now_ns
        code, index, detail = self.loop.run(max(0, min(BUSY_RUN_NS if busy else RUN_NS, timer_ns)))
        return work + self._answer(code, index, detail)

    def _answer(self, code: _native.LoopCode, index: int, detail: Any) -> int:
        """Do what the native loop returned for."""
        if code == _native.LoopCode.IDLE:
            return 0
        now_ns = self.clock.now_ns()
        if code == _native.LoopCode.READABLE:
            self.sources[index].on_readable(now_ns)
        elif code == _native.LoopCode.MESSAGE:
            self.sources[index].on_message(detail, now_ns)
        else:
            self.sources[index].on_closed(detail, now_ns)
        return 1

    def housekeeping(self, now_ns: int) -> None:
        """Counters to shared memory, raw bytes to the quarantine, damaged books to the venue; the clock."""
        for index, source in enumerate(self.sources):
            for ts_recv, why, total, kept in self.loop.take_quarantine(index):
                self.quarantines[index].add(ts_recv, why, total, kept)
            damaged, overflow = self.loop.take_damaged(index)
            if damaged or overflow:
                source.subscription.damaged(None if overflow else damaged, now_ns)
            self._count(index, source)
        if now_ns >= self._next_clock_ns:
            self._next_clock_ns = now_ns + CLOCK_INTERVAL_NS
            self._follow_clock(now_ns)

    def _count(self, index: int, source: FixSource) -> None:
        for name, value in {**self.loop.counts(index), **source.counts}.items():
            counter = COUNTERS.get(name)
            if counter is not None:
                self._runtime.counters.set(counter, value, index)

    def _follow_clock(self, now_ns: int) -> None:
        self.clock.follow()
        if self.clock.offset_ns == self.loop.offset_ns:
            return
        self.loop.offset_ns = self.clock.offset_ns
        self._runtime.counters.add(Counter.CLOCK_STEPS)
        for source in self.sources:
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
            "sources": {source.config.name: source.status() for source in self.sources},
        }

    def resnapshot(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer the control operation `resnapshot`: queue instruments (directory ids, or null for all)."""
        name, ids = request.get("source"), request.get("instruments")
        chosen = [source for source in self.sources if name in (None, source.config.name)]
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
        for source in self.sources:
            source.stop(now_ns)
        deadline_ns = now_ns + LOGOUT_NS
        while not all(source.done for source in self.sources) and now_ns < deadline_ns:
            self._answer(*self.loop.run(RUN_NS))
            now_ns = self.clock.now_ns()
        for source in self.sources:
            source.close(now_ns)
        self.housekeeping(now_ns)
        for quarantine in self.quarantines:
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
