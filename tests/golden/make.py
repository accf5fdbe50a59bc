"""`python tests/golden/make.py [KIND...]`: write a golden file of each kind (or those named) with the present code.

A golden file is a segment as some layout version wrote it, packed, with what a reader must find in it. Once committed it
never changes: a kind whose version is there already is left alone (`--again` overwrites it, for a version nobody has
released yet). What each version promises stands in docs/versions.md; tests/unit/test_golden.py holds it to that.
"""

import argparse
import datetime as dt
import gzip
import hashlib
import json
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from feedhandler import _native
from feedhandler.board import Board, row_dtype
from feedhandler.clock import Clock
from feedhandler.counters import Counter, Counters, read_file
from feedhandler.instruments import Directory, Instrument
from feedhandler.ring import Reader, aligned_records
from feedhandler.tick import Action, Flag, Kind, Side, State

HERE = Path(__file__).resolve().parent
VERSION_AT = 8  # in every kind but the clock, whose magic ends with it

Made = tuple[Path, dict[str, Any]]


def plain(value: Any) -> Any:
    """Return numpy's values as JSON has them; NaN is None."""
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, np.void):
        return {name: plain(value[name]) for name in value.dtype.names or ()}
    item = value.item() if isinstance(value, np.generic) else value
    return None if item != item else item


def records_of(count: int, first: float) -> np.ndarray:
    """One event: a header, levels of both sides with every action, a trade, a state."""
    records = aligned_records(count)
    records["ts_event"] = range(1_700_000_000_000_000_000, 1_700_000_000_000_000_000 + count)
    records["ts_recv"] = records["ts_event"] + 1_000_000
    records["price"] = [first + i / 100_000 for i in range(count)]
    records["size"] = [1000.0 * i for i in range(count)]
    records["ref"] = range(77, 77 + count)
    records["instrument"] = [1 + i % 3 for i in range(count)]
    records["source"] = 1
    records["kind"] = [(Kind.EVENT, Kind.LEVEL, Kind.LEVEL, Kind.TRADE, Kind.STATE)[i % 5] for i in range(count)]
    records["side"] = [(Side.NONE, Side.BID, Side.ASK)[i % 3] for i in range(count)]
    records["action"] = [list(Action)[i % len(Action)] for i in range(count)]
    records["flags"] = [list(Flag)[i % len(Flag)].value & ~Flag.LAST.value for i in range(count)]
    records["level"] = [(State.CONNECTED, State.SYNCED)[i % 2] for i in range(count)]
    records["price"][0] = records["size"][0] = np.nan
    records["flags"][-1] |= Flag.LAST.value
    return records


def ring(folder: Path) -> Made:
    """Two epochs; the second has three events, of which the last is not published, and a note of session 3."""
    first = _native.RingWriter(str(folder), str(folder), "golden", 64)
    first.append(records_of(2, 1.0).view(np.uint8))
    first.publish(0)
    previous = first.epoch
    del first
    writer = _native.RingWriter(str(folder), str(folder), "golden", 64)
    for count in (10, 7):
        writer.append(records_of(count, 1.1).view(np.uint8))
        writer.note(3, 40 + count)
        writer.publish(1_700_000_000_002_000_000)
    writer.append(records_of(3, 9.0).view(np.uint8))
    epoch = writer.epoch
    del writer
    reader = Reader(folder, "golden", from_oldest=True, follow=False, losses="count")
    reader.attach()
    expected = {
        "name": "golden", "epoch": epoch, "previous_epoch": previous, "previous_last": 2, "capacity": 64,
        "published": 17, "note": [3, 47], "records": plain(reader.read().records),
    }  # fmt: skip
    return folder / f"golden.{epoch}", expected


def wait(folder: Path) -> Made:
    """The parking page of a ring."""
    writer = _native.RingWriter(str(folder), str(folder), "golden", 64)
    return folder / "golden.wait", {"epoch_hint": writer.epoch}


