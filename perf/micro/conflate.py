"""`python -m perf.micro.conflate`: records through the conflation engine, and what sending its messages costs."""

import argparse
import functools
import multiprocessing
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from feedhandler import _native
from feedhandler.counters import Counters
from feedhandler.instruments import Directory, Instrument
from feedhandler.publish import CHANNELS, Publisher
from feedhandler.tick import TICK, Action, Flag, Kind, Side
from perf import result
from perf.result import Result

INSTRUMENTS = 1000
EVENTS = 5000
ENTRIES = 4
DEPTH = 10
PARK = _native.WaitPolicy.PARK


def events(seed: int) -> "np.ndarray[Any, np.dtype[Any]]":
    """Return EVENTS events of four levels each, of one instrument an event, near the top of its book."""
    chance = np.random.default_rng(seed)
    count = EVENTS * ENTRIES
    found = np.zeros(count, TICK)
    found["instrument"] = np.repeat(1 + chance.integers(0, INSTRUMENTS, EVENTS), ENTRIES)
    found["side"] = chance.integers(1, 3, count)
    away = 1 + chance.integers(0, 10, count)
    found["price"] = 1000 + np.where(found["side"] == Side.BID, -away, away) * 0.25
    found["size"] = chance.integers(1, 500, count)
    found["kind"], found["action"], found["source"] = Kind.LEVEL, Action.CHANGE, 1
    found["flags"].reshape(-1, ENTRIES)[:, -1] = Flag.LAST
    return found


class Engine:
    """A ring and a conflator on it, with 1,000 instruments."""

    def __init__(self, folder: str) -> None:
        path = str(Path(folder, "instruments.dir"))
        directory = Directory(path, writable=True)
        source = directory.add_source("venue")
        for number in range(INSTRUMENTS):
            directory.add(Instrument(source=source, venue_symbol=f"S{number}", symbol=f"S{number}/USD"))
        self.ring = _native.RingWriter(folder, folder, "bench", 1 << 16)
        self.counters = Counters(folder, "conflator")
        self.native = _native.Conflator(
            folder, folder, path, ["bench"], [["venue"]], DEPTH, 1 << 12, 2 * INSTRUMENTS, self.counters.native
        )

    def enable(self, *channels: str) -> None:
        """Encode these channels and no others."""
        for index, channel in enumerate(CHANNELS):
            self.native.enable(index, channel in channels)

    def drain(self) -> None:
        """Run until the ring is empty."""
        while self.native.run(PARK, 0, 0, 1 << 62):
            pass


def engine(options: argparse.Namespace) -> Iterator[Result]:
    """Ring to books, board and encoded messages; with nobody subscribed, with bbo, with everything."""
    batches = [events(seed).view(np.uint8) for seed in range(8)]
    turn = 0
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        bench = Engine(folder)

        def refill() -> None:
            nonlocal turn
            bench.native.take()
            bench.ring.append(batches[turn % len(batches)])
            bench.ring.publish(1)
            turn += 1

        def drain(channels: Sequence[str]) -> None:
            bench.enable(*channels)
            bench.drain()

        refill()
        modes: dict[str, Sequence[str]] = {"books": (), "bbo": ("bbo",), "all": CHANNELS}
        contenders = {name: (functools.partial(drain, channels), EVENTS * ENTRIES) for name, channels in modes.items()}
        found = result.in_turns(options.runs, 20, contenders, after=refill)
        for name, timed in found.items():
            peer = ("books and board alone", found["books"]) if name != "books" else (None, None)
            yield result.result(f"conflate/{name}", "ns/record", timed, *peer)


def _drain_socket(endpoint: str, ready: Any) -> None:
    socket = zmq.Context().socket(zmq.SUB)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    socket.connect(endpoint)
    ready.set()
    while socket.recv_multipart()[0] != b"end":
        pass


def sending(options: argparse.Namespace) -> Iterator[Result]:
    """Hand messages to the publisher, beside the same frames in a bare pyzmq loop; one subscriber takes all."""
    frames: list[bytes | None] = []
    for number in range(1000):
        frames += [b"bbo|S%d/USD|venue" % number, b"x" * 100, None]
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        publisher = Publisher(folder, Counters(folder, "bench"), lambda _prefix: [], 1, send_hwm=0)
        context = multiprocessing.get_context("spawn")
        ready = context.Event()
        endpoint = f"ipc://{folder}/publish.ipc"
        child = context.Process(target=_drain_socket, args=(endpoint, ready), daemon=True)
        child.start()
        try:
            if not ready.wait(30):
                raise RuntimeError("the subscriber did not start")
            while not publisher.poll_subscriptions():
                publisher.xpub.poll(1000)
            bare, xpub = frames, publisher.xpub

            def loop() -> None:
                for at in range(0, len(bare), 3):
                    xpub.send_multipart(bare[at : at + 2], zmq.NOBLOCK)

            def settle() -> None:
                publisher.xpub.poll(20)  # nothing comes: the subscriber catches up

            found = result.in_turns(
                options.runs, 10, {"publisher": (lambda: publisher.send(frames), 1000), "bare": (loop, 1000)}, settle
            )
            publisher.xpub.send_multipart([b"end", b""])
            child.join(30)
            if child.exitcode != 0:
                raise RuntimeError("the subscriber did not get everything")
            yield result.result(
                "conflate/publish", "ns/message", found["publisher"], "bare pyzmq send_multipart", found["bare"]
            )
        finally:
            child.kill()
            publisher.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = result.parser("perf.micro.conflate", Path(__file__).stem).parse_args(argv)
    return result.run(options, (engine, sending))


if __name__ == "__main__":
    sys.exit(main())
