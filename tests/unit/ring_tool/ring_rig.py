"""A shared memory folder with rings in it, and the command as a process."""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import numpy as np

from feedhandler import _native, clock
from feedhandler.cli import main
from feedhandler.instruments import Directory, Instrument
from feedhandler.tick import TICK, Action, Flag, Kind, Side, State

COMMAND = [sys.executable, "-c", "import sys; from feedhandler.cli import main; sys.exit(main())", "ring"]
T0 = 1_700_000_000_000_000_000


class Done(NamedTuple):
    """What a command that ended left."""

    returncode: int
    stdout: str
    stderr: str


def ring(*arguments: object) -> Done:
    """Run `feedhandler ring ...` in this process, which saves its start."""
    streams = [io.TextIOWrapper(io.BytesIO(), write_through=True) for _ in range(2)]
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        code = main(["ring", *map(str, arguments)])
    return Done(code, *(stream.buffer.getvalue().decode() for stream in streams))


def ring_json(*arguments: object) -> object:
    """Run it with --json; it must succeed without a word on stderr."""
    done = ring(*arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def directory(folder: Path) -> Path:
    """Make a state folder whose directory knows EUR/USD (1) and GBP/USD (2) of simvenue (1)."""
    state = folder / "state"
    known = Directory(state / "instruments.dir", writable=True)
    source = known.add_source("simvenue")
    known.add(Instrument(source=source, venue_symbol="EURUSD", symbol="EUR/USD"))
    known.add(Instrument(source=source, venue_symbol="GBPUSD", symbol="GBP/USD"))
    return state


def writer(folder: Path, name: str = "r1", capacity: int = 1024) -> _native.RingWriter:
    """Start an epoch; the state is kept in the folder itself."""
    held = _native.RingWriter(str(folder), str(folder), name, capacity)
    held.heartbeat(clock.monotonic_ns() + 600_000_000_000)  # nobody beats it on while a test runs
    return held


def level(price: float, size: float, instrument: int = 1, side: Side = Side.BID) -> dict[str, object]:
    """One LEVEL record's fields."""
    return {"kind": Kind.LEVEL, "side": side, "action": Action.NEW, "price": price, "size": size,
            "instrument": instrument}  # fmt: skip


def trade(price: float, size: float, instrument: int = 1) -> dict[str, object]:
    """One TRADE record's fields."""
    return {"kind": Kind.TRADE, "side": Side.ASK, "price": price, "size": size, "instrument": instrument, "ref": 77}


def connected() -> dict[str, object]:
    """A STATE record of the whole source."""
    return {"kind": Kind.STATE, "level": State.CONNECTED, "ref": 2, "instrument": 0}


def event(*records: dict[str, object]) -> np.ndarray:
    """Records, each an event of its own, received at T0."""
    batch = np.zeros(len(records), TICK)
    batch["price"], batch["size"], batch["source"], batch["flags"] = np.nan, np.nan, 1, Flag.LAST
    batch["ts_recv"], batch["ts_event"] = T0, T0 - 5
    for row, record in zip(batch, records, strict=True):
        for field, value in record.items():
            row[field] = value
    return batch


def publish(target: _native.RingWriter, *records: dict[str, object]) -> None:
    """Publish each as an event of its own, 1 us after it was received."""
    target.append(event(*records).view(np.uint8))
    target.publish(T0 + 1000)
