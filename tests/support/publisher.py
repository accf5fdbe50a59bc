"""A publisher that speaks the topics contract with msgspec and pyzmq: the other end in tests.

It can misbehave on purpose: lose messages, restart with a new epoch, fall silent. Also a program:
`python tests/support/publisher.py --publish ipc://... --snapshot ipc://... --symbols 100 --rate 5000`.
"""

import argparse
import threading
import time

import msgspec
import zmq

from feedhandler.topics import (
    SNAPSHOT_KIND,
    VERSION,
    Bbo,
    Book,
    Heartbeat,
    Payload,
    State,
    Tick,
    Trade,
    decode_request,
    encode_payload,
)  # fmt: skip
from feedhandler.wire.book_state import BookState

BASE_NS = 1_700_000_000_000_000_000


class Publisher:
    """XPUB and snapshot ROUTER. Not thread-safe: call `serve` from the thread that sends."""

    def __init__(self, publish, snapshot, epoch=1, ring="test"):
        self.context = zmq.Context()
        self.endpoints = publish, snapshot
        self.epoch = epoch
        self.ring = ring
        self.seqs = {}
        self.state = {}  # topic -> payload to answer snapshots with
        self.books = {}
        self.changed = {}
        self.subscriptions = []
        self.requests = []
        self.silent_snapshots = False
        self.mute = False  # number messages, but do not send them: a loss
        self.ring_seq = 0
        self.xpub = self.context.socket(zmq.XPUB)
        self.xpub.setsockopt(zmq.SNDHWM, 1_000_000)
        self.xpub.bind(publish)
        self.router = self.context.socket(zmq.ROUTER)
        self.router.bind(snapshot)

    def close(self):
        self.xpub.close(linger=0)
        self.router.close(linger=0)
        self.context.term()

    def restart(self, epoch):
        """Come back as a new process would: same endpoints, new epoch, nothing remembered."""
        self.close()
        self.__init__(*self.endpoints, epoch=epoch, ring=self.ring)

    def head(self, topic, ts_event):
        seq = self.seqs[topic] = self.seqs.get(topic, 0) + 1
        self.ring_seq += 1
        now = time.time_ns()
        ts_event = now if ts_event is None else ts_event
        return (VERSION, seq, ts_event, now, now, self.ring, self.epoch, self.ring_seq)

    def send(self, topic: str, payload: Payload, *more: bytes):
        if not topic.startswith("hb|"):
            self.changed[topic] = payload.seq
        if not self.mute:
            self.xpub.send_multipart([topic.encode(), encode_payload(payload), *more])
        return payload

    def bbo(self, symbol, bid, ask, source="sim", bid_size=1.0, ask_size=2.0, ts_event=None, oldest=None):
        topic = f"bbo|{symbol}|{source}"
        head = self.head(topic, ts_event)
        payload = Bbo(*head, bid, bid_size, ask, ask_size, 0x80, head[2] if oldest is None else oldest)
        self.state[topic] = payload
        return self.send(topic, payload)

    def trade(self, symbol, price, size=1.0, side=1, source="sim", ref=7):
        topic = f"trade|{symbol}|{source}"
        payload = Trade(*self.head(topic, None), price, size, side, ref, 0x80)
        self.state[topic] = payload
        return self.send(topic, payload)

    def book(self, symbol, bids, asks, kind=1, source="sim"):
        topic = f"book|{symbol}|{source}"
        payload = Book(*self.head(topic, None), kind, bids, asks, 0x80)
        self.books.setdefault(topic, BookState()).apply(payload)
        return self.send(topic, payload)

    def feed_state(self, code, symbol="*", source="sim", reason=0):
        topic = f"state|{symbol}|{source}"
        payload = self.state[topic] = State(*self.head(topic, None), code, reason, 0x80)
        return self.send(topic, payload)

    def tick(self, records: bytes, source="sim"):
        topic = f"tick|*|{source}"
        return self.send(topic, Tick(*self.head(topic, None), len(records) // 64), records)

    def heartbeat(self):
        changed, self.changed = self.changed, {}
        return self.send("hb|*|*", Heartbeat(*self.head("hb|*|*", None), self.epoch, changed))

    def snapshots(self, prefix):
        found = {t: p for t, p in self.state.items() if t.startswith(prefix)}
        found |= {t: b.snapshot() for t, b in self.books.items() if t.startswith(prefix)}
        return found

    def serve(self, timeout_s=0.0):
        """Answer what was asked, note who subscribed. Returns whether there was anything."""
        worked = False
        while self.xpub.poll(0):
            self.subscriptions.append(self.xpub.recv())
            worked = True
        while self.router.poll(int(timeout_s * 1000) if not worked else 0):
            identity, frame = self.router.recv_multipart()
            self.requests.append(frame)
            if not self.silent_snapshots:
                self.answer(identity, frame)
            worked = True
        return worked

    def answer(self, identity, frame):
        try:
            request = decode_request(frame)
        except msgspec.DecodeError as error:
            self.router.send_multipart([identity, b"X", encode_payload({"error": str(error)})])
            return
        found = self.snapshots(request.prefix) if request.op == "snapshot" else {}
        for topic, payload in found.items():
            self.router.send_multipart([identity, b"S", topic.encode(), encode_payload(payload)])
        end = {"publisher_epoch": self.epoch, "count": len(found)}
        self.router.send_multipart([identity, b"E", encode_payload(end)])


class PublisherThread:
    """A Publisher served by a thread of its own; `call` runs something in that thread."""

    def __init__(self, publish, snapshot, epoch=1, heartbeat_s=0.1):
        self.jobs = []
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.publisher = Publisher(publish, snapshot, epoch)
        self.heartbeat_s = heartbeat_s
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        beat = time.monotonic()
        while not self.stopping.is_set():
            with self.lock:
                jobs, self.jobs = self.jobs, []
            for job, done in jobs:
                done.append(job(self.publisher))
            self.publisher.serve(0.0 if jobs else 0.002)
            if time.monotonic() - beat >= self.heartbeat_s:
                beat = time.monotonic()
                self.publisher.heartbeat()
        self.publisher.close()

    def call(self, job, timeout_s=10.0):
        done = []
        with self.lock:
            self.jobs.append((job, done))
        deadline = time.monotonic() + timeout_s
        while not done:
            if time.monotonic() > deadline or not self.thread.is_alive():
                raise TimeoutError("publisher thread")
            time.sleep(0.0005)
        return done[0]

    def close(self):
        self.stopping.set()
        self.thread.join(5)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--publish", required=True)
    parser.add_argument("--snapshot", required=True)
    parser.add_argument("--symbols", type=int, default=10)
    parser.add_argument("--rate", type=float, default=1000.0, help="bbo updates a second; trades are a tenth")
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--bbo-only", action="store_true")
    args = parser.parse_args()
    publisher = Publisher(args.publish, args.snapshot, epoch=time.time_ns())
    for i in range(args.symbols):
        publisher.book(
            f"SYM{i:04d}/USD",
            [(100.0 - j, 1.0) for j in range(5)],
            [(101.0 + j, 1.0) for j in range(5)],
            SNAPSHOT_KIND,
        )
        publisher.bbo(f"SYM{i:04d}/USD", 100.0, 101.0)
    start = beat = time.monotonic()
    sent = 0
    while (now := time.monotonic()) - start < args.seconds:
        while sent < (now - start) * args.rate:
            symbol = f"SYM{sent % args.symbols:04d}/USD"
            price = 100.0 + (sent // args.symbols % 50) / 100
            publisher.bbo(symbol, price, price + 0.5)
            if sent % 10 == 0 and not args.bbo_only:
                publisher.trade(symbol, price, ref=sent)
                publisher.book(symbol, [(price, float(sent % 7))], [])
            sent += 1
        publisher.serve(0.001)
        if now - beat >= 0.1:
            beat = now
            publisher.heartbeat()


if __name__ == "__main__":
    main()
