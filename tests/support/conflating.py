"""A ring with its conflation engine, driven by hand."""

import gc
from pathlib import Path

import msgspec
import numpy as np

from feedhandler import _native
from feedhandler.counters import Counters, read_file
from feedhandler.instruments import Directory, Instrument
from feedhandler.tick import TICK, Action, Flag, Kind, Side, State

DEPTH = 3
PARK = _native.WaitPolicy.PARK
BBO, BOOK, TRADE, TICKS, STATE = range(5)


class Bench:
    """A ring with its conflator, driven by hand."""

    def __init__(self, folder: Path, capacity: int = 4096) -> None:
        self.folder = folder
        self.directory = Directory(folder / "instruments.dir", writable=True)
        source = self.directory.add_source("venue")
        for name, keying in (("A", "price"), ("B", "price"), ("I", "id")):
            self.directory.add(
                Instrument(source=source, venue_symbol=name, symbol=f"{name}/USD", size_decimals=2, keying=keying)
            )
        self.ring = _native.RingWriter(str(folder), str(folder), "h", capacity)
        self.start()

    def start(self) -> None:
        folder = str(self.folder)
        self.counters = Counters(folder, "conflator")
        path = str(self.folder / "instruments.dir")
        self.engine = _native.Conflator(folder, folder, path, ["h"], [["venue"]], DEPTH, 1024, 16, self.counters.native)

    def restart(self) -> None:
        del self.engine
        gc.collect()
        self.start()

    def enable(self, *channels: int) -> None:
        for channel in channels:
            self.engine.enable(channel, True)

    def event(self, *records: dict) -> None:
        batch = np.zeros(len(records), TICK)
        batch["source"], batch["price"], batch["size"] = 1, np.nan, np.nan
        for row, record in zip(batch, records, strict=True):
            for field, value in record.items():
                row[field] = value
        batch["flags"][-1] |= Flag.LAST
        self.ring.append(batch.view(np.uint8))

    def run(self) -> list[tuple[str, list]]:
        self.ring.publish(0)
        while self.engine.run(PARK, 0, 0, 0):
            pass
        return messages(self.engine.take())


def messages(frames: list) -> list[tuple[str, list]]:
    turns = iter(frames)
    return [
        (topic.decode(), msgspec.msgpack.decode(payload)) for topic, payload, _ in zip(turns, turns, turns, strict=True)
    ]


def level(side: Side, price: float, size: float, instrument: int = 1, ts: int = 0) -> dict:
    action = Action.DELETE if size == 0 else Action.CHANGE
    return {"kind": Kind.LEVEL, "instrument": instrument, "side": side, "price": price, "size": size, "action": action, "ts_event": ts}  # fmt: skip


def trade(price: float, size: float, instrument: int = 1, **more: int) -> dict:
    return {"kind": Kind.TRADE, "instrument": instrument, "price": price, "size": size, "side": Side.BID, **more}


def clear(instrument: int = 1) -> dict:
    return {"kind": Kind.BOOK_CLEAR, "instrument": instrument, "flags": Flag.SNAPSHOT}


def state(code: State, reason: int = 0) -> dict:
    return {"kind": Kind.STATE, "level": code, "ref": reason}


def bodies(found: list[tuple[str, list]], channel: str) -> list[list]:
    return [payload[8:] for topic, payload in found if topic.startswith(f"{channel}|")]


def checkpoints(bench: Bench) -> int:
    counted = read_file(bench.folder / "conflator.counters")
    return counted.get("conflate_checkpoints", {}).get(0, 0)
