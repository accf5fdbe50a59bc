"""Who gets what, when, in which order: the bridge without sockets."""

import json
import random

import pytest

from feedhandler.bridge.hub import Hub
from feedhandler.bridge.requests import Desk
from feedhandler.topics import Bbo, Book, Heartbeat, Trade, decode_request, encode_payload
from feedhandler.wire.book_state import BookState
from feedhandler.wire.subscriber_events import SendRequest, Subscribe, Unsubscribe

MS = 1_000_000


def head(seq):
    return (1, seq, 1000 * seq, 1000 * seq + 1, 1000 * seq + 2, "r", 1, seq)


class Rig:
    """A hub whose ZeroMQ sockets and snapshot service are played by hand."""

    def __init__(self, tokens=(), queue_max=100, subscriptions_max=1000):
        self.hub = Hub(queue_max)
        self.desk = Desk(self.hub, tokens, subscriptions_max, 1000)
        self.now = self.hub.now_ns = 10 * MS
        self.values, self.books, self.seqs, self.sent, self.epoch = {}, {}, {}, [], 1
        self.lose = False

    def client(self, authorised=True):
        box = []
        client = self.hub.connect("c", lambda m: box.append(json.loads(m)), authorised=authorised)
        return client, box

    def ask(self, client, **message):
        ok = self.desk.handle(client, json.dumps(message).encode())
        self.work()
        return ok

    def subscribe(self, client, channels, symbols=("*",), **more):
        return self.ask(client, op="subscribe", channels=list(channels), symbols=list(symbols), **more)

    def work(self):
        for _ in range(10):
            self.now += 10 * MS
            self.hub.now_ns = self.now
            self.hub.state.poll(self.now)
            actions = self.hub.state.take_actions()
            self.sent += [a for a in actions if isinstance(a, Subscribe | Unsubscribe)]
            for action in actions:
                if isinstance(action, SendRequest):
                    self.answer(decode_request(action.frame).prefix)
            self.hub.flush()

    def answer(self, prefix):
        state = self.values | {t: b.snapshot() for t, b in self.books.items()}
        found = {t: v for t, v in state.items() if t.startswith(prefix)}
        for topic, value in found.items():
            self.hub.state.on_snapshot([b"S", topic.encode(), encode_payload(value)], self.now)
        end = {"publisher_epoch": self.epoch, "count": len(found)}
        self.hub.state.on_snapshot([b"E", encode_payload(end)], self.now)

    def up(self, topic, make):
        seq = self.seqs[topic] = self.seqs.get(topic, 0) + 1
        value = make(head(seq))
        if topic.startswith("book|"):
            self.books.setdefault(topic, BookState()).apply(value)
        else:
            self.values[topic] = value
        if not self.lose:
            self.hub.state.on_frames([topic.encode(), encode_payload(value)], self.now)

    def bbo(self, symbol, price, source="x"):
        self.up(f"bbo|{symbol}|{source}", lambda h: Bbo(*h, price, 1.0, price + 1, 2.0, 128, h[2]))

    def trade(self, symbol, price, source="x"):
        self.up(f"trade|{symbol}|{source}", lambda h: Trade(*h, price, 1.0, 1, 2**64 - 1, 0))

    def book(self, symbol, bids, asks=(), kind=1, source="x"):
        self.up(f"book|{symbol}|{source}", lambda h: Book(*h, kind, list(bids), list(asks), 0))

    def restart(self):
        self.epoch += 1
        self.values, self.books, self.seqs = {}, {}, {}

    def beat(self):
        self.hub.state.on_frames([b"hb|*|*", encode_payload(Heartbeat(*head(1), self.epoch, {}))], self.now)


def flat(box):
    """Take the messages as short tuples."""
    out = []
    for m in box:
        if m["type"] in ("update", "snapshot"):
            out += [(m["type"], d["channel"], d["symbol"], d["seq"]) for d in m["data"]]
        elif m["type"] in ("gap", "restart"):
            out.append((m["type"], m.get("from_seq"), m.get("to_seq")))
    box.clear()
    return out


