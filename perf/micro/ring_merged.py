"""Four rings read as one timeline from Python, beside reading each and sorting with numpy."""

import argparse
import tempfile
from collections.abc import Iterator

import numpy as np

from feedhandler import _native
from feedhandler.ring import MergedReader, Reader
from feedhandler.tick import TICK, Flag, Kind
from perf import result
from perf.result import Result

RINGS = 4
BATCH = 64
CAPACITY = 1 << 14
CALLS = 100
CHUNKS = 20


class Bench:
    """Rings whose records' times take turns, and two ways to read them."""

    def __init__(self, folder: str) -> None:
        names = [f"ring{i}" for i in range(RINGS)]
        self._writers = [_native.RingWriter(folder, folder, name, CAPACITY) for name in names]
        self.merged = MergedReader(folder, names, bound_s=0.0, max_records=BATCH)
        self.each = [Reader(folder, name, max_records=BATCH // RINGS) for name in names]
        self._time = 0

    def refill(self) -> None:
        """Read what is left, then publish CALLS batches, of all rings together."""
        while len(self.merged.read().records):
            pass
        for reader in self.each:
            while len(reader.read().records):
                pass
        count = CALLS * BATCH // RINGS
        records = np.zeros(count, TICK)
        records["kind"], records["flags"] = Kind.LEVEL, Flag.LAST
        for i, writer in enumerate(self._writers):
            records["ts_recv"] = self._time + i + np.arange(1, count + 1) * RINGS
            writer.append(records.view(np.uint8))
            writer.publish(1)
        self._time += count * RINGS

    def read_merged(self) -> None:
        """Read all by the merge."""
        for _ in range(CALLS):
            batch = self.merged.read()
            if len(batch.records) != BATCH or batch.late:
                raise RuntimeError("a batch was not there, or not in order")

    def read_and_sort(self) -> None:
        """Read each ring and sort what came together, which is right only where the rings go in step, as here."""
        for _ in range(CALLS):
            records = np.concatenate([reader.read().records for reader in self.each])
            if len(records[np.argsort(records["ts_recv"], kind="stable")]) != BATCH:
                raise RuntimeError("a batch was not there")


def merges(options: argparse.Namespace) -> Iterator[Result]:
    """Time a batch of 64 records of four rings."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        bench = Bench(folder)
        bench.refill()
        found = result.in_turns(
            options.runs,
            CHUNKS,
            {"merged": (bench.read_merged, CALLS), "sorted": (bench.read_and_sort, CALLS)},
            after=bench.refill,
        )
        yield result.result(
            "ring/python_merged64", "ns/batch", found["merged"], "four reads and a numpy sort", found["sorted"]
        )
