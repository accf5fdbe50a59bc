"""The handler process against a venue on the real QuickFIX engine: every entry sent is in the ring once, in order.

Logon, subscription, W and X into the ring, heartbeats over 60 s, forced gaps and resends, logout. Books are built
from ring records by a plain dictionary here and compared with the venue's own.
"""

import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter

import pytest
from harness import LossyProxy, until

from feedhandler.instruments import Directory
from feedhandler.ring import Attach, Reader
from feedhandler.tick import Action, Kind, Side

pytestmark = pytest.mark.service

SYMBOLS = ("EURUSD", "GBPUSD", "USDJPY", "AUDCAD")
HEARTBEAT_S = 2
RUN_S = 60
SIDES = {"0": Side.BID, "1": Side.ASK}
ACTIONS = {"0": Action.NEW, "1": Action.CHANGE, "2": Action.DELETE}


class Handler:
    """The handler process of a configuration with one FIX source; its ring read as it grows."""

    def __init__(self, folder, shm_dir, port):
        self.folder = folder
        self.shm_dir = shm_dir
        config = folder / "feedhandler.toml"
        instruments = ",\n".join(
            f'{{ venue = "{name}", symbol = "{name[:3]}/{name[3:]}", tick = 0.00001, lot = 0.01,'
            f' price_decimals = 5, size_decimals = 2, currency = "{name[3:]}" }}'
            for name in SYMBOLS
        )
        config.write_text(
            f'[feedhandler]\nname = "qf"\nshm_dir = "{shm_dir}"\n'
            f'state_dir = "{folder}/state"\nrun_dir = "{folder}/run"\n'
            '[[handler]]\nname = "handler1"\nring_capacity = 131072\nwait = "park"\n'
            '[[handler.source]]\nname = "quickfix"\nprofile = "fix44"\nhost = "127.0.0.1"\n'
            f'port = {port}\nsender = "FH"\ntarget = "SIM"\nheartbeat_s = {HEARTBEAT_S}\n'
            f"instruments = [\n{instruments}\n]\n"
        )
        self.stderr = (folder / "handler.log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "feedhandler.handler", "--config", config, "--name", "handler1"],
            stderr=self.stderr, stdout=self.stderr,
        )  # fmt: skip
        self.reader = Reader(shm_dir, "handler1", from_oldest=True, follow=False, losses="count")
        self.records = []
        until(lambda: self.alive() and self.reader.attach() == Attach.OK, "the handler's ring")

    def alive(self):
        assert self.process.poll() is None, (self.folder / "handler.log").read_text()
        return True

    def read(self):
        """Everything published so far; nothing may be lost on the way."""
        while True:
            batch = self.reader.read()
            assert batch.lost == 0
            if len(batch.records) == 0:
                return self.records
            self.records.extend(batch.records.copy())

    def ticks(self):
        return [record for record in self.read() if record["kind"] in (Kind.LEVEL, Kind.TRADE)]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.stderr.close()


@pytest.fixture
def shm_dir():
    """A folder in shared memory of this test alone."""
    with tempfile.TemporaryDirectory(prefix="feedhandler-qf-", dir="/dev/shm") as folder:
        yield folder


def expected_records(entries):
    """What the ring must hold for one symbol's entries: kind, side, action, price, size."""
    wanted = []
    for kind, action, price, size, _ in entries:
        amount = float(size) if size else 0.0
        if kind == "2":
            wanted.append((Kind.TRADE, Action.NEW, float(price), amount))
        else:
            wanted.append((Kind.LEVEL, SIDES[kind], ACTIONS[action or "0"], float(price), amount))
    return wanted


def as_tuple(record):
    if record["kind"] == Kind.TRADE:
        return (Kind.TRADE, Action.NEW, float(record["price"]), float(record["size"]))
    return (
        Kind.LEVEL, Side(record["side"]), Action(record["action"]), float(record["price"]), float(record["size"]),
    )  # fmt: skip


def build_books(records):
    """Price-keyed books by instrument id, from nothing but records."""
    books = {}
    for record in records:
        sides = books.setdefault(int(record["instrument"]), {Side.BID: {}, Side.ASK: {}})
        if record["kind"] == Kind.BOOK_CLEAR:
            for side in sides if record["side"] == Side.NONE else (Side(record["side"]),):
                sides[side].clear()
        elif record["kind"] == Kind.LEVEL:
            levels = sides[Side(record["side"])]
            if record["action"] == Action.DELETE:
                del levels[float(record["price"])]
            else:
                levels[float(record["price"])] = float(record["size"])
    return books


