"""The instrument directory: (source, venue symbol) -> id, shared and on disk (shm/directory.hpp)."""

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
    """The directory in `path`, usually `<state_dir>/instruments.dir`.

    Readers never lock; writers take a lock for the length of one append. Ids are stable for ever.
    Raises OSError where the file cannot be opened, RuntimeError where its version is another.
    """

    def __init__(self, path: str | Path, *, writable: bool = False) -> None:
        if writable:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.native = _native.Directory(str(path), writable)

    def __len__(self) -> int:
        return len(self.native)

    def refresh(self) -> int:
        """Take in what other processes appended; return how many instruments are known."""
        return self.native.refresh()

    def sync(self) -> None:
        """Make what was appended durable: call once after a run of `add`."""
        self.native.sync()

    def add_source(self, name: str) -> int:
        """Return the id of a source, giving it one where it has none."""
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
        """Return the id of (source, venue symbol): the one it has, or a new one."""
        return self.native.add(
            instrument.source,
            instrument.venue_symbol,
            instrument.symbol,
            instrument.tick,
            instrument.lot,
            instrument.price_decimals,
            instrument.size_decimals,
            _KEYINGS.index(instrument.keying),
            instrument.currency,
            instrument.calendar,
        )

    def find(self, source: int, venue_symbol: str) -> int:
        """Return the id, 0 where the directory as last refreshed has none."""
        return self.native.find(source, venue_symbol)

    def get(self, instrument_id: int) -> Instrument | None:
        """Return an instrument by id, None where it is unknown."""
        fields: Any = self.native.get(instrument_id)
        if fields is None:
            return None
        values: dict[str, Any] = dict(zip(Instrument.__struct_fields__, fields, strict=True))
        return Instrument(**{**values, "keying": _KEYINGS[values["keying"]]})

    def all(self) -> list[Instrument]:
        """Return every instrument, by id."""
        return [entry for i in range(1, self.refresh() + 1) if (entry := self.get(i)) is not None]
