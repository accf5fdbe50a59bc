"""Kraken: ids of side and price, a checksum of the ten best levels behind the group."""

import random
import zlib
from decimal import Decimal

import pytest

from tests.support.dialects import Client, Dialect

ASKS = [f"0.050{n:02}" for n in range(5, 55, 5)]
BIDS = [f"0.0{n}" for n in range(5000, 4945, -5) if n != 4985]
PUBLISHED = 974947235
"""CRC-32 of the ten levels above and below, 0.00000500 each: docs.kraken.com/api/docs/guides/spot-ws-book-v1."""


def entry(side, price, size="0.00000500"):
    return f"269={'0' if side == 'B' else '1'}|278={side}{price}|270={price}|271={size}|"


def checksum(bids, asks):
    """As the venue's guide tells it: digits without point and leading zeros, asks first, best first."""
    text = "".join(str(number).replace(".", "").lstrip("0") for level in (*asks[:10], *bids[:10]) for number in level)
    return zlib.crc32(text.encode())


@pytest.fixture
def kraken(tmp_path):
    return Dialect(tmp_path, "kraken", {"ETH/BTC": (5, 8), "BTC/USD": (1, 8)})


@pytest.fixture
def full(kraken):
    group = "".join(entry("A", price) for price in ASKS) + "".join(entry("B", price) for price in BIDS)
    kraken.send("W", f"262=p-1|55=ETH/BTC|268=20|{group}5041={PUBLISHED}|")
    assert kraken.counts == {}
    return kraken


def test_the_logon_and_the_requests():
    client = Client("kraken", ["BTC/USD"], sender="CLIENT", target="KRAKEN-MD", heartbeat_s=60)
    assert client.logon() == "35=A|34=1|49=CLIENT|52=20261121-11:00:00.250|56=KRAKEN-MD|98=0|108=60|141=Y"
    assert client.requests() == ["262=p-1|263=1|264=1000|265=1|267=3|269=0|269=1|269=2|146=1|55=BTC/USD"]


def test_the_independent_checksum_agrees_with_the_published_one():
    assert checksum([(Decimal(p), "0.00000500") for p in BIDS], [(p, "0.00000500") for p in ASKS]) == PUBLISHED


def test_a_published_checksum_is_accepted_and_is_no_entrys_field(full):
    assert full.book() == ([(float(p), 5e-06) for p in BIDS], [(float(p), 5e-06) for p in ASKS])


def test_another_checksum_marks_the_book_and_asks_for_it_once(full):
    assert full.send("X", f"262=p-1|55=ETH/BTC|268=1|279=0|{entry('B', '0.04990')}5041=1|")[-1] == (
        "bad_book",
        1,
        "last",
    )
    assert full.loop.take_damaged(0) == ([1], False)
    full.send("X", f"262=p-1|55=ETH/BTC|268=1|279=0|{entry('B', '0.04991')}5041=1|")
    assert full.counts == {"bad_check": 1, "damaged": 1, "quarantined": 1}
    full.send("W", f"262=p-2|55=ETH/BTC|268=1|{entry('B', '0.04')}5041={checksum([('0.04000', '0.00000500')], [])}|")
    assert full.counts["bad_check"] == 1, "a snapshot begins anew"


def test_creating_and_deleting_in_one_message_in_order(kraken):
    kraken.send("W", f"262=p-1|55=BTC/USD|268=2|{entry('B', '91000.0', '1.0')}{entry('A', '91000.1', '2.0')}")
    best = [("91000.0", "1.00000000")], [("91000.1", "2.00000000")]
    text = f"55=BTC/USD|268=2|279=0|{entry('B', '91000.05', '3')}279=2|278=B91000.05|5041={checksum(*best)}|"
    assert kraken.send("X", text) == [
        ("new", 2, "bid", 91000.05, 3.0), ("delete", 2, "bid", 91000.05, 0.0, "last"),
    ]  # fmt: skip
    assert kraken.counts == {}


def test_every_message_of_a_walk_is_checked(kraken):
    """A thousand updates over a book deeper than ten levels, each with the checksum of a plain Python book."""
    rng = random.Random(5041)
    books = {"B": {}, "A": {}}
    kraken.send("W", "262=p-1|55=BTC/USD|268=0|")
    for _ in range(1000):
        entries = []
        for _ in range(rng.randint(1, 4)):
            side = rng.choice("BA")
            ticks = rng.randint(1, 30)
            price = f"{91000 - ticks / 10:.1f}" if side == "B" else f"{91000 + ticks / 10:.1f}"
            book = books[side]
            if price in book and rng.random() < 0.4:
                del book[price]
                entries.append(f"279=2|278={side}{price}|")
            else:
                size = f"{rng.randint(1, 10**10) / 10**8:.8f}"
                action = 1 if price in book else 0
                book[price] = size
                entries.append(f"279={action}|{entry(side, price, size)}")
        bids = sorted(books["B"].items(), key=lambda level: -float(level[0]))
        asks = sorted(books["A"].items(), key=lambda level: float(level[0]))
        kraken.send("X", f"55=BTC/USD|268={len(entries)}|{''.join(entries)}5041={checksum(bids, asks)}|")
    assert kraken.counts == {}
    assert kraken.book(2) == ([(float(p), float(s)) for p, s in bids], [(float(p), float(s)) for p, s in asks])


def test_a_checksum_that_is_no_number_is_kept(kraken):
    kraken.send("W", f"262=p-1|55=BTC/USD|268=1|{entry('B', '1.0')}5041=x|")
    assert kraken.counts == {"bad_number": 1, "quarantined": 1}