def in_ring(handler, venue):
    """Whether as many ticks are in the ring as QuickFIX sent."""
    sent = sum(sum(counts.values()) for counts in venue.status()["entries"].values())
    return handler.alive() and len(handler.ticks()) == sent


def run_with_gaps(handler, venue, proxy):
    """Stream, gap, quiet, stream, gap, over RUN_S seconds from the logon."""
    logon = time.monotonic()
    venue.call("start", rate=400)
    until(lambda: len(handler.ticks()) > 1500, "the stream in the ring")
    proxy.lose(9)
    until(lambda: len(proxy.lost) == 9 and venue.status()["resent"].get("X", 0) >= 9, "the resend")
    venue.call("stop")
    until(lambda: in_ring(handler, venue), "everything in the ring after the gap")
    quiet = venue.status()
    until(lambda: venue.status()["sent"].get("0", 0) >= quiet["sent"].get("0", 0) + 4, "heartbeats of QuickFIX")
    venue.call("start", rate=400)
    proxy.lose(1)
    until(lambda: len(proxy.lost) == 10 and venue.status()["received"]["2"] == 2, "the second ResendRequest")
    until(lambda: time.monotonic() > logon + RUN_S - 10, "most of the time", RUN_S + 10)
    proxy.lose(3)
    until(lambda: len(proxy.lost) == 13, "the last gap")
    until(lambda: time.monotonic() > logon + RUN_S, "the rest of the time", RUN_S)
    venue.call("stop")


def test_handler_against_quickfix(quickfix_acceptor, tmp_path, shm_dir):
    venue = quickfix_acceptor(symbols=",".join(SYMBOLS), seed=7)
    with LossyProxy(venue.port) as proxy:
        handler = Handler(tmp_path, shm_dir, proxy.port)
        try:
            until(lambda: handler.alive() and venue.status()["online"], "logon")
            until(lambda: sorted(venue.status()["subscribed"]) == sorted(SYMBOLS), "subscription")
            until(lambda: in_ring(handler, venue), "the snapshots")
            run_with_gaps(handler, venue, proxy)
            until(lambda: in_ring(handler, venue), "everything in the ring at the end")
            assert handler.stop() == 0
            status = venue.status()
            check_session(status)
            check_ring(handler, venue, tmp_path)
        finally:
            handler.close()


def check_session(status):
    """One logon, heartbeats all along, each gap asked for once, nothing rejected, a logout at the end."""
    assert status["logons"] == 1
    assert status["received"]["A"] == 1
    assert status["received"]["0"] >= RUN_S / HEARTBEAT_S * 0.8
    assert status["received"]["2"] == 3
    assert status["received"]["5"] == status["sent"]["5"] == 1
    assert status["sent"].get("3", 0) == status["received"].get("3", 0) == 0
    assert status["online"] is False


def check_ring(handler, venue, tmp_path):
    directory = Directory(tmp_path / "state" / "instruments.dir")
    source = directory.source_id("quickfix")
    records = handler.read()
    ticks = handler.ticks()
    books = build_books(records)
    entries = venue.call("entries")["entries"]
    venue_books = venue.call("books")["books"]
    counts = Counter()
    for symbol in SYMBOLS:
        instrument = directory.find(source, symbol)
        assert instrument
        got = [as_tuple(record) for record in ticks if record["instrument"] == instrument]
        assert got == expected_records(entries[symbol])
        trades = [int(r["ref"]) for r in ticks if r["instrument"] == instrument and r["kind"] == Kind.TRADE]
        assert trades == [int(entry[4]) for entry in entries[symbol] if entry[0] == "2"]
        for side, name in ((Side.BID, "bids"), (Side.ASK, "asks")):
            wanted = {float(price): float(size) for price, size in venue_books[symbol][name]}
            assert books[instrument][side] == wanted, (symbol, name)
            counts[name] += len(wanted)
        counts["ticks"] += len(got)
    assert counts["ticks"] == len(ticks) > 10_000
    assert min(counts["bids"], counts["asks"]) > 4 * 4
