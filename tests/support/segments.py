"""Every kind of segment: how to make one, where its file is, how a reader opens it."""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from feedhandler import _native
from feedhandler.board import Board
from feedhandler.clock import Clock
from feedhandler.counters import Counter, Counters, read_file
from feedhandler.instruments import Directory, Instrument
from feedhandler.ring import Reader, aligned_records
from feedhandler.tick import Flag, Kind
from tests.support import boards

CAPACITY = 64


class Segment(NamedTuple):
    """One kind: `make` leaves a closed file and returns its path; `use` opens it as a reader and reads all of it."""

    name: str
    make: Callable[[Path], Path]
    use: Callable[[Path], Any]


def make_ring(folder: Path) -> Path:
    writer = _native.RingWriter(str(folder), str(folder), "r", CAPACITY)
    records = aligned_records(3)
    records["kind"], records["flags"] = Kind.TRADE, Flag.LAST
    for _ in range(30):
        writer.append(records.view(np.uint8))
    writer.publish(0)
    return folder / f"r.{writer.epoch}"


def use_ring(folder: Path) -> int:
    reader = Reader(folder, "r", from_oldest=True, follow=False, losses="count")
    reader.open()
    records = 0
    for _ in range(10):
        records += len(reader.read().records)
    first, borrowed = reader.view()
    reader.still_valid(first)
    bytes(borrowed)
    reader.wait(0)
    reader.state()
    reader.follow()
    return records


def make_wait(folder: Path) -> Path:
    make_ring(folder)
    return folder / "r.wait"


def make_board(folder: Path) -> Path:
    board = boards.make(folder)
    boards.write(board, 1, 2.0)
    return folder / "board"


def use_board(folder: Path) -> int:
    board = Board(folder)
    board.changes(0)
    return len(board.rows())


def make_counters(folder: Path) -> Path:
    Counters(folder, "p").add(Counter.FIX_TICKS, 5)
    return folder / "p.counters"


def make_directory(folder: Path) -> Path:
    path = folder / "i.dir"
    directory = Directory(path, writable=True)
    source = directory.add_source("s")
    for i in range(3):
        directory.add(Instrument(source=source, venue_symbol=f"V{i}", symbol=f"S{i}"))
    directory.sync()
    return path


def use_directory(folder: Path) -> int:
    directory = Directory(folder / "i.dir")
    directory.find(1, "V1")
    directory.sources()
    return len(directory.all())


def make_clock(folder: Path) -> Path:
    Clock(folder)
    return folder / "clock"


def use_clock(folder: Path) -> int:
    return Clock(folder).now_ns()


RING = Segment("ring", make_ring, use_ring)
WAIT = Segment("wait page", make_wait, use_ring)
BOARD = Segment("board", make_board, use_board)
COUNTERS = Segment("counters file", make_counters, lambda folder: read_file(folder / "p.counters"))
DIRECTORY = Segment("instrument directory", make_directory, use_directory)
CLOCK = Segment("clock", make_clock, use_clock)
SEGMENTS = (RING, WAIT, BOARD, COUNTERS, DIRECTORY, CLOCK)


def patch(path: Path, offset: int, form: str, *values: int) -> None:
    """Overwrite packed numbers in a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(struct.pack(form, *values))


def version_of(path: Path) -> int:
    """The layout version that a file's header says."""
    return int(struct.unpack_from("<I", path.read_bytes()[:12], 8)[0])


def make_sparse(path: Path) -> None:
    """Give back the memory of a file's second half; its length stays."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        os.truncate(file.fileno(), size // 2)
        os.truncate(file.fileno(), size)
