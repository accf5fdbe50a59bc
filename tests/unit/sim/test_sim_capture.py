"""Real captures against an independent pass over the same JSON."""

import gzip
import itertools
import json
from collections import Counter
from decimal import Decimal

import pytest
from sim_client import Client, Venue, assert_agree

from feedhandler import sim
from feedhandler.sim.capture import CaptureError, load

FILES = {"usdm": "usdm-btcusdt-20240808.jsonl.gz", "spot": "spot-btcusdt-20240808.jsonl.gz"}


class Truth:
    """What must arrive: entries, trades, best prices by update id, final levels. Decimals and dicts only."""

    def __init__(self, path, *, futures: bool) -> None:
        self.sides = {"b": {}, "a": {}}
        self.counts = Counter()
        self.best_at: dict[int, tuple] = {}
        self.tickers: dict[int, tuple] = {}
        self.last = None
        early = []
        with gzip.open(path, "rt") as file:
            for line in file:
                message = json.loads(line.partition(" ")[2])
                data = message.get("data", {})
                if "lastUpdateId" in message:
                    self.last = message["lastUpdateId"]
                    for side, name in (("b", "bids"), ("a", "asks")):
                        self.sides[side] = {Decimal(p): Decimal(q) for p, q in message[name]}
                        self.counts["snapshot"] += len(message[name])
                    for update in early:
                        self.update(update, futures)
                elif data.get("e") == "depthUpdate":
                    if self.last is None:
                        early.append(data)
                    else:
                        self.update(data, futures)
                elif data.get("e") == "trade":
                    self.counts["trades"] += 1
                elif "bookTicker" in message.get("stream", ""):
                    best = [(Decimal(data[p]), Decimal(data[q])) for p, q in (("b", "B"), ("a", "A"))]
                    self.tickers[data["u"]] = tuple(best)

    def update(self, data, futures: bool) -> None:
        if data["u"] < self.last + (0 if futures else 1):
            return
        self.last = max(self.last, data["u"])
        for side in "ba":
            book = self.sides[side]
            for price_text, size_text in data[side]:
                price, size = Decimal(price_text), Decimal(size_text)
                if size:
                    book[price] = size
                    self.counts["entries"] += 1
                elif book.pop(price, None) is not None:
                    self.counts["entries"] += 1
        bid, ask = max(self.sides["b"]), min(self.sides["a"])
        self.best_at[data["u"]] = ((bid, self.sides["b"][bid]), (ask, self.sides["a"][ask]))

    @property
    def ticks(self) -> int:
        return self.counts["snapshot"] + self.counts["entries"] + self.counts["trades"]


@pytest.mark.parametrize(("name", "levels", "compared"), [("usdm", (5018, 4578), 629), ("spot", (1209, 2196), 564)])
def test_a_capture_flat_out_arrives_whole(tmp_path, captures, name, levels, compared):
    path = captures / "binance" / FILES[name]
    truth = Truth(path, futures=name == "usdm")
    with Venue(tmp_path, "--capture", str(path), "--speed", "flat") as venue:
        client = BestFollower(venue.port)
        client.logon()
        client.subscribe(["BTCUSDT"])
        while venue.call("status")["flow"] != "done":
            client.drain(0.1)
        client.drain()
        counts = assert_agree(venue, client)
        client.close()
    assert counts["sent"]["BTCUSDT"] == truth.ticks
    assert client.trades["BTCUSDT"] == truth.counts["trades"]
    book = client.books["BTCUSDT"]
    assert (len(book.levels("0")), len(book.levels("1"))) == levels
    assert dict(book.levels("0")) == truth.sides["b"]
    assert dict(book.levels("1")) == truth.sides["a"]
    shared = truth.tickers.keys() & client.best_at.keys()
    assert len(shared) >= compared
    assert [u for u in shared if client.best_at[u] != truth.tickers[u]] == []


