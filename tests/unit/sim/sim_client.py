"""A client of the simulated venue that shares nothing with it: its own framing, parsing, books and counts."""

import os
import select
import socket
import subprocess
import sys
import time
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

from feedhandler import control

SOH = b"\x01"
TIMEOUT_S = 30.0


def frame(body: bytes) -> bytes:
    message = b"8=FIX.4.4\x019=%d\x01%b" % (len(body), body)
    return message + b"10=%03d\x01" % (sum(message) % 256)


class Book:
    """Sides by 269 ("0", "1"): price text -> size; by id: id -> (side, price, size)."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, Decimal]] = {"0": {}, "1": {}}
        self.quotes: dict[str, tuple[str, Decimal, Decimal]] = {}

    def levels(self, side: str) -> list[tuple[Decimal, Decimal]]:
        total: dict[Decimal, Decimal] = defaultdict(Decimal)
        for price, size in self.sides[side].items():
            total[price] += size
        for quote_side, price, size in self.quotes.values():
            if quote_side == side:
                total[price] += size
        return sorted(total.items(), reverse=side == "0")


class Venue:
    """A simulator process with control, on any free port."""

    def __init__(self, folder: Path, *arguments: str, wait: bool = True) -> None:
        self.folder = folder
        self.control_path = folder / "sim.ctl"
        port_file = folder / "port"
        command = [sys.executable, "-m", "feedhandler.sim", "--port", "0", "--port-file", str(port_file)]
        command += ["--control", str(self.control_path), *(["--wait-subscribers"] if wait else []), *arguments]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"})
        deadline = time.monotonic() + TIMEOUT_S
        while not port_file.exists():
            assert self.process.poll() is None, self.process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self.port = int(port_file.read_text())

    def call(self, op: str, **fields):
        return control.call(self.control_path, op, timeout_s=TIMEOUT_S, **fields)

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=TIMEOUT_S)


class Client:
    """One FIX session. `pump` receives; books and counts follow what arrived in sequence."""

    def __init__(self, port: int, comp_id: str = "FH") -> None:
        self.port = port
        self.comp_id = comp_id
        self.next_out = 1
        self.next_in = 1
        self.books: dict[str, Book] = defaultdict(Book)
        self.first = Counter()  # entries received as first transmissions, by symbol
        self.resent = Counter()
        self.discarded = Counter()  # entries above a gap, thrown away: a resend brings them
        self.trades = Counter()
        self.types = Counter()
        self.other: list[dict[int, str]] = []  # all that is neither W nor X
        self.x_messages: list[list[dict[int, str]]] | None = None
        self.gap_asked = 0
        self.connect()

    def connect(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port))
        self.buffer = b""
        self.closed = False

    def close(self) -> None:
        self.socket.close()

    def send(self, msg_type: bytes, *fields: tuple[int, object], seq: int | None = None) -> None:
        stamp = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime()).encode() + b".000"
        number = self.next_out if seq is None else seq
        body = b"35=%b\x0134=%d\x0149=%b\x0152=%b\x0156=SIM\x01" % (
            msg_type, number, self.comp_id.encode(), stamp,
        )  # fmt: skip
        body += b"".join(b"%d=%b\x01" % (tag, str(value).encode()) for tag, value in fields)
        if seq is None:
            self.next_out += 1
        self.socket.sendall(frame(body))

    def logon(self, *extra: tuple[int, object]) -> None:
        self.send(b"A", (98, 0), (108, 30), *extra)
        self.pump(lambda: self.types["A"] > 0)

    def subscribe(self, symbols: list[str], request: str = "r1", kind: int = 1) -> None:
        group = [(55, symbol) for symbol in symbols]
        self.send(
            b"V", (262, request), (263, kind), (264, 0), (265, 1), (267, 3), (269, 0), (269, 1), (269, 2),
            (146, len(symbols)), *group,
        )  # fmt: skip

    def pump(self, done, timeout_s: float = TIMEOUT_S) -> None:
        """Receive until `done()`; fails after the time."""
        deadline = time.monotonic() + timeout_s
        while not done():
            assert time.monotonic() < deadline, (self.types, self.other[-3:], self.next_in)
            assert not self.closed, "the venue closed"
            if select.select([self.socket], [], [], 0.05)[0]:
                self._read()

    def drain(self, quiet_s: float = 0.2) -> None:
        """Receive until nothing has come for a while."""
        while not self.closed and select.select([self.socket], [], [], quiet_s)[0]:
            self._read()

    def _read(self) -> None:
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionError:
            data = b""
        self.closed = not data
        self.buffer += data
        at = 0
        while True:
            length_at = self.buffer.find(b"\x019=", at)
            length_end = self.buffer.find(SOH, length_at + 1)
            if length_at < 0 or length_end < 0:
                break
            end = length_end + 1 + int(self.buffer[length_at + 3 : length_end]) + 7
            if end > len(self.buffer):
                break
            self._message(self.buffer[at:end])
            at = end
        self.buffer = self.buffer[at:]

    def _message(self, raw: bytes) -> None:
        assert raw.startswith(b"8=FIX.4.4\x01")
        assert raw[-7:] == b"10=%03d\x01" % (sum(raw[:-7]) % 256), raw
        fields = [(int(tag), value.decode()) for tag, _, value in (f.partition(b"=") for f in raw.split(SOH)[:-1])]
        head = dict(reversed(fields))
        seq, kind, duplicate = int(head[34]), head[35], head.get(43) == "Y"
        if kind == "A" and head.get(141) == "Y":
            self.next_in = 1
        if kind == "4" and head.get(123) != "Y":
            self.next_in = int(head[36])
            return
        if seq > self.next_in:
            if self.gap_asked < self.next_in:
                self.gap_asked = self.next_in
                self.send(b"2", (7, self.next_in), (16, 0))
            if kind == "A":
                self.types[kind] += 1
            elif kind == "X":
                assert not duplicate
                self.discarded[head[55]] += int(head[268])
            return
        if seq < self.next_in:
            assert duplicate, raw
            return
        self.next_in = int(head[36]) if kind == "4" else seq + 1
        self.types[kind] += 1
        if kind in ("W", "X"):
            self._market_data(kind, fields, duplicate)
        else:
            self.other.append(dict(fields))
        if kind == "1":
            self.send(b"0", (112, head[112]))

    def _market_data(self, kind: str, fields: list[tuple[int, str]], duplicate: bool) -> None:
        delimiter = 269 if kind == "W" else 279
        entries: list[dict[int, str]] = []
        root: dict[int, str] = {}
        for tag, value in fields[:-1]:
            if tag == delimiter:
                entries.append({})
            (entries[-1] if entries else root)[tag] = value
        assert int(root[268]) == len(entries)
        if kind == "W":
            self.books[root[55]] = Book()
        if entries:
            assert len(entries[0][272]) == 8
            assert len(entries[0][273]) == 18
        for entry in entries:
            symbol = root[55] if kind == "W" else entry[55]
            (self.resent if duplicate else self.first)[symbol] += 1
            self._apply(self.books[symbol], symbol, entry)
        if self.x_messages is not None and kind == "X":
            self.x_messages.append(entries)

    def _apply(self, book: Book, symbol: str, entry: dict[int, str]) -> None:
        if entry.get(269) == "2":
            self.trades[symbol] += 1
            assert entry[54] in "12"
            assert int(entry[278]) > 0
            return
        action = entry.get(279, "0")
        if 278 in entry:
            known = entry[278] in book.quotes
            if action == "2":
                assert not {269, 270, 271} & set(entry)
                del book.quotes[entry[278]]
                return
            assert known == (action == "1")
            book.quotes[entry[278]] = (entry[269], Decimal(entry[270]), Decimal(entry[271]))
            return
        side, price = book.sides[entry[269]], Decimal(entry[270])
        if action == "2":
            assert 271 not in entry
            del side[price]
            return
        assert (price in side) == (action == "1")
        side[price] = Decimal(entry[271])


def venue_levels(book: dict[str, list[list[str]]], side: str) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price), Decimal(size)) for price, size in book["bids" if side == "0" else "asks"]]


def assert_agree(venue: Venue, client: Client) -> dict[str, dict[str, int]]:
    """Books level by level and counts per instrument; returns the venue's counts."""
    books, counts = venue.call("books")["books"], venue.call("counts")
    for symbol, book in books.items():
        for side in "01":
            assert client.books[symbol].levels(side) == venue_levels(book, side), symbol
    assert {symbol: n for symbol, n in counts["sent"].items() if n} == dict(client.first + client.discarded)
    assert {symbol: n for symbol, n in counts["resent"].items() if n} == dict(client.resent)
    return counts
