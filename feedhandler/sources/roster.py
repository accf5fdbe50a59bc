"""The sources of one handler: made, added and removed while the others run.

What must stay true: a source that is not named in a change keeps its place in the loop, its session, its numbers and
its subscription; and whatever can be refused is refused by `check`, before anything is changed.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from feedhandler import _native, limits
from feedhandler.config_source import InstrumentSpec, Source
from feedhandler.errors import ConfigError
from feedhandler.instruments import Directory, Instrument, Keying
from feedhandler.sources import fix_config
from feedhandler.sources.fix import FixSource
from feedhandler.sources.fix_subscription import Subscription
from feedhandler.sources.quarantine import Quarantine
from feedhandler.sources.resolve import Resolver
from feedhandler.sources.slots import Slots
from feedhandler.sources.states import Reason, StateWriter, last_received_ns
from feedhandler.tick import State
from feedhandler.wire import fix_profile
from feedhandler.wire.fix_profile import Profile
from feedhandler.wire.fix_store import FileStore, StoreError

LEAVE_NS = 3_000_000_000
"""A venue that does not answer a Logout is left after this time."""


Wanted = Sequence[tuple[Source, Sequence[InstrumentSpec]]]
"""Sources, and which of their instruments."""


class Place(NamedTuple):
    """Where the roster's sources are made: what they share."""

    ring: _native.RingWriter
    loop: _native.FixLoop
    directory: Directory
    directory_path: Path
    placement: _native.Placement
    handler: str
    shm_dir: str
    state_dir: Path
    log: Any
    log_messages: bool


class _Leaving(NamedTuple):
    """A source that has been told to log out, and who takes its place then."""

    deadline_ns: int
    successor: Source | None


