"""`python -m perf.micro.ring`: writing, reading and waiting on a ring, natively and from Python."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from feedhandler import _native
from feedhandler.ring import Attach, Reader, aligned_records
from feedhandler.tick import TICK, Flag, Kind
from perf import result
from perf.micro import native
from perf.result import Result

BATCH = 64
CAPACITY = 1 << 16
CALLS = 500


def batches(options: argparse.Namespace) -> Iterator[Result]:
    """Native: batches of 64 and single records, beside bare copies and stores."""
    found, _ = native.run("ring_bench", str(options.runs))
    for name, peer, what in (
        ("write_batch64", "copy_in", "memcpy of the same batch"),
        ("read_batch64", "copy_out", "memcpy of the same batch"),
        ("publish_single", "store_and_fence", "64 bytes, release store, full fence"),
    ):
        yield result.result(f"ring/{name}", "ns/record", found[name], what, found[peer])


def hops(options: argparse.Namespace) -> Iterator[Result]:
    """Native, process to process on two cores: spinning and parked, beside the bare means."""
    found, _ = native.run("hop_bench", str(options.runs))
    yield result.result("ring/hop_spin", "ns", found["ring_spin"], "bare cache line", found["cache_line"])
    yield result.result("ring/hop_park", "ns", found["ring_park"], "bare futex wake", found["futex"])
    yield result.result("ring/hop_park_vs_pipe", "ns", found["ring_park"], "pipe", found["pipe"])


def _records(count: int) -> "np.ndarray[Any, np.dtype[Any]]":
    records = np.zeros(count, TICK)
    records["kind"], records["flags"] = Kind.LEVEL, Flag.LAST
    return records


def from_python(options: argparse.Namespace) -> Iterator[Result]:
    """Python: a read of a batch beside a read of the same bytes from a pipe; an empty poll beside an empty call."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        writer = _native.RingWriter(folder, folder, "bench", CAPACITY)
        reader = Reader(folder, "bench", max_records=BATCH)
        if reader.attach() != Attach.OK:
            raise RuntimeError("the ring could not be attached")
        records = _records(BATCH)
        source, target = (aligned_records(BATCH).view(np.uint8) for _ in range(2))
        many = _records(BATCH * CALLS).view(np.uint8)
        read_end, write_end = os.pipe()

        def read_all() -> None:
            for _ in range(CALLS):
                if len(reader.read().records) != BATCH:
                    raise RuntimeError("a batch was not there")

        def refill() -> None:
            while len(reader.read().records):
                pass
            writer.append(many)
            writer.publish(1)

        def pipe() -> None:
            payload = records.tobytes()
            for _ in range(CALLS):
                os.write(write_end, payload)
                os.read(read_end, len(payload))

        refill()
        contenders: dict[str, tuple[Callable[[], Any], int]] = {
            "read": (read_all, CALLS),
            "pipe": (pipe, CALLS),
            "copy": (lambda: [np.copyto(target, source) for _ in range(CALLS)], CALLS),
        }
        found = result.in_turns(options.runs, 20, contenders, after=refill)
        yield result.result("ring/python_read64", "ns/batch", found["read"], "pipe write and read", found["pipe"])
        yield result.result("ring/python_read64_vs_copy", "ns/batch", found["read"], "numpy copy", found["copy"])
        while len(reader.read().records):
            pass
        empty = result.in_turns(
            options.runs,
            20,
            {
                "poll": (lambda: [reader.read() for _ in range(CALLS)], CALLS),
                "call": (lambda: [len(records) for _ in range(CALLS)], CALLS),
            },
        )
        yield result.result("ring/python_empty_poll", "ns/call", empty["poll"], "len() of an array", empty["call"])
        os.close(read_end)
        os.close(write_end)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = result.parser("perf.micro.ring", Path(__file__).stem).parse_args(argv)
    return result.run(options, (batches, hops, from_python))


if __name__ == "__main__":
    sys.exit(main())