def test_snapshot_follows_the_ack_then_updates_without_repetition():
    rig = Rig()
    rig.bbo("A", 1.0)
    client, box = rig.client()
    rig.subscribe(client, ["bbo"], id=4)
    names = {"channels": ["bbo"], "symbols": ["*"], "unknown": [], "pending": ["bbo"]}
    datum = {
        "channel": "bbo", "symbol": "A", "source": "x", "seq": 1, "ts_event": 1000, "ts_recv": 1001, "ts_pub": 1002,
        "bid": 1.0, "bid_size": 1.0, "ask": 2.0, "ask_size": 2.0, "flags": 128, "oldest": 1000,
    }  # fmt: skip
    assert box == [
        {"type": "ack", "op": "subscribe", "id": 4, **names},
        {"type": "snapshot", "id": 4, "data": [datum]},
    ]
    box.clear()
    rig.bbo("A", 2.0)
    late, late_box = rig.client()
    rig.subscribe(late, ["bbo"], ["A", "B"])  # while an update is on its way to the other
    assert flat(box) == [("update", "bbo", "A", 2)]
    assert (late_box[0]["unknown"], late_box[0]["pending"]) == (["B"], [])
    assert flat(late_box) == [("snapshot", "bbo", "A", 2)]
    rig.bbo("A", 3.0)
    rig.bbo("B", 1.0)
    rig.hub.flush()
    assert flat(late_box) == flat(box) == [("update", "bbo", "A", 3), ("update", "bbo", "B", 1)]


def test_several_updates_leave_in_one_message_and_the_newest_wins_with_the_oldest_time():
    rig = Rig()
    client, box = rig.client()
    rig.subscribe(client, ["bbo"])
    box.clear()
    for price in (1.0, 2.0, 3.0):
        rig.bbo("A", price)
    rig.bbo("B", 9.0)
    rig.hub.flush()
    (message,) = box
    a, b = message["data"]
    assert (a["seq"], a["bid"], a["oldest"], b["seq"]) == (3, 3.0, 1000, 1)
    assert client.stats.conflated == 2


def test_a_pending_quote_goes_before_the_trade_and_is_not_replaced_by_a_later_one():
    rig = Rig()
    client, box = rig.client()
    rig.subscribe(client, ["bbo", "trade"])
    box.clear()
    rig.bbo("A", 1.0)
    rig.trade("A", 1.5)
    rig.bbo("A", 2.0)
    rig.trade("A", 2.5)
    rig.trade("A", 2.6)
    rig.hub.flush()
    expected = [("bbo", 1), ("trade", 1), ("bbo", 2), ("trade", 2), ("trade", 3)]
    assert flat(box) == [("update", channel, "A", seq) for channel, seq in expected]


def test_a_slow_client_is_conflated_and_harms_nobody():
    rig = Rig()
    slow, slow_box = rig.client()
    fast, fast_box = rig.client()
    for client in (slow, fast):
        rig.subscribe(client, ["bbo"])
    rig.bbo("A", 0.5)
    rig.hub.flush()
    slow_box.clear()
    fast_box.clear()
    slow.pause(rig.now)
    for price in (1.0, 2.0, 3.0):
        rig.bbo("A", price)
        rig.hub.flush()
    assert slow_box == []
    assert len(flat(fast_box)) == 3
    slow.resume(rig.now)
    ((datum,),) = (m["data"] for m in slow_box)
    assert (datum["seq"], datum["bid"], datum["oldest"], slow.stats.conflated) == (4, 3.0, 2000, 2)
    slow_box.clear()
    rig.bbo("A", 4.0)
    rig.hub.flush()
    assert slow_box[0]["data"][0]["oldest"] == 5000


