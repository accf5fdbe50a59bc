"""The instrument directory: (source, venue symbol) -> id, shared and on disk (shm/directory.hpp)."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec

from feedhandler import _native

Keying = Literal["none", "price", "id"]
_KEYINGS: tuple[Keying, ...] = ("none", "price", "id")


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument of one source. `id` is 0 until it is in a directory."""

    id: int = 0
    source: int
    venue_symbol: str
    symbol: str
    tick: float = 0.0
    lot: float = 0.0
    price_decimals: int = 0
    size_decimals: int = 0
    keying: Keying = "price"
    currency: str = ""
    calendar: str = ""


class Directory:
    """The directory in `path`, usually `<state_dir>/instruments.dir`. One thread.

    Readers never lock; writers take a lock for the length of one append. Ids are stable for ever. Lookups by id, by
    (source, venue symbol) and by symbol are O(1) and see what the last `refresh`, or an own append, took in.
    Raises a SegmentError (feedhandler.errors): missing, denied, damaged, of another version, no disk.
    """

    def __init__(self, path: str | Path, *, writable: bool = False, placement: _native.Placement | None = None) -> None:
        if writable:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.native = _native.Directory(str(path), writable, placement or _native.Placement())

    def __len__(self) -> int:
        return len(self.native)

    def refresh(self) -> int:
        """Take in what other processes appended; return how many instruments are known."""
        return self.native.refresh()

    def sync(self) -> None:
        """Make what was appended durable: call once after appending, before anybody uses the ids."""
        self.native.sync()

    def add_source(self, name: str) -> int:
        """Return the id of a source, giving it one where it has none; raise SegmentFullError beyond 64."""
        return self.native.add_source(name)

    def source_id(self, name: str) -> int:
        """Return the id of a source, 0 where it is unknown."""
        return self.native.source_id(name)

    def source_name(self, source: int) -> str:
        """Return the name of a source, empty where it is unknown."""
        return self.native.source_name(source)

    def sources(self) -> dict[int, str]:
        """Return {id: name} of all sources."""
        return {i: self.source_name(i) for i in range(1, self.native.source_count + 1)}

    def add(self, instrument: Instrument) -> int:
        """Return the id of (source, venue symbol): the one it has, or a new one. What is there stays as it is."""
        return self.add_many((instrument,))[0]

    def add_many(self, instruments: Iterable[Instrument]) -> list[int]:
        """Return the id of each, in order: one lock and one pass for all, and others see all of the new ones or none.

        Raises ValueError for a text that does not fit, SegmentFullError and SegmentSpaceError where there is no room;
        nothing is added then.
        """
        return self.native.add_many(instruments, _KEYINGS)

    def find(self, source: int, venue_symbol: str) -> int:
        """Return the id, 0 where there is none."""
        return self.native.find(source, venue_symbol)

    def of_symbol(self, symbol: str) -> list[int]:
        """Return the ids of a normalized symbol, of whatever sources, in order; none where there is none."""
        return self.native.of_symbol(symbol)

    def get(self, instrument_id: int) -> Instrument | None:
        """Return an instrument by id, None where it is unknown."""
        fields: Any = self.native.get(instrument_id)
        if fields is None:
            return None
        number, source, venue_symbol, symbol, tick, lot, price_decimals, size_decimals, keying, *texts = fields
        return Instrument(
            id=number, source=source, venue_symbol=venue_symbol, symbol=symbol, tick=tick, lot=lot,
            price_decimals=price_decimals, size_decimals=size_decimals, currency=texts[0], calendar=texts[1],
            keying=_KEYINGS[keying] if keying < len(_KEYINGS) else "none",
        )  # fmt: skip

    def all(self) -> list[Instrument]:
        """Return every instrument, by id."""
        return [entry for i in range(1, self.refresh() + 1) if (entry := self.get(i)) is not None]


def upgrade(path: str | Path) -> tuple[int, int]:
    """Bring a directory of an older layout to this release's, in place; stop all processes before.

    Returns (the layout version that it had, the one that it has). Raises a SegmentError where it cannot be upgraded.
    """
    return _native.upgrade_directory(str(path))