class Roster:
    """Sources by their place in the loop, which is also that of their counters."""

    def __init__(self, place: Place, sources: list[Source], now_ns: int) -> None:
        """Make every source. Raises ConfigError."""
        self._place = place
        self._resolver = Resolver()
        self._slots = Slots(
            place.state_dir / "sessions" / f"{place.handler}.slots", place.ring, [source.name for source in sources]
        )
        ring = place.ring
        heard_ns = last_received_ns(place.shm_dir, place.handler, ring.previous_epoch, ring.previous_last)
        self.sources: dict[int, FixSource] = {}
        self.quarantines: dict[int, Quarantine] = {}
        self.gone: set[str] = set()  # removed and not here again; no more than the directory has sources
        self._leaving: dict[int, _Leaving] = {}
        self.change = ""
        """How the last change went: "" well, or the reason why not; "under way"."""
        self._writing: Future[None] | None = None
        self._then: Callable[[int], None] = lambda _: None
        self._writer = ThreadPoolExecutor(1, "directory")
        write_down(place.directory, [(source, source.instruments) for source in sources])
        for source in sources:
            self._make(source, now_ns, heard_ns=heard_ns, first=True)

    def __iter__(self) -> Iterator[FixSource]:
        """Return every source, those that are leaving too."""
        return iter(list(self.sources.values()))

    def configured(self) -> list[Source]:
        """Return the configuration as it is applied now, or will be once those that leave are gone."""
        return [
            found
            for index, source in self.sources.items()
            if (found := self._leaving[index].successor if index in self._leaving else source.config) is not None
        ]

    def _at(self, name: str) -> tuple[int, FixSource]:
        return next((i, one) for i, one in self.sources.items() if one.config.name == name and i not in self._leaving)

    @property
    def leaving(self) -> set[str]:
        """Names of sources that are logging out."""
        return {self.sources[index].config.name for index in self._leaving}

    # ---- before a change ----

    def check(self, config: Source) -> None:
        """Raise ConfigError where this source could not be made: profile, certificates, secrets, instruments."""
        self._check_settings(config)
        self.check_instruments(config, config.instruments)

    def check_room(self, names: Iterable[str]) -> None:
        """Raise ConfigError where so many more sources find no place now; the directory keeps names for ever."""
        known = set(self._place.directory.sources().values())
        fresh = list(names)
        if len(self.sources) + len(fresh) > limits.SOURCES_MAX or len(known | set(fresh)) > limits.SOURCES_MAX:
            got = f"{len(fresh)} more beside {len(self.sources)} here and {len(known)} ever known"
            raise ConfigError("request", "source", got, f"at most {limits.SOURCES_MAX}, also over time")

    def check_instruments(self, config: Source, specs: Iterable[InstrumentSpec]) -> None:
        """Raise ConfigError where the directory has one of these instruments as something else."""
        self._place.directory.refresh()
        source = self._place.directory.source_id(config.name)
        keying = _profile(config).record_keying(config.keying)
        for spec in specs:
            known = self._place.directory.get(self._place.directory.find(source, spec.venue)) if source else None
            wanted = _instrument(source, spec, keying)
            if known is None:
                continue
            for name in ("symbol", "tick", "lot", "price_decimals", "size_decimals", "keying", "currency", "calendar"):
                if getattr(known, name) != getattr(wanted, name):
                    key = f"{spec.venue}.{name}"
                    kept = f"{getattr(known, name)!r}, as the instrument directory has it for ever"
                    raise ConfigError(f"source {config.name}", key, repr(getattr(wanted, name)), kept)

    # ---- changes ----

    def write_down(self, wanted: Wanted, then: Callable[[int], None]) -> None:
        """Tell the directory of sources and instruments, in a thread, for it waits for the disk; then call `then`.

        Until that, `change` is "under way". Where the directory cannot take them, `then` is not called.
        """
        self.change = "under way"
        self._then = then
        path, placement = self._place.directory_path, self._place.placement

        def work() -> None:
            write_down(Directory(path, writable=True, placement=placement), wanted)

        self._writing = self._writer.submit(work)

    def _go_on(self, now_ns: int) -> None:
        writing, self._writing = self._writing, None
        assert writing is not None
        error = writing.exception()
        self.change = "" if error is None else f"{type(error).__name__}: {error}"
        if error is None:
            self._then(now_ns)
        else:
            self._place.log.warning("not changed", why=self.change)

    def add(self, config: Source, now_ns: int) -> None:
        """Make one more source; it connects by itself."""
        self._succeed(config, now_ns, 0)

    def remove(self, name: str, now_ns: int, successor: Source | None = None) -> None:
        """Log a source out; it is gone, or replaced, when the venue has answered, or after LEAVE_NS."""
        index, source = self._at(name)
        self._leaving[index] = _Leaving(now_ns + LEAVE_NS, successor)
        source.stop(now_ns, Reason.REMOVED)

    def add_instruments(self, name: str, specs: list[InstrumentSpec]) -> None:
        """Subscribe to more instruments of a source; nothing else of it is touched."""
        index, source = self._at(name)
        found = self._register(source.config, specs)
        self._teach(index, found)
        source.config.instruments.extend(specs)
        source.requests.add(found)

    def remove_instruments(self, name: str, venues: list[str], now_ns: int) -> None:
        """End the subscription of instruments of a source; their books are cleared in the ring."""
        index, source = self._at(name)
        source_id = self._place.directory.source_id(name)
        ids = [self._place.directory.find(source_id, venue) for venue in venues]
        for venue in venues:
            self._place.loop.remove_symbol(index, venue.encode())
        source.config.instruments[:] = [spec for spec in source.config.instruments if spec.venue not in venues]
        source.requests.remove(ids)
        source.states.clear_books(ids, now_ns)

    def do_work(self, now_ns: int) -> int:
        """Timers and requests of all sources; those that left make room."""
        if self._writing is not None and self._writing.done():
            self._go_on(now_ns)
        for index in list(self._leaving):
            self._see_off(index, now_ns)
        return sum(source.do_work(now_ns) for source in self)

    def _see_off(self, index: int, now_ns: int) -> None:
        leaving, source = self._leaving[index], self.sources[index]
        if not source.done and now_ns < leaving.deadline_ns:
            return
        del self._leaving[index]
        source.close(now_ns, durable=False)  # the others do not wait for a disk
        source.states.clear_books(source.subscription.ids, now_ns)
        if source.states.reason is not Reason.REMOVED:
            source.states.write(State.DISCONNECTED, Reason.REMOVED, now_ns)
        self._place.loop.remove_session(index)
        self.quarantines.pop(index).close()
        del self.sources[index]
        self._slots.free(source.config.name)
        self.gone.add(source.config.name)
        if leaving.successor is not None:
            self._succeed(leaving.successor, now_ns, source.heard_ns)

    def _succeed(self, config: Source, now_ns: int, heard_ns: int) -> None:
        """Make a source that was checked when its predecessor was told to leave; a failure is no other source's."""
        try:
            self._make(config, now_ns, heard_ns=heard_ns)
        except (ConfigError, StoreError, OSError) as error:
            self._place.log.warning("source not made", source=config.name, why=str(error))

    # ---- making ----

    def _make(self, config: Source, now_ns: int, *, heard_ns: int = 0, first: bool = False) -> None:
        place = self._place
        self._check_settings(config)
        profile = _profile(config)
        instruments = self._register(config, config.instruments)
        source_id = place.directory.source_id(config.name)
        slot, own = self._slots.take(config.name)
        store = FileStore(place.state_dir / "sessions", f"{place.handler}-{config.name}", now_ns=now_ns)
        table = profile.compile(config.keying, config.market_depth)
        index = place.loop.add_session(table, source_id, slot, fix_config.MESSAGE_BYTES_MAX, fix_config.ENTRIES_MAX)
        self._teach(index, instruments)
        # What the last ring holds is what was received; the store may be a moment behind it.
        if first and own and (note := place.ring.previous_note(slot)):
            store.next_in = note
        place.loop.set_sequence(index, store.next_in, False)
        subscription = Subscription(
            profile, instruments, prefix=f"{config.name}-{now_ns // 1_000_000:x}", depth=config.market_depth,
            per_message=config.subscribe_per_message, per_s=config.resnapshot_per_s,
        )  # fmt: skip
        source = FixSource(
            config, profile, loop=place.loop, index=index, store=store, subscription=subscription,
            states=StateWriter(place.ring, source_id), resolver=self._resolver, log=place.log,
            log_messages=place.log_messages, heard_ns=heard_ns,
        )  # fmt: skip
        self.sources[index] = source
        self.gone.discard(config.name)
        self.quarantines[index] = Quarantine(place.state_dir / "quarantine", config.name)
        source.states.write(State.DISCONNECTED, Reason.STARTING, now_ns)

    def _register(self, config: Source, specs: Iterable[InstrumentSpec]) -> list[Instrument]:
        """Return instruments that the directory was told of before."""
        directory = self._place.directory
        directory.refresh()
        source_id = directory.source_id(config.name)
        found = [directory.get(directory.find(source_id, spec.venue)) for spec in specs]
        return [instrument for instrument in found if instrument is not None]

    def _teach(self, index: int, instruments: list[Instrument]) -> None:
        """Tell the native decoder of instruments."""
        for instrument in instruments:
            self._place.loop.add_symbol(index, instrument.venue_symbol.encode(), instrument.id)
            decimals = instrument.price_decimals, instrument.size_decimals
            self._place.loop.set_decimals(index, instrument.id, *decimals)

    def _check_settings(self, config: Source) -> None:
        """Raise ConfigError where session or connections could not be made."""
        fix_config.session_config(config, _profile(config))
        fix_config.dialer(config, self._resolver)


def write_down(directory: Directory, wanted: Wanted) -> None:
    """Make sources and their instruments durable in the directory; what it knows stays as it is. Waits for the disk."""
    for config, specs in wanted:
        source_id = directory.add_source(config.name)
        keying = _profile(config).record_keying(config.keying)
        directory.add_many([_instrument(source_id, spec, keying) for spec in specs])
    directory.sync()


def _profile(config: Source) -> Profile:
    try:
        return fix_profile.load(config.profile)
    except fix_profile.ProfileError as error:
        where = f"source {config.name}"
        raise ConfigError(where, "profile", f'"{config.profile}"', f"a usable profile: {error}") from None


def _instrument(source_id: int, spec: InstrumentSpec, keying: Keying) -> Instrument:
    return Instrument(
        source=source_id, venue_symbol=spec.venue, symbol=spec.symbol, tick=spec.tick, lot=spec.lot,
        price_decimals=spec.price_decimals, size_decimals=spec.size_decimals, keying=keying,
        currency=spec.currency, calendar=spec.calendar,
    )  # fmt: skip
