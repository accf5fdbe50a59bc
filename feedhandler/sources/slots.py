"""Which of a ring's notes belongs to which source, over restarts and changes: `<folder>/<handler>.slots`, JSON.

A note says how far a session had come (shm/README.md), by a number of 0 to 63. What must stay true: a note is read
only for the source that wrote it. So a number that changes its owner is cleared before the file says so.
"""

from pathlib import Path

import msgspec

from feedhandler import _native, limits

_Owners = dict[str, int]


class Slots:
    """The owners of the notes of one ring. One process at a time: the ring's writer."""

    def __init__(self, path: Path, ring: _native.RingWriter, names: list[str]) -> None:
        """Read the file; `names` are the configured sources. Without a file they own 0, 1, 2 ... as before."""
        self._path = path
        self._ring = ring
        try:
            self._owners = msgspec.json.decode(path.read_bytes(), type=_Owners)
        except FileNotFoundError:
            self._owners = {name: i for i, name in enumerate(names)}
        except msgspec.DecodeError:
            self._owners = {}
        numbers = set(self._owners.values())
        if len(numbers) < len(self._owners) or not numbers <= set(range(limits.SOURCES_MAX)):
            self._owners = {}  # damaged: no note is anybody's, sequence stores say where the sessions stand
        for gone in set(self._owners) - set(names):
            del self._owners[gone]

    def take(self, name: str) -> tuple[int, bool]:
        """Return a source's number, and whether a note under it is the source's own. OSError: the disk is full."""
        own = name in self._owners
        if not own:
            taken = set(self._owners.values())
            free = next(i for i in range(limits.SOURCES_MAX) if i not in taken)
            self._clear(free)
            self._owners[name] = free
        self._write()
        return self._owners[name], own

    def free(self, name: str) -> None:
        """Take a source's number away; its note goes."""
        self._clear(self._owners.pop(name))
        self._write()

    def _clear(self, slot: int) -> None:
        for _ in range(2):  # there are two of each, written in turn
            self._ring.note(slot, 0)

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".slots.tmp")
        draft.write_bytes(msgspec.json.encode(self._owners))
        draft.replace(self._path)
