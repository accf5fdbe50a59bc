"""cTrader: books by entry id, deletes by id alone."""

import pytest

from tests.support.dialects import Client, Dialect

SNAPSHOT = (
    "262=d|55=1|268=4|269=0|270=1.06625|271=1000000|278=16|269=0|270=1.06620|271=3000000|278=7|"
    "269=1|270=1.06631|271=1000000|278=11|269=1|270=1.06640|271=500000|278=12|"
)


@pytest.fixture
def ctrader(tmp_path):
    return Dialect(tmp_path, "ctrader", {"1": (5, 2), "2": (5, 2)})


def test_the_logon_and_the_requests(monkeypatch):
    monkeypatch.setenv("CT_PASSWORD", "pw")
    client = Client(
        "ctrader", ["1", "2"], sender="demo.broker.3012345", target="CSERVER", username="3012345",
        password_env="CT_PASSWORD",
    )  # fmt: skip
    assert client.logon() == (
        "35=A|34=1|49=demo.broker.3012345|50=QUOTE|52=20261121-11:00:00.250|56=CSERVER|57=QUOTE|98=0|108=30|141=Y|"
        "553=3012345|554=pw"
    )
    assert client.requests() == [
        "262=p-1|263=1|264=0|265=1|267=2|269=0|269=1|146=1|55=1",
        "262=p-2|263=1|264=0|265=1|267=2|269=0|269=1|146=1|55=2",
    ]
    client.logged_on("98=0|108=30|141=Y|")
    client.session.take_output()
    assert client.session.config.resend_on_gap is True
    assert Client("ctrader", ["1"], depth=1).requests() == ["262=p-1|263=1|264=1|265=1|267=2|269=0|269=1|146=1|55=1"]


def test_a_delete_is_its_id(ctrader):
    ctrader.send("W", SNAPSHOT)
    assert ctrader.book() == (
        [(1.06625, 1e6), (1.0662, 3e6)],
        [(1.06631, 1e6), (1.0664, 5e5)],
    )
    assert ctrader.send(
        "X", "262=d|268=3|279=0|269=1|278=13|55=1|270=1.06630|271=250000|279=2|278=16|55=1|279=2|278=11|55=1|"
    ) == [
        ("new", 1, "ask", 1.0663, 250000.0),
        ("delete", 1, "bid", 1.06625, 0.0),
        ("delete", 1, "ask", 1.06631, 0.0, "last"),
    ]
    assert ctrader.book() == ([(1.0662, 3e6)], [(1.0663, 250000.0), (1.0664, 5e5)])
    assert ctrader.counts == {}


def test_two_entries_at_one_price_are_one_level_until_both_are_gone(ctrader):
    ctrader.send("X", "268=2|279=0|269=0|278=1|55=1|270=1.1|271=100|279=0|269=0|278=2|55=1|270=1.1|271=50|")
    assert ctrader.book() == ([(1.1, 150.0)], [])
    ctrader.send("X", "268=1|279=2|278=1|55=1|")
    assert ctrader.book() == ([(1.1, 50.0)], [])
    ctrader.send("X", "268=1|279=2|278=2|55=1|")
    assert ctrader.book() == ([], [])


def test_the_first_book_may_come_as_x_and_serve_several_symbols(ctrader):
    ctrader.send("X", "268=2|279=0|269=0|278=1|55=1|270=1.1|271=100|279=0|269=0|278=2|55=2|270=2.1|271=50|")
    assert ctrader.book(1) == ([(1.1, 100.0)], [])
    assert ctrader.book(2) == ([(2.1, 50.0)], [])


def test_an_id_never_seen_is_counted_and_flagged(ctrader):
    assert ctrader.send("X", "268=1|279=2|278=99|55=1|") == [("delete", 1, "none", None, 0.0, "last")]
    assert ctrader.counts == {"unknown_id": 1}


def test_spot_quotes_have_neither_size_nor_id(tmp_path):
    spot = Dialect(tmp_path, "ctrader", {"1": (5, 2)}, keying="price")
    spot.send("W", "55=1|268=2|269=0|270=1.06625|269=1|270=1.0663|")
    assert spot.book() == ([(1.06625, 1.0)], [(1.0663, 1.0)])
    spot.send("W", "55=1|268=2|269=0|270=1.06624|269=1|270=1.0663|")
    assert spot.book() == ([(1.06624, 1.0)], [(1.0663, 1.0)])
    assert spot.counts == {}