class BestFollower(Client):
    """Notes the best prices after each update id (83). The keys it need not rescan come from the changed side."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.best_at: dict[int, tuple] = {}

    def _market_data(self, kind, fields, duplicate):
        super()._market_data(kind, fields, duplicate)
        update = next((int(value) for tag, value in fields if tag == 83), None)
        if update is None:
            return
        sides = self.books["BTCUSDT"].sides
        bid, ask = max(sides["0"]), min(sides["1"])
        self.best_at[update] = ((bid, sides["0"][bid]), (ask, sides["1"][ask]))


def test_by_id_gives_the_same_book(tmp_path, captures):
    path = captures / "binance" / FILES["spot"]
    with Venue(tmp_path, "--capture", str(path), "--speed", "flat", "--keying", "id") as venue:
        client = Client(venue.port)
        client.logon()
        client.subscribe(["BTCUSDT"])
        while venue.call("status")["flow"] != "done":
            client.drain(0.1)
        client.drain()
        assert_agree(venue, client)
        assert (len(client.books["BTCUSDT"].levels("0")), len(client.books["BTCUSDT"].levels("1"))) == (1209, 2196)
        client.close()


def test_the_pace_is_the_captures_own(tmp_path, captures):
    path = captures / "binance" / FILES["spot"]
    with Venue(tmp_path, "--capture", str(path), "--speed", "100", "--seconds", "1.5") as venue:
        client = Client(venue.port)
        client.x_messages = []
        client.logon()
        client.subscribe(["BTCUSDT"])
        while venue.call("status")["flow"] != "done":
            client.drain(0.1)
        client.close()
        assert 1.5 <= venue.call("status")["seconds"] < 5
    stamps = [stamp_ns(entries[0][273]) for entries in client.x_messages]
    capture = load(path)
    offsets = capture.events["offset_ns"][capture.events["kind"] == 0][: len(stamps)]
    gaps = [b - a for a, b in itertools.pairwise(stamps)]
    expected = [(b - a) / 100 for a, b in itertools.pairwise(offsets)]
    assert len(gaps) > 3000
    assert max(abs(gap - want) for gap, want in zip(gaps, expected, strict=True)) <= 2  # the intended times, exactly


def stamp_ns(text: str) -> int:
    hours, minutes, seconds = text.split(":")
    return (int(hours) * 3600 + int(minutes) * 60) * 10**9 + int(Decimal(seconds) * 10**9)


LINES = [
    '1 {"lastUpdateId":10,"bids":[["5.0","1"]],"asks":[["6.0","1"]]}',
    '2 {"data":{"e":"depthUpdate","s":"ABC","U":9,"u":12,"b":[["5.0","2"]],"a":[]}}',
]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], "no depth"),
        (LINES[:1], "no depth update after the snapshot"),
        (LINES[1:], "no snapshot"),
        ([LINES[0], LINES[1].replace('"U":9', '"U":12')], "hole"),
        ([*LINES, LINES[1].replace('"U":9,"u":12', '"U":14,"u":15')], "does not follow"),
        ([LINES[0], "x {}"], "line 2"),
        ([LINES[0], "2 {"], "line 2"),
        ([LINES[0], LINES[1].replace('"2"', '"x"')], "line 2"),
        ([LINES[0], LINES[1].replace('"2"', "2")], "partition"),
        ([*LINES, LINES[0]], "second snapshot"),
        ([LINES[0], LINES[1], LINES[1].replace("ABC", "DEF")], "second symbol"),
    ],
)
def test_a_bad_capture_is_refused_by_line_and_reason(tmp_path, lines, why, capsys):
    path = tmp_path / "capture.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines))
    with pytest.raises(CaptureError, match=why):
        load(path)
    assert sim.main(["--port", "0", "--capture", str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def test_a_missing_or_broken_file_is_refused(tmp_path):
    with pytest.raises(CaptureError, match="nowhere"):
        load(tmp_path / "nowhere.jsonl.gz")
    (tmp_path / "torn.jsonl.gz").write_bytes(gzip.compress(("\n".join(LINES) * 100).encode())[:-20])
    with pytest.raises(CaptureError, match="torn"):
        load(tmp_path / "torn.jsonl.gz")
