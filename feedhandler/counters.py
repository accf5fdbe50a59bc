"""Counters in shared memory: one file a process, one writer a cell (shm/counters.hpp)."""

from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from feedhandler import _native, clock

_make_enum: Any = IntEnum  # its members come from the extension, which a type checker cannot see
Counter: Any = _make_enum("Counter", [(name.upper(), i) for i, name in enumerate(_native.counter_names())])
"""Every counter there is; the names and their order are shm/counters.hpp's."""

SLOTS: int = _native.COUNTER_SLOTS
_HEADER = np.dtype(
    [
        ("magic", "<u8"),
        ("version", "<u4"),
        ("counters", "<u4"),
        ("slots", "<u4"),
        ("pid", "<u4"),
        ("created_ns", "<i8"),
        ("process", "S32"),
    ]
)
_NAME = "S32"


class Counters:
    """Counters of this process. One thread writes a cell; anyone may read it at any time.

    Creates `<shm_dir>/<process>.counters`, replacing an earlier process's file by rename.
    """

    def __init__(self, shm_dir: str | Path, process: str, placement: _native.Placement | None = None) -> None:
        Path(shm_dir).mkdir(parents=True, exist_ok=True)
        self.native = _native.Counters(str(shm_dir), process, clock.now_ns(), placement or _native.Placement())

    def add(self, counter: int, n: int = 1, slot: int = 0) -> None:
        """Add `n` to a cell."""
        self.native.add(counter, n, slot)

    def set(self, counter: int, value: int, slot: int = 0) -> None:
        """Set a gauge's cell."""
        self.native.set(counter, value, slot)

    def get(self, counter: int, slot: int = 0) -> int:
        """Return a cell."""
        return self.native.get(counter, slot)


def read_file(path: str | Path) -> dict[str, dict[int, int]]:
    """Return {counter name: {slot: value}} of one counters file; cells of zero are left out.

    Raises SegmentMissingError, SegmentDeniedError, SegmentDamagedError, or SegmentVersionError for another release's.
    """
    _native.check_counters(str(path))
    data = Path(path).read_bytes()
    header = np.frombuffer(data, _HEADER, 1)[0]
    count, slots = int(header["counters"]), int(header["slots"])
    names = np.frombuffer(data, _NAME, count, _HEADER.itemsize)
    cells = np.frombuffer(data, "<u8", offset=len(data) - count * slots * 8).reshape(count, slots)
    result: dict[str, dict[int, int]] = {}
    for counter, slot in zip(*np.nonzero(cells), strict=True):
        name = names[counter].decode("ascii", "replace")
        result.setdefault(name, {})[int(slot)] = int(cells[counter, slot])
    return result


def read_all(shm_dir: str | Path) -> dict[str, dict[str, dict[int, int]]]:
    """Return {process: {counter name: {slot: value}}} of every counters file in a folder."""
    return {path.stem: read_file(path) for path in sorted(Path(shm_dir).glob("*.counters"))}
