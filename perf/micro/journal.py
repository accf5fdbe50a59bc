"""`python -m perf.micro.journal`: records a second into the journal alone, beside a plain write of the same bytes."""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from feedhandler.record.format import BLOCK_BYTES
from feedhandler.record.journal import open_journal
from feedhandler.record.names import FixedNames
from feedhandler.record.tap import aligned_buffer
from feedhandler.record.writer import Policy, RingJournal
from feedhandler.tick import RECORD_BYTES, TICK, Flag, Kind
from perf import result
from perf.result import Result, Timed

T0 = 1_795_000_000_000_000_000
BLOCKS = 50
SEGMENT_BYTES = 256 << 20


def _block(count: int) -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
    buffer = aligned_buffer(BLOCK_BYTES + count * RECORD_BYTES)
    records = buffer[BLOCK_BYTES:].view(TICK)
    records["kind"], records["flags"], records["ts_recv"] = Kind.LEVEL, Flag.LAST, T0
    return buffer, records


def _rates(timed: Timed) -> Timed:
    """Turn ns a record into records a second; the tail is the slow one: the 99th percentile of the times."""
    return [1e9 / value for value in timed[0]], [1e9 / value for value in timed[1]]


def blocks(options: argparse.Namespace) -> Iterator[Result]:
    """Blocks of two sizes, without fsync (what the disk does is not the journal's), read back and counted."""
    for size in (256, 4096):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            journal = RingJournal(Path(folder), "bench", Policy(SEGMENT_BYTES, "none"), FixedNames())
            journal.begin_epoch(1, 0, 0)
            buffer, records = _block(size)
            seqs = np.arange(size, dtype=np.uint64)
            plain = os.open(Path(folder, "plain"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
            os.posix_fallocate(plain, 0, SEGMENT_BYTES)
            end = 0

            def append(buffer: Any = buffer, records: Any = records, journal: Any = journal, seqs: Any = seqs) -> None:
                for _ in range(BLOCKS):
                    records["seq"] = seqs + (journal.last + 1)
                    journal.append_records(buffer, records, T0)

            def write(buffer: Any = buffer, plain: int = plain) -> None:
                nonlocal end
                for _ in range(BLOCKS):
                    end = 0 if end + len(buffer) > SEGMENT_BYTES else end
                    end += os.pwrite(plain, buffer, end)

            items = BLOCKS * size
            found = result.in_turns(options.runs, 10, {"journal": (append, items), "plain": (write, items)})
            journal.finish_epoch(T0, complete=True)
            os.close(plain)
            stored = sum(len(block.records) for block in open_journal(Path(folder)).blocks("bench"))
            if stored != journal.last:
                raise RuntimeError(f"{journal.last} records written, {stored} read back")
            yield result.result(
                f"journal/append_{size}", "records/s", _rates(found["journal"]), "plain pwrite", _rates(found["plain"])
            )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parse = result.parser("perf.micro.journal", Path(__file__).stem)
    parse.add_argument("--folder", type=Path, help="where the files go (default: the temporary folder)")
    return result.run(parse.parse_args(argv), (blocks,))


if __name__ == "__main__":
    sys.exit(main())
