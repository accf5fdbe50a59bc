"""Names behind the numbers of a record, and filters by name."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import partial
from typing import NamedTuple

import numpy as np

from feedhandler.errors import FeedhandlerError, UsageError
from feedhandler.instruments import Directory
from feedhandler.ring import Records
from feedhandler.ring_tool.place import Place
from feedhandler.tick import Kind

WHOLE_SOURCE = "*"


class Names:
    """Symbols and source names of ids. Without a directory an id is `#<id>`. One thread."""

    def __init__(self, place: Place) -> None:
        path = place.directory
        self.directory = None if path is None else Directory(path)
        self._symbols: dict[int, tuple[str, str]] = {0: (WHOLE_SOURCE, WHOLE_SOURCE)}
        self._sources: dict[int, str] = {0: WHOLE_SOURCE}

    def symbol(self, instrument: int) -> tuple[str, str]:
        """Return (symbol, the venue's own symbol); `*` for the whole source."""
        known = self._symbols.get(instrument)
        if known is None:
            entry = None
            if self.directory is not None:
                self.directory.refresh()
                entry = self.directory.get(instrument)
            if entry is None:
                return f"#{instrument}", f"#{instrument}"
            known = self._symbols[instrument] = (entry.symbol, entry.venue_symbol)
        return known

    def source(self, source: int) -> str:
        """Return a source's name."""
        known = self._sources.get(source)
        if known is None:
            name = "" if self.directory is None else self.directory.source_name(source)
            if not name:
                return f"#{source}"
            known = self._sources[source] = name
        return known


class Origin(NamedTuple):
    """Where records come from, and the names of what they speak of."""

    ring: str
    epoch: int
    names: Names


class Filter:
    """Which records are shown: those of any of these symbols, and sources, and kinds; all where none is given.

    A symbol is the normalized one, the venue's own, or `#<id>`. Raises UsageError for a kind there is not,
    FeedhandlerError for a symbol or source that the directory does not have.
    """

    def __init__(
        self, names: Names, *, symbols: Sequence[str] = (), sources: Sequence[str] = (), kinds: Sequence[str] = ()
    ) -> None:
        self._instruments = _ids(symbols, partial(_symbols, names), "symbol")
        self._sources = _ids(sources, partial(_sources, names), "source")
        self._kinds = None if not kinds else np.array([_kind(name) for name in kinds], np.uint8)

    def chosen(self, records: Records) -> Records:
        """Return the records that pass."""
        for field, wanted in (("instrument", self._instruments), ("source", self._sources), ("kind", self._kinds)):
            if wanted is not None:
                records = records[np.isin(records[field], wanted)]
        return records


def _kind(name: str) -> int:
    try:
        return Kind[name.upper()].value
    except KeyError:
        known = ", ".join(kind.name.lower() for kind in Kind if kind)
        raise UsageError(f"{name!r} is no kind of record; kinds are {known}") from None


def _symbols(names: Names) -> list[tuple[str, int]]:
    instruments = [] if names.directory is None else names.directory.all()
    return [(name, each.id) for each in instruments for name in (each.symbol, each.venue_symbol)]


def _sources(names: Names) -> list[tuple[str, int]]:
    return [] if names.directory is None else [(name, i) for i, name in names.directory.sources().items()]


def _ids(wanted: Sequence[str], look: Callable[[], list[tuple[str, int]]], what: str) -> Records | None:
    if not wanted:
        return None
    known: dict[str, set[int]] = {}
    for name, number in look():
        known.setdefault(name, set()).add(number)
    ids: set[int] = set()
    for name in wanted:
        if name.startswith("#") and name[1:].isdecimal():
            ids.add(int(name[1:]))
        elif name in known:
            ids |= known[name]
        else:
            raise FeedhandlerError(_unknown(name, known, what))
    return np.array(sorted(ids), np.uint32)


def _unknown(name: str, known: dict[str, set[int]], what: str) -> str:
    if not known:
        return f"{what} {name!r}: names need the instrument directory; give --config or --state-dir, or an id as #<id>"
    close = get_close_matches(name, known, 1)
    return f"no {what} {name!r} in the instrument directory{f'; did you mean {close[0]!r}?' if close else ''}"
