"""A venue on the real QuickFIX engine: FIX44 SocketAcceptor, W on subscription, then a paced stream of X.

    python quickfix_acceptor.py --port 9880 --folder DIR --seed 1 --symbols EURUSD,GBPUSD

Control (JSON lines on stdin): status, books, entries, start {"rate": entries per second}, stop, test_request {"text"},
logout, logon, quit. It counts every entry that QuickFIX numbered for the session, per symbol.
"""

import argparse
import threading
import time
from collections import Counter
from pathlib import Path

import quickfix as fix
import quickfix44
from quickfix_flow import Flow
from quickfix_program import Application, fields_of, guarded, serve, settings


class Venue(Application):
    """Subscriptions, books and the stream."""

    def __init__(self, flow: Flow):
        super().__init__()
        self.flow = flow
        self.subscribed: list[str] = []
        self.entries = {symbol: Counter() for symbol in flow.symbols}
        self.log: dict[str, list] = {symbol: [] for symbol in flow.symbols}
        self.request_id = ""

    def on_app(self, message):
        if self.type_of(message) != "V":
            return
        fields = fields_of(message)
        values = dict(fields)
        symbols = [value for tag, value in fields if tag == "55"]
        with self.lock:
            for symbol in symbols:
                if symbol not in self.entries:
                    self.refuse(values["262"], symbol)
                elif values["263"] == "2":
                    self.subscribed = [name for name in self.subscribed if name != symbol]
                else:
                    self.request_id = values["262"]
                    self.send_snapshot(values["262"], symbol)
                    if values["263"] == "1" and symbol not in self.subscribed:
                        self.subscribed.append(symbol)

    def refuse(self, request_id: str, symbol: str):
        reject = quickfix44.MarketDataRequestReject()
        for tag, value in ((262, request_id), (281, "0"), (58, f"unknown symbol {symbol}")):
            reject.setField(fix.StringField(tag, value))
        fix.Session.sendToTarget(reject, self.session)

    def send_snapshot(self, request_id: str, symbol: str):
        message = quickfix44.MarketDataSnapshotFullRefresh()
        message.setField(fix.StringField(262, request_id))
        message.setField(fix.StringField(55, symbol))
        entries = self.flow.snapshot(symbol)
        self.add_entries(message, message.NoMDEntries, entries)
        self.send(message, [(symbol, "level")] * len(entries), entries)

    def publish(self):
        """One X."""
        with self.lock:
            if not self.subscribed or not self.online:
                return 0
            entries, kinds = self.flow.step(self.subscribed)
            message = quickfix44.MarketDataIncrementalRefresh()
            message.setField(fix.StringField(262, self.request_id))
            self.add_entries(message, message.NoMDEntries, entries)
            self.send(message, kinds, entries)
            return len(entries)

    @staticmethod
    def add_entries(message, group_type, entries):
        for entry in entries:
            group = group_type()
            for tag, value in entry:
                group.setField(fix.StringField(tag, value))
            message.addGroup(group)

    def send(self, message, kinds, entries):
        fix.Session.sendToTarget(message, self.session)
        for (symbol, kind), entry in zip(kinds, entries, strict=True):
            self.entries[symbol][kind] += 1
            values = dict(entry)
            self.log[symbol].append([values.get(tag, "") for tag in (269, 279, 270, 271, 278)])

    def status(self) -> dict:
        with self.lock:
            return super().status() | {
                "entries": {symbol: dict(counts) for symbol, counts in self.entries.items()},
                "subscribed": list(self.subscribed),
            }

    def entry_log(self) -> dict:
        """Every entry sent, by symbol, in order: 269, 279 ("" in a W), 270, 271, 278."""
        with self.lock:
            return {"entries": self.log}

    def books(self) -> dict:
        with self.lock:
            return {"books": self.flow.books_text()}


class Pacer:
    """Publishes at a rate from a thread of its own; the schedule is fixed, lateness is caught up."""

    def __init__(self, venue: Venue):
        self.venue = venue
        self.running = threading.Event()
        self.thread: threading.Thread | None = None

    def start(self, rate: float):
        self.running.set()
        self.thread = threading.Thread(target=self.run, args=(rate,), daemon=True)
        self.thread.start()

    def stop(self):
        self.running.clear()
        if self.thread is not None:
            self.thread.join()

    @guarded
    def run(self, rate: float):
        due = time.monotonic()
        while self.running.is_set():
            if time.monotonic() < due:
                time.sleep(0.002)
                continue
            due += max(self.venue.publish(), 1) / rate


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--sender", default="SIM")
    parser.add_argument("--target", default="FH")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--symbols", default="EURUSD,GBPUSD,USDJPY")
    options = parser.parse_args()
    venue = Venue(Flow(options.symbols.split(","), options.seed))
    config = settings(
        options.folder, kind="acceptor", sender=options.sender, target=options.target, port=options.port, heartbeat_s=30
    )
    acceptor = fix.SocketAcceptor(venue, fix.FileStoreFactory(config), config, fix.FileLogFactory(config))
    acceptor.start()
    pacer = Pacer(venue)
    serve(
        {
            "status": venue.status,
            "books": venue.books,
            "entries": venue.entry_log,
            "start": pacer.start,
            "stop": pacer.stop,
            "test_request": venue.send_test_request,
            "logout": venue.logout,
            "logon": venue.logon,
            "quit": pacer.stop,
        }
    )
    pacer.stop()
    acceptor.stop()


if __name__ == "__main__":
    main()