def test_a_slow_clients_book_comes_back_as_a_snapshot():
    rig = Rig()
    client, box = rig.client()
    rig.book("A", [(9.0, 1.0)], [(10.0, 1.0)], kind=0)
    rig.subscribe(client, ["book"])
    box.clear()
    rig.book("A", [(9.5, 2.0)])
    rig.hub.flush()
    assert flat(box) == [("update", "book", "A", 2)]
    client.pause(rig.now)
    rig.book("A", [(9.5, 0.0)])
    rig.book("A", [(8.0, 7.0)])
    rig.hub.flush()
    client.resume(rig.now)
    assert (box[0]["data"][0]["kind"], box[0]["data"][0]["bids"]) == (0, [[9.0, 1.0], [8.0, 7.0]])
    assert flat(box) == [("snapshot", "book", "A", 4)]
    rig.book("A", [(8.0, 0.0)])
    rig.hub.flush()
    assert flat(box) == [("update", "book", "A", 5)]


def test_a_slow_clients_trades_queue_and_overflow_is_one_announced_range():
    rig = Rig(queue_max=4)
    client, box = rig.client()
    rig.subscribe(client, ["bbo", "trade"])
    box.clear()
    client.pause(rig.now)
    rig.bbo("A", 1.0)
    for price in range(6):
        rig.trade("A", float(price))
    rig.bbo("A", 2.0)
    rig.hub.flush()
    client.resume(rig.now)
    assert flat(box) == [
        ("update", "bbo", "A", 1), ("update", "trade", "A", 1), ("update", "trade", "A", 2),
        ("update", "trade", "A", 3), ("gap", 4, 6), ("update", "bbo", "A", 2),
    ]  # fmt: skip
    assert client.stats.trades_dropped == 3
    rig.trade("A", 9.0)
    rig.hub.flush()
    assert flat(box) == [("update", "trade", "A", 7)]


def test_max_rate_holds_back_and_always_sends_the_trailing_edge():
    rig = Rig()
    client, box = rig.client()
    rig.subscribe(client, ["bbo", "trade"], max_rate=10)
    box.clear()
    for price in range(5):
        rig.bbo("A", float(price))
        rig.hub.flush()
        rig.hub.tick()
    assert flat(box) == [("update", "bbo", "A", 1)]
    assert rig.hub.busy
    rig.now = rig.hub.now_ns = rig.now + 101 * MS
    rig.hub.tick()
    assert box[0]["data"][0]["oldest"] == 2000
    assert flat(box) == [("update", "bbo", "A", 5)]
    rig.bbo("A", 7.0)
    rig.trade("A", 7.0)
    rig.hub.flush()
    assert flat(box) == [("update", "bbo", "A", 6), ("update", "trade", "A", 1)]
    rig.subscribe(client, ["bbo", "trade"])
    box.clear()
    for price in range(3):
        rig.bbo("A", float(price))
        rig.hub.flush()
    assert len(flat(box)) == 3


def test_a_symbols_own_subscription_goes_before_the_star():
    rig = Rig()
    client, box = rig.client()
    rig.subscribe(client, ["bbo"], ["*"], sources=["x"])
    rig.subscribe(client, ["bbo"], ["A"], sources=["y"])
    box.clear()
    for symbol in "AB":
        for source in "xyz":
            rig.bbo(symbol, 1.0, source)
    rig.hub.flush()
    assert [(d["symbol"], d["source"]) for d in box[0]["data"]] == [("A", "y"), ("B", "x")]


