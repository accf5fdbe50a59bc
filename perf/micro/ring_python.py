"""Reading a ring from Python: batches, empty polls, borrowed records, and awaiting in an event loop."""

import argparse
import asyncio
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from feedhandler import _native, clock
from feedhandler.ring import Reader, aligned_records
from feedhandler.tick import TICK, Flag, Kind
from perf import result
from perf.result import Result, Timed

BATCH = 64
CAPACITY = 1 << 16
CALLS = 500
CHUNKS = 20
PAUSE_S = 0.0005  # by then whoever waits is asleep


class Bench:
    """A ring and a reader of 64 records a batch."""

    def __init__(self, folder: str) -> None:
        self.writer = _native.RingWriter(folder, folder, "bench", CAPACITY)
        self.reader = Reader(folder, "bench", max_records=BATCH)
        records = np.zeros(BATCH * CALLS, TICK)
        records["kind"], records["flags"] = Kind.LEVEL, Flag.LAST
        self._many = records.view(np.uint8)
        self.one_batch = records[:BATCH].view(np.uint8)

    def refill(self) -> None:
        """Read what is left, then publish CALLS batches."""
        self.drain()
        self.writer.append(self._many)
        self.writer.publish(1)

    def publish(self) -> None:
        """Publish one batch."""
        self.writer.append(self.one_batch)
        self.writer.publish(1)

    def drain(self) -> None:
        """Read until nothing is left."""
        while len(self.reader.read().records):
            pass


def whole(records: Any) -> None:
    """Raise where a batch is not 64 records: a benchmark of nothing is quick."""
    if len(records) != BATCH:
        raise RuntimeError("a batch was not there")


def reads(options: argparse.Namespace) -> Iterator[Result]:
    """Time a read of a batch beside one of the same bytes from a pipe and a bare copy; an empty poll beside len()."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        bench = Bench(folder)
        reader, out = bench.reader, aligned_records(BATCH)
        source, target = (aligned_records(BATCH).view(np.uint8) for _ in range(2))
        read_end, write_end = os.pipe()
        payload = bench.one_batch.tobytes()

        def read() -> None:
            for _ in range(CALLS):
                whole(reader.read().records)

        def read_out() -> None:
            for _ in range(CALLS):
                whole(reader.read(out).records)

        def view() -> None:
            for _ in range(CALLS):
                first, records = reader.view(BATCH)
                whole(records)
                if reader.still_valid(first):
                    reader.advance(BATCH)

        def pipe() -> None:
            for _ in range(CALLS):
                os.write(write_end, payload)
                os.read(read_end, len(payload))

        bench.refill()
        contenders: dict[str, tuple[Callable[[], Any], int]] = {
            "read": (read, CALLS),
            "out": (read_out, CALLS),
            "view": (view, CALLS),
            "pipe": (pipe, CALLS),
            "copy": (lambda: [np.copyto(target, source) for _ in range(CALLS)], CALLS),
        }
        found = result.in_turns(options.runs, CHUNKS, contenders, after=bench.refill)
        os.close(read_end)
        os.close(write_end)
        yield result.result("ring/python_read64", "ns/batch", found["read"], "pipe write and read", found["pipe"])
        for name in ("read", "out", "view"):
            yield result.result(f"ring/python_{name}64_vs_copy", "ns/batch", found[name], "numpy copy", found["copy"])
        bench.drain()
        empty = result.in_turns(
            options.runs,
            CHUNKS,
            {
                "poll": (lambda: [reader.read() for _ in range(CALLS)], CALLS),
                "call": (lambda: [len(source) for _ in range(CALLS)], CALLS),
            },
        )
        yield result.result("ring/python_empty_poll", "ns/call", empty["poll"], "len() of an array", empty["call"])


class Awaits:
    """How long one task takes to get a batch: there already, or published while it waits."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._loop = asyncio.new_event_loop()
        self._pipe = os.pipe()
        self._payload = bench.one_batch.tobytes()
        self._given_ns = 0

    def close(self) -> None:
        """End the loop."""
        self._loop.close()
        for end in self._pipe:
            os.close(end)

    def run(self, work: Callable[[], Any]) -> Callable[[], Any]:
        """Return a plain function that runs a coroutine function on the loop."""
        return lambda: self._loop.run_until_complete(work())

    async def ready(self) -> None:
        """Await batches that are there."""
        for _ in range(CALLS):
            whole((await self._bench.reader.read_async()).records)

    async def turn(self) -> None:
        """Give the loop turns, nothing else."""
        for _ in range(CALLS):
            await asyncio.sleep(0)

    async def ring(self) -> None:
        """Await a batch of the ring."""
        whole((await self._bench.reader.read_async()).records)

    async def pipe(self) -> None:
        """Await the same bytes on a pipe."""
        done = self._loop.create_future()
        self._loop.add_reader(self._pipe[0], done.set_result, None)
        await done
        self._loop.remove_reader(self._pipe[0])
        os.read(self._pipe[0], len(self._payload))

    def woken(self, runs: int) -> dict[str, Timed]:
        """Time each from the moment at which its bytes are given, long after the wait began."""
        found: dict[str, Timed] = {"ring": ([], []), "pipe": ([], [])}
        ways: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
            "ring": (self.ring, self._bench.publish),
            "pipe": (self.pipe, lambda: os.write(self._pipe[1], self._payload)),
        }
        for _ in range(runs):
            for name, (get, give) in ways.items():
                samples = [self._loop.run_until_complete(self._once(get, give)) for _ in range(CALLS)]
                found[name][0].append(statistics.median(samples))
                found[name][1].append(float(np.quantile(samples, 0.99, method="higher")))
        return found

    async def _once(self, get: Callable[[], Any], give: Callable[[], Any]) -> int:
        self._loop.call_later(PAUSE_S, self._give, give)
        await get()
        return clock.monotonic_ns() - self._given_ns

    def _give(self, give: Callable[[], Any]) -> None:
        self._given_ns = clock.monotonic_ns()
        give()


def awaits(options: argparse.Namespace) -> Iterator[Result]:
    """Time `read_async` of what is there beside a bare turn of the loop; and where it is woken, beside a pipe."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        bench = Bench(folder)
        loop = Awaits(bench)
        bench.refill()
        found = result.in_turns(
            options.runs,
            CHUNKS,
            {"ready": (loop.run(loop.ready), CALLS), "turn": (loop.run(loop.turn), CALLS)},
            after=bench.refill,
        )
        yield result.result("ring/python_await_ready", "ns/batch", found["ready"], "sleep(0)", found["turn"])
        bench.drain()
        found = loop.woken(options.runs)
        yield result.result("ring/python_await_woken", "ns/batch", found["ring"], "a pipe in the loop", found["pipe"])
        loop.close()
