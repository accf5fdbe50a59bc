"""`python -m perf.micro.ring`: writing, reading and waiting on a ring, natively and from Python.

Peers in the same run: bare copies, a bare cache line, a bare futex, a pipe, iceoryx2 and multiprocessing.Queue.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from perf import result
from perf.micro import native, ring_merged, ring_peers, ring_python
from perf.result import Result


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


def readers(options: argparse.Namespace) -> Iterator[Result]:
    """Native: what readers cost the writer, and how often a parked one is woken."""
    found, _ = native.run("readers_bench", str(options.runs))
    yield result.result("ring/write_8_readers_1khz", "ns/record", found["polled"], "no readers", found["alone"])
    yield result.result("ring/parked_wakes", "wakes/batch of 64", found["wakes"])
    yield result.result("ring/parked_sleeps", "context switches/batch of 64", found["sleeps"])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = result.parser("perf.micro.ring", Path(__file__).stem).parse_args(argv)
    return result.run(
        options, (batches, hops, readers, ring_python.reads, ring_python.awaits, ring_merged.merges, ring_peers.samples)
    )


if __name__ == "__main__":
    sys.exit(main())