def test_unsubscribing_by_symbol_and_by_star_and_what_was_not_there():
    rig = Rig()
    client, box = rig.client()
    rig.bbo("A", 1.0)
    rig.bbo("B", 1.0)
    rig.subscribe(client, ["bbo", "trade"], ["A", "B"])
    box.clear()
    rig.ask(client, op="unsubscribe", channels=["bbo"], symbols=["A", "C"], id=1)
    names = {"channels": ["bbo"], "symbols": ["A", "C"], "not_subscribed": [{"channel": "bbo", "symbol": "C"}]}
    assert box == [{"type": "ack", "op": "unsubscribe", "id": 1, **names}]
    box.clear()
    rig.bbo("A", 2.0)
    rig.bbo("B", 2.0)
    rig.hub.flush()
    assert flat(box) == [("update", "bbo", "B", 2)]
    rig.ask(client, op="list", id=2)
    listed = box.pop()["subscriptions"]
    assert [(s["channel"], s["symbol"]) for s in listed] == [("bbo", "B"), ("trade", "A"), ("trade", "B")]
    rig.ask(client, op="unsubscribe", channels=["bbo"], symbols=["*"])
    assert rig.sent[-1] == Unsubscribe(b"bbo|")
    rig.hub.disconnect(client)
    rig.work()
    assert rig.sent[-1] == Unsubscribe(b"trade|")


def test_only_wanted_channels_are_taken_from_upstream():
    rig = Rig()
    client, _ = rig.client()
    rig.subscribe(client, ["trade"], ["A"])
    assert rig.sent == [Subscribe(b"hb|"), Subscribe(b"trade|")]


def test_a_gap_in_trades_upstream_is_passed_on_in_order():
    rig = Rig()
    client, box = rig.client()
    rig.subscribe(client, ["trade"])
    box.clear()
    for price in (1.0, 2.0, 3.0):
        rig.lose = price == 2.0
        rig.trade("A", price)
    rig.hub.flush()
    assert flat(box) == [("update", "trade", "A", 1), ("gap", 2, 2), ("update", "trade", "A", 3)]


def test_a_broken_book_upstream_is_repaired_by_a_snapshot_for_everybody():
    rig = Rig()
    client, box = rig.client()
    rig.book("A", [(9.0, 1.0)], kind=0)
    rig.subscribe(client, ["book"])
    box.clear()
    rig.lose = True
    rig.book("A", [(8.0, 1.0)])
    rig.lose = False
    rig.book("A", [(7.0, 1.0)])
    rig.hub.flush()
    assert flat(box) == []
    rig.work()
    assert box[0]["data"][0]["bids"] == [[9.0, 1.0], [8.0, 1.0], [7.0, 1.0]]
    assert flat(box) == [("snapshot", "book", "A", 3)]


def test_a_restarted_publisher_is_announced_and_restated():
    rig = Rig()
    client, box = rig.client()
    slow, slow_box = rig.client()
    for price in range(3):
        rig.bbo("A", float(price))
    rig.bbo("GONE", 1.0)
    for c in (client, slow):
        rig.subscribe(c, ["bbo"])
    box.clear()
    slow_box.clear()
    slow.pause(rig.now)
    rig.restart()
    rig.bbo("A", 50.0)
    rig.beat()
    late, late_box = rig.client()
    rig.subscribe(late, ["bbo"])
    rig.bbo("A", 51.0)
    rig.hub.flush()
    assert flat(box) == [("restart", None, None), ("snapshot", "bbo", "A", 1), ("update", "bbo", "A", 2)]
    assert flat(late_box) == [("snapshot", "bbo", "A", 1), ("update", "bbo", "A", 2)]
    slow.resume(rig.now)
    assert slow_box[-1]["data"][0]["bid"] == 51.0
    assert flat(slow_box) == [("restart", None, None), ("snapshot", "bbo", "A", 2)]


def test_the_cap_on_subscriptions_refuses_the_whole_request():
    rig = Rig(subscriptions_max=3)
    client, box = rig.client()
    rig.subscribe(client, ["bbo"], ["A", "B"])
    rig.subscribe(client, ["bbo", "trade"], ["A", "B"], id=9)
    assert (box[-1]["code"], box[-1]["id"], len(client.subscriptions)) == ("too_many_subscriptions", 9, 2)
    rig.subscribe(client, ["bbo"], ["A", "B", "C"])
    assert len(client.subscriptions) == 3


