"""LMAX: whole books by W, instruments by number."""

import pytest

from tests.support.dialects import Client, Dialect

W = (
    "262=1|48=4001|22=8|268=4|269=0|270=1.17395|271=50|272=20261121|273=11:00:00.120|269=0|270=1.17394|271=80|"
    "269=1|270=1.17399|271=25.5|269=1|270=1.17401|271=60|"
)


@pytest.fixture
def lmax(tmp_path):
    return Dialect(tmp_path, "lmax", {"4001": (5, 2), "100637": (2, 2)})


def test_the_logon_and_the_requests(monkeypatch):
    monkeypatch.setenv("LMAX_PASSWORD", "geheim")
    client = Client(
        "lmax", ["4001", "100637"], sender="demo1", target="LMXBDM", username="demo1", password_env="LMAX_PASSWORD"
    )
    assert client.logon() == (
        "35=A|34=1|49=demo1|52=20261121-11:00:00.250|56=LMXBDM|98=0|108=30|141=Y|553=demo1|554=geheim"
    )
    assert client.requests() == [
        "262=p-1|263=1|264=0|265=0|146=1|48=4001|22=8|267=2|269=0|269=1",
        "262=p-2|263=1|264=0|265=0|146=1|48=100637|22=8|267=2|269=0|269=1",
    ]
    assert client.renewals(2) == [
        "262=p-2|263=2|264=0|265=0|146=1|48=100637|22=8|267=2|269=0|269=1",
        "262=p-3|263=1|264=0|265=0|146=1|48=100637|22=8|267=2|269=0|269=1",
    ]
    assert client.session.config.resend_on_gap is False


def test_each_w_is_the_whole_book(lmax):
    assert lmax.send("W", W) == [
        ("clear", 1),
        ("new", 1, "bid", 1.17395, 50.0), ("new", 1, "bid", 1.17394, 80.0),
        ("new", 1, "ask", 1.17399, 25.5), ("new", 1, "ask", 1.17401, 60.0, "last"),
    ]  # fmt: skip
    assert lmax.book() == ([(1.17395, 50.0), (1.17394, 80.0)], [(1.17399, 25.5), (1.17401, 60.0)])
    lmax.send("W", "262=1|48=4001|22=8|268=2|269=0|270=1.17396|271=10|272=20261121|273=11:00:00.121|269=1|270=1.17400|271=20|")  # fmt: skip
    assert lmax.book() == ([(1.17396, 10.0)], [(1.174, 20.0)])
    assert lmax.counts == {}


def test_the_first_entrys_time_is_the_whole_books(lmax):
    records = lmax.feed(lmax.message("W", W))
    assert [int(ts) % 10**9 for ts in records["ts_event"][1:]] == [120_000_000] * 4


def test_an_instrument_that_is_not_ours_touches_no_book(lmax):
    assert lmax.send("W", W.replace("48=4001", "48=4002")) == []
    assert lmax.counts == {"unknown_symbol": 4, "quarantined": 1}


def test_one_sided_and_empty_books(lmax):
    lmax.send("W", W)
    lmax.send("W", "262=1|48=4001|22=8|268=1|269=1|270=1.175|271=1|")
    assert lmax.book() == ([], [(1.175, 1.0)])
    assert lmax.send("W", "262=1|48=4001|22=8|268=0|") == [("clear", 1, "last")]
    assert lmax.book() == ([], [])
