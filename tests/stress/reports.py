"""What stressed writers and readers say of themselves, in files outside the ring (reports.hpp)."""

import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

WAITING = 2

_WRITER = np.dtype([(name, "<u8") for name in (
    "epoch", "first", "intent", "note_intent", "done", "note_done", "events", "refused", "batches", "unstaged", "finished",
)])  # fmt: skip
_ACCOUNT = np.dtype([(name, "<u8") for name in (
    "epoch", "skipped", "read", "lost", "laps", "next", "event", "open", "length", "exact",
)])  # fmt: skip
_READER = np.dtype([
    ("rows", "<u8"), ("doing", "<u8"), ("counts", "<u8", (32,)),
    ("row", [("turn", "<u8"), ("copies", _ACCOUNT, (2,))], (4096,)),
])  # fmt: skip


class Account(NamedTuple):
    """A reader's account of one epoch (reports.hpp)."""

    epoch: int
    skipped: int
    read: int
    lost: int
    laps: int
    next: int
    event: int
    open: int
    length: int
    exact: int


def read_writer(path: Path) -> dict[str, int] | None:
    """A writer's report; None where it was killed before it made one."""
    if not path.exists() or path.stat().st_size < _WRITER.itemsize:
        return None
    row = np.fromfile(path, _WRITER, 1)[0]
    return {name: int(row[name]) for name in _WRITER.names}


class ReaderReport:
    """The report of one life of a reader, read while it lives and behind its end. The file may be still to come."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mapped: np.ndarray | None = None

    @property
    def mapped(self) -> np.void | None:
        """The file's bytes, None where it is not complete."""
        if self._mapped is None and self.path.exists() and self.path.stat().st_size >= _READER.itemsize:
            self._mapped = np.memmap(self.path, _READER, "r")
        return None if self._mapped is None else self._mapped[0]

    @property
    def waiting(self) -> bool:
        """Whether the reader is in a wait, or right before it."""
        return self.mapped is not None and int(self.mapped["doing"]) == WAITING

    def counts(self) -> np.ndarray:
        """How often each outcome was seen."""
        return np.zeros(32, np.int64) if self.mapped is None else self.mapped["counts"].astype(np.int64)

    def accounts(self) -> list[Account]:
        """The accounts of all epochs, oldest first."""
        return [] if self.mapped is None else [self._account(i) for i in range(int(self.mapped["rows"]))]

    def last(self) -> Account | None:
        """The account of the epoch that the reader is in."""
        rows = 0 if self.mapped is None else int(self.mapped["rows"])
        return self._account(rows - 1) if rows else None

    def _account(self, row: int) -> Account:
        assert self.mapped is not None
        both = self.mapped["row"][row]
        while True:  # a living reader may write the copy that is read here: its turn says so
            turn = int(both["turn"])
            account = Account(*map(int, both["copies"][turn & 1].tolist()))
            if int(both["turn"]) == turn:
                return account


class Outcome(NamedTuple):
    """One thing that a reader can come upon."""

    name: str
    allowed: bool
    meaning: str


@cache
def outcomes(programs: Path) -> list[Outcome]:
    """The outcomes of readers, in the order of `ReaderReport.counts`."""
    lines = subprocess.check_output([programs / "ring_reader", "list=1"], text=True, timeout=30).splitlines()
    return [Outcome(name, allowed == "1", meaning) for name, allowed, meaning in (line.split("\t") for line in lines)]
