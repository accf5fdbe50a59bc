"""Every tick of a ring, in order: `ring_reader.py SHM_DIR RING [--count N]`.

The records are read straight from shared memory. A reader that is too slow is told how many it missed; one whose
writer restarts reads the old epoch to its end and goes on with the next.
"""

import argparse
import time
from pathlib import Path

from feedhandler.ring import Attach, Reader
from feedhandler.tick import Kind, Side


def attach(shm_dir: Path, ring: str) -> Reader:
    """Wait for the ring; exit where waiting does not help: another version, no permission, no ring at all."""
    reader = Reader(shm_dir, ring, from_oldest=True)
    while (state := reader.attach()) != Attach.OK:
        if state not in (Attach.MISSING, Attach.STARTING):
            raise SystemExit(reader.problem)
        time.sleep(0.05)
    return reader


def run(shm_dir: Path, ring: str, count: int) -> None:
    """Print trades and changes of levels until `count` ticks were seen (0: for ever)."""
    reader = attach(shm_dir, ring)
    seen = 0
    while not count or seen < count:
        batch = reader.read()
        if batch.lost:
            print(f"lost {batch.lost} records: books built from this ring need a snapshot", flush=True)
        for record in batch.records:
            if record["kind"] not in (Kind.LEVEL, Kind.TRADE):
                continue
            seen += 1
            kind, side = Kind(record["kind"]).name, Side(record["side"]).name
            print(record["seq"], record["instrument"], kind, side, record["price"], record["size"], flush=True)
        if len(batch.records) or batch.lost or reader.follow() or reader.wait(100_000_000):
            continue
        if reader.state() == Attach.WRITER_DEAD:
            print("the handler is gone; waiting for the next", flush=True)
            time.sleep(0.1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shm_dir", type=Path)
    parser.add_argument("ring")
    parser.add_argument("--count", type=int, default=0)
    options = parser.parse_args()
    run(options.shm_dir, options.ring, options.count)