def board(folder: Path) -> Made:
    """Depth 2, three rows, of which 1 and 3 are written."""
    writer = _native.BoardWriter(str(folder), 2, 3, 7)
    for instrument in (1, 3):
        row = np.zeros(1, row_dtype(2))
        for i, name in enumerate(row.dtype.names or ()):
            row[name] = instrument * 10 + i
        row["instrument"] = instrument
        row["bids"] = [[1.1, 10.0], [1.0, np.nan]]
        writer.write(instrument, row.view(np.uint8))
    del writer
    reader = Board(folder)
    return folder / "board", {"depth": 2, "publisher_epoch": 7, "rows": plain(reader.rows())}


def directory(folder: Path) -> Made:
    """Two sources, five instruments, one of them with every field, one with the longest texts."""
    path = folder / "instruments.dir"
    writer = Directory(path, writable=True)
    lmax, other = writer.add_source("lmax"), writer.add_source("börse")
    full = Instrument(
        source=lmax, venue_symbol="4001", symbol="EUR/USD", tick=0.00001, lot=0.01, price_decimals=5, size_decimals=2,
        keying="id", currency="USD", calendar="fx",
    )  # fmt: skip
    longest = Instrument(
        source=other, venue_symbol="v" * 71, symbol="s" * 71, currency="c" * 13, calendar="k" * 23, keying="none"
    )
    more = [Instrument(source=s, venue_symbol="€", symbol="EUR/USD") for s in (lmax, other)]
    for instrument in (full, *more, longest, Instrument(source=lmax, venue_symbol="a b", symbol="A/B")):
        writer.add(instrument)
    writer.sync()
    instruments = [{name: getattr(one, name) for name in one.__struct_fields__} for one in writer.all()]
    return path, {"sources": writer.sources(), "instruments": instruments}


def counters(folder: Path) -> Made:
    """Three cells."""
    made = Counters(folder, "golden")
    made.add(Counter.FIX_TICKS, 5, slot=3)
    made.add(Counter.FIX_TICKS, 1 << 60, slot=63)
    made.set(Counter.BRIDGE_CLIENTS, 4)
    path = folder / "golden.counters"
    return path, {"cells": read_file(path)}


def clock(folder: Path) -> Made:
    """A clock that was never stepped."""
    return folder / "clock", {"offset_ns": Clock(folder).offset_ns, "steps": 0}


KINDS: dict[str, Callable[[Path], Made]] = {
    "ring": ring, "wait": wait, "board": board, "directory": directory, "counters": counters, "clock": clock,
}  # fmt: skip


def version_of(kind: str, data: bytes) -> int:
    """The layout version that a segment says it has."""
    if kind == "clock":
        return int(data[7:8].decode())
    return int(struct.unpack_from("<I", data, VERSION_AT)[0])


def make(kind: str, *, again: bool) -> str:
    """Write one golden file and what is expected of it; return what was done."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        path, expected = KINDS[kind](Path(folder))
        data = path.read_bytes()
    name = f"{kind}-v{version_of(kind, data)}"
    packed, facts = HERE / f"{name}.gz", HERE / f"{name}.json"
    if packed.exists() and not again:
        return f"{name}: there already"
    packed.write_bytes(gzip.compress(data, 9, mtime=0))
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=HERE, capture_output=True, text=True, check=True)
    provenance = {
        "made_by": "tests/golden/make.py", "commit": commit.stdout.strip(), "file": path.name, "bytes": len(data),
        "date": dt.datetime.now(dt.UTC).date().isoformat(), "sha256": hashlib.sha256(data).hexdigest(),
    }  # fmt: skip
    facts.write_text(json.dumps({"provenance": provenance, "expected": expected}, indent=1, ensure_ascii=False) + "\n")
    return f"{name}: made, {len(data)} bytes, {packed.stat().st_size} packed"


def main() -> int:
    """Make what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, []], default=[])
    parser.add_argument("--again", action="store_true", help="overwrite a version that is there")
    options = parser.parse_args()
    for kind in options.kinds or KINDS:
        print(make(kind, again=options.again))
    return 0


if __name__ == "__main__":
    sys.exit(main())