def test_who_is_not_authorised_is_told_so_until_the_right_token_comes():
    rig = Rig(tokens=("secret", "other"))
    client, box = rig.client(authorised=False)
    assert rig.subscribe(client, ["bbo"], id=1)
    assert (box[-1]["code"], box[-1]["id"]) == ("not_authorised", 1)
    assert not rig.ask(client, op="auth", token="wrong")
    assert rig.ask(client, op="auth", token="other", id=2)
    assert box[-1] == {"type": "ack", "op": "auth", "id": 2}
    rig.subscribe(client, ["bbo"])
    assert box[-1]["type"] == "snapshot"


def test_a_message_too_large_has_an_answer():
    rig = Rig()
    client, box = rig.client()
    assert rig.desk.handle(client, b" " * 1001)
    assert (box[-1]["code"], client.stats.errors) == ("message_too_large", 1)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_every_client_ends_with_the_present_and_seq_ascends(seed):
    """Random updates, losses, slow phases, late joiners, rates and a restart; then calm."""
    rng = random.Random(seed)
    rig = Rig(queue_max=5)
    clients = []
    for step in range(400):
        rig.now = rig.hub.now_ns = rig.now + MS
        if step % 60 == 0:
            client, box = rig.client()
            clients.append((client, box))
            rig.subscribe(client, ["bbo", "book", "trade"], **({"max_rate": 100} if rng.random() < 0.4 else {}))
        rig.lose = step < 300 and rng.random() < 0.05
        symbol = "ABC"[step % 3] if step > 390 else rng.choice("ABC")
        rig.bbo(symbol, float(step))
        kind = 0 if f"book|{symbol}|x" not in rig.seqs else 1
        rig.book(symbol, [(float(rng.randrange(5)), float(rng.randrange(3)))], kind=kind)
        rig.trade(symbol, float(step))
        if step == 200:
            rig.restart()
            rig.beat()
        if rng.random() < 0.5:
            rig.hub.flush()
        if rng.random() < 0.1:
            rig.work()
        client, _ = rng.choice(clients)
        if rng.random() < 0.1:
            client.pause(rig.now)
        elif client.slow and rng.random() < 0.3:
            client.resume(rig.now)
    for client, _ in clients:
        client.resume(rig.now)
    rig.work()
    rig.hub.tick()
    for _, box in clients:
        check(rig, box)


def check(rig, box):
    quotes, books, trades, seqs = {}, {}, {}, {}
    for m in box:
        if m["type"] == "restart":
            seqs, trades = {}, {}
        elif m["type"] == "gap":
            assert m["from_seq"] <= m["to_seq"]
            trades.setdefault(m["symbol"], set()).update(range(m["from_seq"], m["to_seq"] + 1))
        for d in m.get("data", ()):
            place = d["channel"], d["symbol"]
            if m["type"] == "update":
                assert d["seq"] > seqs.get(place, 0), (place, d["seq"], seqs)
                if d["channel"] == "book" and d["kind"] == 1:
                    assert d["seq"] == seqs[place] + 1
            seqs[place] = d["seq"]
            if d["channel"] == "bbo":
                assert d["oldest"] <= d["ts_event"]
                quotes[d["symbol"]] = d["bid"]
            elif d["channel"] == "trade" and m["type"] == "update":
                trades.setdefault(d["symbol"], set()).add(d["seq"])
            elif d["channel"] == "book":
                side = books.setdefault(d["symbol"], {})
                if d["kind"] == 0:
                    side.clear()
                side.update(d["bids"])
    for symbol in "ABC":
        assert quotes[symbol] == rig.values[f"bbo|{symbol}|x"].bid
        assert sorted(i for i in books[symbol].items() if i[1]) == sorted(rig.books[f"book|{symbol}|x"].bids())
        got = trades[symbol]
        assert got == set(range(min(got), rig.seqs[f"trade|{symbol}|x"] + 1))
