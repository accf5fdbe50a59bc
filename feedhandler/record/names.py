"""Names behind the numbers of a record: what journal and sinks need of the instrument directory."""

from typing import Any, Protocol

import msgspec

WHOLE_SOURCE = "*"  # instrument 0, and source 0


class Names(Protocol):
    """The directory as the recorder sees it. refresh() may be called at any time, by any thread."""

    def refresh(self) -> int:
        """Look for new entries; returns how many instruments are known."""

    def symbol(self, instrument: int) -> tuple[str, str]:
        """(symbol, venue symbol); unknown ids are "#<id>", 0 is "*"."""

    def source(self, source: int) -> str:
        """Name of a source; unknown ids are "#<id>", 0 is "*"."""

    def snapshot(self) -> bytes:
        """Return the whole directory as JSON: {"sources": {id: name}, "instruments": [{...}]}."""


class FixedNames:
    """A directory that does not change: for tests and for reading a journal's own snapshots."""

    def __init__(self, snapshot: bytes = b'{"sources":{},"instruments":[]}') -> None:
        self._raw = snapshot
        data: dict[str, Any] = msgspec.json.decode(snapshot)
        self._sources = {int(key): name for key, name in data["sources"].items()}
        self._symbols = {row["id"]: (row["symbol"], row["venue_symbol"]) for row in data["instruments"]}

    def refresh(self) -> int:
        """Instruments known."""
        return len(self._symbols)

    def symbol(self, instrument: int) -> tuple[str, str]:
        """(symbol, venue symbol)."""
        unknown = WHOLE_SOURCE if instrument == 0 else f"#{instrument}"
        return self._symbols.get(instrument, (unknown, unknown))

    def source(self, source: int) -> str:
        """Name of a source."""
        return str(self._sources.get(source, WHOLE_SOURCE if source == 0 else f"#{source}"))

    def snapshot(self) -> bytes:
        """Return the JSON it was made of."""
        return self._raw
