"""`python -m perf.micro.fix_decode`: FIX market data (X of four entries, W of ten) to values, per entry, beside peers.

The native figure includes BodyLength, CheckSum, sequence check, symbol lookup, and writing the record into a ring;
the peers' do not. Every contender must find the same prices and sizes, or nothing is reported.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from feedhandler import _native
from feedhandler.ring import Attach, Reader
from feedhandler.tick import Kind
from feedhandler.wire import fix_profile
from perf import result
from perf.peers import fix_parsers
from perf.result import Result

MESSAGES = 1000
ENTRIES = 4
LEVELS = 10
SYMBOLS = 100
T0 = 1_795_000_000_000_000_000


def frame(body: str) -> bytes:
    """Return a whole FIX 4.4 message; `|` stands for SOH."""
    data = body.replace("|", "\x01").encode()
    data = b"8=FIX.4.4\x019=%d\x01" % len(data) + data
    return data + b"10=%03d\x01" % (sum(data) % 256)


def messages(count: int = MESSAGES, seed: int = 1) -> list[bytes]:
    """Return X messages as our venue sends them: four entries of one instrument, about 320 bytes."""
    chance = random.Random(seed)
    found = []
    for seq in range(1, count + 1):
        symbol = f"SYM{chance.randrange(SYMBOLS):04}"
        body = f"35=X|34={seq}|49=SIM|52=20261121-10:20:30.123456789|56=FH|268={ENTRIES}|"
        for number in range(ENTRIES):
            body += f"279=1|269={chance.randrange(2)}|55={symbol}|270={chance.uniform(1, 2000):.5f}|"
            body += f"271={chance.uniform(1, 500):.2f}|"
            if number == 0:
                body += "272=20261121|273=10:20:30.123456789|"
        found.append(frame(body))
    return found


def snapshots(count: int = MESSAGES, seed: int = 2, levels: int = LEVELS) -> list[bytes]:
    """Return W messages of one instrument each: so many levels, bids and asks in turn."""
    chance = random.Random(seed)
    found = []
    for seq in range(1, count + 1):
        body = f"35=W|34={seq}|49=SIM|52=20261121-10:20:30.123456789|56=FH|55=SYM{chance.randrange(SYMBOLS):04}|"
        body += f"268={levels}|"
        for number in range(levels):
            body += f"269={number % 2}|270={chance.uniform(1, 2000):.5f}|271={chance.uniform(1, 500):.2f}|"
        found.append(frame(body))
    return found


class Decoder:
    """The native loop without a socket: bytes go in, records lie in the ring."""

    def __init__(self, folder: str) -> None:
        self.ring = _native.RingWriter(folder, folder, "bench", 1 << 16)
        self.loop = _native.FixLoop(self.ring)
        self.loop.add_session(fix_profile.load("fix44").compile("price"), 1, 0, 1 << 20, 1024)
        for number in range(SYMBOLS):
            self.loop.add_symbol(0, b"SYM%04d" % number, number + 1)
        self.loop.set_parties(0, "FH", "SIM")

    def feed(self, data: bytes) -> None:
        """Decode messages 1.. of a new session."""
        self.loop.set_sequence(0, 1, True)
        left = self.loop.feed(0, data, T0)
        if left is not None:
            raise RuntimeError(f"the decoder handed a message back: {left[:100]!r}")


def entries(options: argparse.Namespace, shape: str, given: list[bytes]) -> Iterator[Result]:
    """All contenders over the same messages."""
    data = b"".join(given)
    expected = [(price, size) for *_, price, size in fix_parsers.split(given)]
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        decoder = Decoder(folder)
        reader = Reader(folder, "bench", max_records=2 * len(expected))
        if reader.attach() != Attach.OK:
            raise RuntimeError("the ring could not be attached")
        decoder.feed(data)
        records = reader.read().records
        levels = records[records["kind"] == Kind.LEVEL]
        if list(zip(levels["price"].tolist(), levels["size"].tolist(), strict=True)) != expected:
            raise RuntimeError(f"the native decoder found other values: {decoder.loop.counts(0)}")
        if not np.isin(levels["instrument"], range(1, SYMBOLS + 1)).all():
            raise RuntimeError("the native decoder found other instruments")
        count = len(expected)
        for name, parse in fix_parsers.available().items():
            if [(price, size) for *_, price, size in parse(given)] != expected:
                raise RuntimeError(f"{name} found other values")
            timed = result.in_turns(
                options.runs,
                5,
                {"native": (lambda: decoder.feed(data), count), name: (lambda parse=parse: parse(given), count)},
            )
            yield result.result(f"fix_decode/{shape}_entry_vs_{name}", "ns/entry", timed["native"], name, timed[name])


def incremental(options: argparse.Namespace) -> Iterator[Result]:
    """35=X of four entries."""
    return entries(options, "x", messages())


def snapshot(options: argparse.Namespace) -> Iterator[Result]:
    """35=W of ten levels; each also writes its BOOK_CLEAR."""
    return entries(options, "w", snapshots())


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = result.parser("perf.micro.fix_decode", Path(__file__).stem).parse_args(argv)
    return result.run(options, (incremental, snapshot))


if __name__ == "__main__":
    sys.exit(main())
