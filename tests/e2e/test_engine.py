"""The C++ engine against a real writer and a real conflation engine, both restarted under it."""

import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from feedhandler import _native
from feedhandler.counters import Counters
from feedhandler.instruments import Directory, Instrument
from feedhandler.tick import Action, Kind, Side
from tests.support import engine as example
from tests.support.events import event

MANY_NS = 1 << 62
LIMIT_S = 90.0


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return example.build(tmp_path_factory.mktemp("engine") / "build")


@pytest.fixture
def start(program: Path) -> Iterator[object]:
    started = []

    def run(*arguments: object) -> "subprocess.Popen[str]":
        command = [program, *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        watchdog = threading.Timer(LIMIT_S, process.kill)  # who waits for its next line then gets an empty one
        watchdog.start()
        started.append((process, watchdog))
        return process

    yield run
    for process, watchdog in started:
        watchdog.cancel()
        process.kill()
        process.wait()


def book(bid: float, ask: float, instrument: int = 1) -> np.ndarray:
    level = {"kind": Kind.LEVEL, "action": Action.NEW, "instrument": instrument}
    return event(
        {"kind": Kind.BOOK_CLEAR, "instrument": instrument},
        {**level, "side": Side.BID, "price": bid, "size": 3.0},
        {**level, "side": Side.ASK, "price": ask, "size": 2.0},
    )


def trade(size: float, instrument: int = 1) -> np.ndarray:
    return event({"kind": Kind.TRADE, "price": 1.5, "size": size, "side": Side.ASK, "instrument": instrument})


class Feed:
    """A handler's ring and a conflation engine, both driven by hand, both restarted at will."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        directory = Directory(folder / "instruments.dir", writable=True)
        source = directory.add_source("simvenue")
        directory.add(Instrument(source=source, venue_symbol="EURUSD", symbol="EUR/USD", size_decimals=2))
        directory.add(Instrument(source=source, venue_symbol="GBPUSD", symbol="GBP/USD", size_decimals=2))
        self.counters = Counters(folder, "conflator")
        self.start_handler()
        self.start_conflator()

    def start_handler(self) -> None:
        self.ring = None
        self.ring = _native.RingWriter(str(self.folder), str(self.folder), "handler1", 64)

    def start_conflator(self) -> None:
        self.conflator = None
        path = str(self.folder / "instruments.dir")
        at = str(self.folder)
        self.conflator = _native.Conflator(
            at, at, path, ["handler1"], [["simvenue"]], 5, 1024, 16, self.counters.native
        )

    def publish(self, *events: np.ndarray) -> None:
        for records in events:
            self.ring.append(records.view(np.uint8))
        self.ring.publish(0)
        for _ in range(5):  # a resumed one goes on in the old epoch, then in the new
            self.conflator.run(_native.WaitPolicy.PARK, 1_000_000, 0, MANY_NS)


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    return Feed(tmp_path)


def line(process: "subprocess.Popen[str]") -> str:
    """Return the next line that is about a quote."""
    while (text := process.stdout.readline()).startswith("--"):
        pass
    assert text, "the engine said nothing more"
    return text.split(" after ")[0].rstrip()


def test_it_reacts_to_its_symbols_over_both_restarts(feed: Feed, start) -> None:  # type: ignore[no-untyped-def]
    at = ("--shm-dir", feed.folder, "--state-dir", feed.folder)
    feed.publish(book(1.25, 1.375))
    process = start(*at, "--ring", "handler1", "--symbol", "EUR/USD", "--json")
    assert line(process) == "EUR/USD simvenue 1.25 x 3 / 1.375 x 2"
    feed.publish(book(1.5, 1.75, 2), trade(7.0), trade(100.0, 2), book(1.25, 1.3125))
    assert line(process) == "EUR/USD simvenue 1.25 x 3 / 1.3125 x 2"
    feed.start_handler()
    feed.publish(book(1.125, 1.3125), trade(5.0))
    assert line(process) == "EUR/USD simvenue 1.125 x 3 / 1.3125 x 2"
    feed.start_conflator()
    feed.publish(book(1.125, 1.25))
    told = [line(process)]
    while told[-1] != "EUR/USD simvenue 1.125 x 3 / 1.25 x 2":  # what the checkpoint had may come first
        assert len(told) < 10
        told.append(line(process))
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    found = example.summary(out)
    (ring,) = found.pop("rings")
    assert (ring["ring"], ring["restarts"], ring["lost"], ring["laps"]) == ("handler1", 1, 0, 0)
    assert (found["instruments"], found["volume"], found["board"]["restarts"]) == (1, 12.0, 1)
    assert found["trades"]["count"] == 2
    assert found["reactions"] >= 4


def test_a_flagged_book_is_not_acted_on(feed: Feed, start) -> None:  # type: ignore[no-untyped-def]
    process = start("--shm-dir", feed.folder, "--state-dir", feed.folder, "--json", "--reactions", 1)
    assert process.stdout.readline().startswith("-- board: another one")
    feed.publish(book(1.5, 1.25))  # crossed
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    feed.publish(book(1.25, 1.5))
    out, _ = process.communicate(timeout=30)
    assert "EUR/USD simvenue 1.25 x 3 / 1.5 x 2" in out
    assert example.summary(out)["untrusted"] == 1


def test_a_lap_is_counted_to_the_record(feed: Feed, start) -> None:  # type: ignore[no-untyped-def]
    process = start("--shm-dir", feed.folder, "--state-dir", feed.folder, "--ring", "handler1", "--json")
    while (text := process.stdout.readline()) != "-- handler1: OK\n":
        assert text.startswith("-- ")
    process.send_signal(signal.SIGSTOP)
    for _ in range(30):
        feed.publish(*[trade(1.0)] * 10)
    process.send_signal(signal.SIGCONT)
    told = process.stdout.readline().split()
    assert told[:3] == ["--", "handler1:", "lost"]
    feed.publish(book(1.25, 1.5))  # the quote comes when everything before it was read
    assert line(process) == "EUR/USD simvenue 1.25 x 3 / 1.5 x 2"
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    (ring,) = example.summary(out)["rings"]
    assert (ring["laps"], ring["lost"]) == (1, int(told[3]))
    assert ring["records"] + ring["lost"] in (300, 303)  # the book's three may be read after the quote


def test_it_may_come_before_the_feed(tmp_path: Path, start) -> None:  # type: ignore[no-untyped-def]
    process = start("--shm-dir", tmp_path, "--state-dir", tmp_path, "--ring", "handler1", "--reactions", 1, "--json")
    assert process.stdout.readline().startswith("-- board: MISSING ")
    assert process.stdout.readline() == "-- handler1: MISSING\n"
    feed = Feed(tmp_path)
    feed.publish(book(1.25, 1.375), trade(2.0))
    out, _ = process.communicate(timeout=30)
    assert "EUR/USD simvenue 1.25 x 3 / 1.375 x 2" in out
    found = example.summary(out)
    assert found["instruments"] == 2
    assert found["rings"][0]["records"] in (0, 4)  # the quote may come first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "engine: --shm-dir and --state-dir are needed"),
        (("--shm-dir",), "engine: --shm-dir: unknown, or without a value"),
        (("--wait", "sleep"), "engine: --wait: got sleep"),
        (("--seconds", "-1"), "engine: --seconds: got -1"),
        (("--nonsense", "1"), "engine: --nonsense: no such option"),
    ],
)
def test_wrong_usage(program: Path, arguments: tuple[str, ...], message: str) -> None:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == message
    assert done.stderr.splitlines()[1].startswith("usage: engine ")
