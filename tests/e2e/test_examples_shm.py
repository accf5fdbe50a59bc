"""The examples on shared memory, as processes, against a real writer and a real conflation engine."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from feedhandler import _native, clock
from feedhandler.counters import Counters
from feedhandler.instruments import Directory, Instrument
from feedhandler.tick import Action, Kind, Side, State
from tests.support.events import event

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def book(bid: float, ask: float) -> np.ndarray:
    return event(
        {"kind": Kind.BOOK_CLEAR},
        {"kind": Kind.LEVEL, "side": Side.BID, "action": Action.NEW, "price": bid, "size": 3.0},
        {"kind": Kind.LEVEL, "side": Side.ASK, "action": Action.NEW, "price": ask, "size": 2.0},
    )


def writer(folder: Path) -> _native.RingWriter:
    return _native.RingWriter(str(folder), str(folder), "handler1", 1024)


def publish(ring: _native.RingWriter, records: np.ndarray) -> None:
    ring.append(records.view(np.uint8))
    ring.publish(0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    directory = Directory(tmp_path / "instruments.dir", writable=True)
    source = directory.add_source("simvenue")
    directory.add(Instrument(source=source, venue_symbol="EURUSD", symbol="EUR/USD", size_decimals=2))
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Iterator[object]:
    started = []

    def start(example: str, *arguments: object) -> "subprocess.Popen[str]":
        command = [sys.executable, EXAMPLES / example, *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def conflator(folder: Path) -> _native.Conflator:
    path = str(folder / "instruments.dir")
    counters = Counters(str(folder), "conflator")
    return _native.Conflator(str(folder), str(folder), path, ["handler1"], [["simvenue"]], 5, 1024, 16, counters.native)


def test_the_board_engine_prints_what_may_be_traded(folder: Path, run) -> None:  # type: ignore[no-untyped-def]
    ring = writer(folder)
    publish(ring, book(1.25, 1.375))
    engine = conflator(folder)
    engine.run(_native.WaitPolicy.PARK, 0, 0, 1 << 62)
    out, _ = run("board_engine.py", folder, folder, "--count", 2).communicate(timeout=30)
    assert out.splitlines() == ["EUR/USD 1.25 1.375 spread 1000.00 bp, 3 bid"] * 2


def test_the_board_engine_trades_on_no_flagged_book(folder: Path, run) -> None:  # type: ignore[no-untyped-def]
    ring = writer(folder)
    publish(ring, book(1.5, 1.25))  # crossed
    engine = conflator(folder)
    engine.run(_native.WaitPolicy.PARK, 0, 0, 1 << 62)
    process = run("board_engine.py", folder, folder, "--count", 1)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2)
    publish(ring, book(1.25, 1.5))
    engine.run(_native.WaitPolicy.PARK, 0, 0, 1 << 62)
    out, _ = process.communicate(timeout=30)
    assert out == "EUR/USD 1.25 1.5 spread 2000.00 bp, 3 bid\n"


def test_the_change_engine_reacts_to_what_changed_and_follows_a_restart(folder: Path, run) -> None:  # type: ignore[no-untyped-def]
    ring, engine = writer(folder), conflator(folder)
    clock.Clock(folder)
    process = run("change_engine.py", folder, folder, "--count", 6)

    def says(*records: np.ndarray) -> str:
        for each in records:
            each["ts_recv"] = clock.now_ns()
            ring.append(each.view(np.uint8))
        ring.publish(0)
        engine.run(_native.WaitPolicy.PARK, 0, 0, 0)
        return process.stdout.readline()

    trade = event({"kind": Kind.TRADE, "price": 1.3, "size": 2.0})
    ask = event({"kind": Kind.LEVEL, "side": Side.ASK, "action": Action.CHANGE, "price": 1.375, "size": 60.0})
    assert says(book(1.25, 1.375), trade) == "EUR/USD wait at 1.25 / 1.375, vwap 1.3\n"
    assert says(ask) == "EUR/USD sell at 1.25 / 1.375, vwap 1.3\n"
    crossed = event({"kind": Kind.LEVEL, "side": Side.BID, "action": Action.NEW, "price": 2.0, "size": 9.0})
    assert says(crossed) == "EUR/USD hands off: SYNCED\n"
    for _ in range(3):  # a checkpoint begins, and is there
        engine.run(_native.WaitPolicy.PARK, 0, 0, 0)
    del engine
    assert process.stdout.readline() == "the conflator is gone: what the board says is old\n"
    engine = conflator(folder)
    assert process.stdout.readline() == "EUR/USD hands off: SYNCED\n"
    assert says(book(1.25, 1.5)) == "EUR/USD wait at 1.25 / 1.5, vwap 1.3\n", "the checkpoint kept the session"
    out, _ = says(event({"kind": Kind.STATE, "level": State.BAD_BOOK})), process.wait(30)
    assert out == "EUR/USD hands off: BAD_BOOK\n"


def test_the_ring_reader_waits_for_the_ring_and_follows_its_restart(folder: Path, run) -> None:  # type: ignore[no-untyped-def]
    process = run("ring_reader.py", folder, "handler1", "--count", 4)
    ring = writer(folder)
    publish(ring, book(1.25, 1.375))
    lines = [process.stdout.readline().split() for _ in range(2)]
    del ring
    assert process.stdout.readline() == "the handler is gone; waiting for the next\n"
    ring = writer(folder)
    publish(ring, book(1.5, 1.625))
    out, _ = process.communicate(timeout=30)
    lines += [line.split() for line in out.splitlines() if line[0].isdigit()]
    assert lines == [
        ["2", "1", "LEVEL", "BID", "1.25", "3.0"],
        ["3", "1", "LEVEL", "ASK", "1.375", "2.0"],
        ["2", "1", "LEVEL", "BID", "1.5", "3.0"],
        ["3", "1", "LEVEL", "ASK", "1.625", "2.0"],
    ]


def test_the_ring_reader_refuses_another_version(folder: Path, run) -> None:  # type: ignore[no-untyped-def]
    ring = writer(folder)
    with (folder / f"handler1.{ring.epoch}").open("r+b") as file:
        file.seek(8)
        file.write((77).to_bytes(4, "little"))
    process = run("ring_reader.py", folder, "handler1")
    assert process.wait(30) == 1
