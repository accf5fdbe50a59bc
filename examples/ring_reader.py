"""Every tick of a ring, in order: `ring_reader.py SHM_DIR RING [--count N]`.

The records are read straight from shared memory. A reader that is too slow is told how many it missed; one whose
writer restarts reads the old epoch to its end and goes on with the next.
"""

import argparse
from pathlib import Path

from feedhandler.errors import LostError, SegmentError
from feedhandler.ring import Attach, Reader
from feedhandler.tick import Kind, Side


def run(shm_dir: Path, ring: str, count: int) -> None:
    """Print trades and changes of levels until `count` ticks were seen (0: for ever)."""
    reader = Reader(shm_dir, ring, from_oldest=True, kinds=(Kind.LEVEL, Kind.TRADE))
    seen = 0
    while not count or seen < count:
        try:
            batch = reader.read(timeout=1.0)
        except LostError as loss:
            print(f"{loss}: books built from this ring need a snapshot", flush=True)
            continue
        except SegmentError as error:
            raise SystemExit(str(error)) from None
        for record in batch.records:
            seen += 1
            kind, side = Kind(record["kind"]).name, Side(record["side"]).name
            print(record["seq"], record["instrument"], kind, side, record["price"], record["size"], flush=True)
        if len(batch.records) == 0 and reader.state() == Attach.WRITER_DEAD:
            print("the handler is gone; waiting for the next", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shm_dir", type=Path)
    parser.add_argument("ring")
    parser.add_argument("--count", type=int, default=0)
    options = parser.parse_args()
    run(options.shm_dir, options.ring, options.count)
