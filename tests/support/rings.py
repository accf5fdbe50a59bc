"""A ring under a test's hand."""

import mmap
import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from feedhandler import _native
from feedhandler.ring import aligned_records
from feedhandler.tick import Flag, Kind

GUARD_S = 30.0  # a test that waits that long has failed
PARKED = 128  # shm/README.md


class Ring:
    """A writer, and what tests do with it."""

    def __init__(self, folder: Path, name: str = "r", capacity: int = 64) -> None:
        self.folder, self.name, self.capacity = folder, name, capacity
        self.writer = _native.RingWriter(str(folder), str(folder), name, capacity)

    def publish(self, *prices: float, instrument: int = 1, kind: Kind = Kind.LEVEL, ts_recv: int = 0) -> None:
        """One event."""
        records = aligned_records(len(prices))
        records["kind"], records["instrument"], records["price"] = kind, instrument, prices
        records["ts_recv"] = ts_recv
        records["flags"][-1] = Flag.LAST
        self.writer.append(records.view(np.uint8))
        self.writer.publish(0)

    def restart(self) -> int:
        """Let the writer die and another one come; return its epoch."""
        del self.writer
        self.writer = _native.RingWriter(str(self.folder), str(self.folder), self.name, self.capacity)
        return self.writer.epoch

    def lap(self) -> None:
        """Come over every reader."""
        for _ in range(2 * self.capacity):
            self.publish(0.0)

    def await_parked(self) -> None:
        """Wait until somebody is about to sleep on the ring's page."""
        with (self.folder / f"{self.name}.wait").open("r+b") as file, mmap.mmap(file.fileno(), 256) as page:
            while not struct.unpack_from("<I", page, PARKED)[0]:
                os.sched_yield()


def meanwhile(work: Callable[[], object]) -> threading.Thread:
    """Do it in another thread."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread
