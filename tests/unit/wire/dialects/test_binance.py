"""Binance Spot: Ed25519 logon, diff depth numbered by 25043..25044, events over several messages, microseconds."""

import pytest

from feedhandler import _native
from feedhandler.errors import ConfigError
from feedhandler.tick import Flag
from feedhandler.wire import fix_logon, fix_profile
from tests.support.dialects import NOW, Client, Dialect, brief, readable, wire

# The example of the venue's own page (fix-api.md, "How to sign Logon<A> request"), key and all.
PEM = """-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u
-----END PRIVATE KEY-----
"""
SIGNATURE = b"4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM+5UdlGPrQHrgtS3CvsRURC1oj73j8gCA=="

SNAPSHOT = (
    "262=p-1|55=BTCUSDT|25044=100|268=4|269=0|270=91000.00000000|271=0.50000000|269=0|270=90999.99000000|"
    "271=2.00000000|269=1|270=91000.01000000|271=0.00100000|269=1|270=91000.02000000|271=3.00000000|"
)


def update(first, last, entries):
    """One diff depth message; the numbers stand in its first entry, as the venue has it."""
    head, *rest = entries
    count = 1 + len(rest)
    return f"262=p-1|268={count}|{head}55=BTCUSDT|25043={first}|25044={last}|{''.join(rest)}"


@pytest.fixture
def binance(tmp_path):
    return Dialect(tmp_path, "binance", {"BTCUSDT": (2, 8), "BNBBUSD": (5, 5)})


def test_the_venues_own_signature():
    who = fix_logon.Credentials(sender="EXAMPLE", target="SPOT", secret=PEM)
    assert fix_logon.ed25519(who)(1, "20240627-11:17:25.223") == [(95, b"88"), (96, SIGNATURE)]


def test_the_logon_and_the_requests(monkeypatch):
    monkeypatch.setenv("BINANCE_KEY", PEM)
    client = Client(
        "binance", ["BTCUSDT", "BNBBUSD"], sender="EXAMPLE", target="SPOT", username="apikey", secret_env="BINANCE_KEY"
    )
    text, signature = client.logon().split("|96=")
    assert text == ("35=A|34=1|49=EXAMPLE|52=20261121-11:00:00.250000|56=SPOT|98=0|108=30|141=Y|553=apikey|95=88")
    signed = fix_logon.ed25519(fix_logon.Credentials(sender="EXAMPLE", target="SPOT", secret=PEM))
    expected = signed(1, "20261121-11:00:00.250000")[1][1].decode()
    assert signature == f"{expected}|25035=2"
    assert client.requests() == [
        "262=p-1|263=1|264=5000|266=Y|146=2|55=BTCUSDT|55=BNBBUSD|267=2|269=0|269=1",
        "262=p-2|263=1|264=5000|266=Y|146=2|55=BTCUSDT|55=BNBBUSD|267=1|269=2",
    ]
    assert client.subscription.active == 2, "so many W will come"
    assert client.renewals(1) == [
        "262=p-1|263=2|264=5000",
        "262=p-3|263=1|264=5000|266=Y|146=2|55=BTCUSDT|55=BNBBUSD|267=2|269=0|269=1",
    ]
    assert PEM not in repr(client.session.config)


@pytest.mark.parametrize("secret", ["", "MC4CAQAwBQYDK2VwBCIEIIJE", PEM.replace("MC4C", "MC4D")])
def test_a_key_that_is_none_is_a_configuration_error_that_shows_nothing_of_it(monkeypatch, secret):
    monkeypatch.setenv("BINANCE_KEY", secret)
    with pytest.raises(ConfigError, match="secret_env") as error:
        Client("binance", ["BTCUSDT"], secret_env="BINANCE_KEY")
    assert "MC4" not in str(error.value)


def test_a_book_and_its_changes(binance):
    binance.send("W", SNAPSHOT)
    entries = [
        "279=2|270=91000.01000000|269=1|",
        "279=1|270=91000.00000000|271=0.70000000|269=0|",
        "279=0|270=90998.00000000|271=1.00000000|269=0|",
    ]
    assert binance.send("X", update(101, 103, entries)) == [
        ("delete", 1, "ask", 91000.01, 0.0),
        ("change", 1, "bid", 91000.0, 0.7),
        ("new", 1, "bid", 90998.0, 1.0, "last"),
    ]
    assert binance.book() == ([(91000.0, 0.7), (90999.99, 2.0), (90998.0, 1.0)], [(91000.02, 3.0)])
    assert binance.counts == {}


def test_an_empty_snapshot(binance):
    assert binance.send("W", "262=BOOK_TICKER_1_2|55=BNBBUSD|25044=0|268=0|") == [("clear", 2, "last")]


def test_a_missing_update_marks_the_book_until_a_snapshot(binance):
    binance.send("W", SNAPSHOT)
    binance.send("X", update(101, 101, ["279=0|270=90000|271=1|269=0|"]))
    assert binance.send("X", update(103, 104, ["279=0|270=90001|271=1|269=0|", "279=0|270=90002|271=1|269=0|"])) == [
        ("bad_book", 1), ("new", 1, "bid", 90001.0, 1.0), ("new", 1, "bid", 90002.0, 1.0, "last"),
    ]  # fmt: skip
    assert binance.loop.take_damaged(0) == ([1], False)
    assert binance.counts == {"sequence_gap": 1, "damaged": 1}
    binance.send("X", update(105, 105, ["279=0|270=90003|271=1|269=0|"]))
    assert binance.counts["sequence_gap"] == 1, "one gap is one gap"
    assert binance.send("W", SNAPSHOT.replace("25044=100", "25044=110"))[0] == ("clear", 1)
    binance.send("X", update(111, 111, ["279=0|270=90004|271=1|269=0|"]))
    assert binance.counts == {"sequence_gap": 1, "damaged": 1}


def test_updates_older_than_the_snapshot_are_left_out(binance):
    binance.send("W", SNAPSHOT)
    assert binance.send("X", update(98, 100, ["279=2|270=91000|269=0|"])) == []
    assert binance.send("X", update(99, 101, ["279=1|270=91000|271=9|269=0|"])) == [
        ("change", 1, "bid", 91000.0, 9.0, "last")
    ], "one that reaches beyond it is not old"
    assert binance.counts == {"old_update": 1}


def test_other_symbols_have_numbers_of_their_own(binance):
    binance.send("W", SNAPSHOT)
    text = update(101, 101, ["279=0|270=90000|271=1|269=0|", "279=0|270=600|271=1|269=0|55=BNBBUSD|25043=7|25044=9|"])
    assert [record[1] for record in binance.send("X", text)] == [1, 2]
    assert binance.counts == {}


def test_the_book_ticker_says_no_first_number(tmp_path):
    ticker = Dialect(tmp_path, "binance", {"BTCUSDT": (2, 8)})
    ticker.send("W", "262=t|55=BTCUSDT|25044=5|268=2|269=0|270=1|271=1|269=1|270=2|271=1|")
    ticker.send("X", "262=t|268=1|279=1|270=2|271=4|269=1|55=BTCUSDT|25044=90|")
    assert ticker.book() == ([(1.0, 1.0)], [(2.0, 4.0)])
    assert ticker.counts == {}


def test_trades_are_as_the_venues_sample_has_them(binance):
    head = "262=TRADE_3|268=3|"
    entries = [
        f"279=0|269=2|270=10.00000|271=0.01000|{symbol}1003={n}|60=20261121-10:59:59.46400{n}|2446=2|"
        for n, symbol in enumerate(("55=BNBBUSD|", "", ""))
    ]
    records = binance.feed(binance.message("X", head + "".join(entries)))
    assert [(int(r["instrument"]), int(r["ref"]), int(r["side"]), int(r["ts_event"]) % 10**9) for r in records] == [
        (2, n, 2, 464_000_000 + 1000 * n) for n in range(3)
    ]


def test_an_event_ends_with_its_last_fragment(binance):
    binance.send("W", SNAPSHOT)
    binance.published()
    first = update(101, 102, ["279=2|270=91000.01000000|269=1|", "279=2|270=91000.02000000|269=1|"])
    assert binance.send("X", first.replace("268=", "893=N|268=")) == [], "half an event is nobody's"
    assert binance.published() == []
    last = update(103, 103, ["279=0|270=91000.03000000|271=1|269=1|"])
    records = binance.feed(binance.message("X", last.replace("268=", "893=Y|268=")))
    assert [bool(r["flags"] & Flag.LAST) for r in records] == [False, False, True]
    assert binance.book()[1] == [(91000.03, 1.0)]
    assert binance.counts == {}


def test_another_sessions_event_holds_nothing_of_the_unfinished_one(binance):
    binance.send("W", SNAPSHOT)
    other = fix_profile.load("fix44").compile()
    binance.loop.add_session(other, 2, 1, 1 << 20, 16)
    binance.loop.add_symbol(1, b"OTHER", 99)
    binance.loop.set_sequence(1, 1, True)
    first = update(101, 101, ["279=2|270=91000.01|269=1|"])
    binance.send("X", first.replace("268=", "893=N|268="))
    between = wire(
        "35=X|34=1|49=S|52=20261121-11:00:00|56=F|268=1|279=0|269=0|55=OTHER|270=5|271=1|",
    )
    assert binance.loop.feed(1, between, NOW) is None
    assert brief(binance.read()) == [("new", 99, "bid", 5.0, 1.0, "last")]
    last = update(102, 102, ["279=2|270=91000.02|269=1|"])
    assert binance.send("X", last.replace("268=", "893=Y|268=")) == [
        ("delete", 1, "ask", 91000.01, 0.0),
        ("delete", 1, "ask", 91000.02, 0.0, "last"),
    ]


def test_a_missing_update_is_answered_by_a_new_subscription(binance, monkeypatch):
    monkeypatch.setenv("BINANCE_KEY", PEM)
    client = Client("binance", ["BTCUSDT", "BNBBUSD"], secret_env="BINANCE_KEY")
    client.requests()
    binance.send("W", SNAPSHOT)
    binance.send("X", update(103, 103, ["279=0|270=90001|271=1|269=0|"]))
    instruments, _ = binance.loop.take_damaged(0)
    assert client.subscription.damaged(instruments, NOW) == 1
    assert [readable(request) for request in client.subscription.due(NOW)] == [
        "262=p-1|263=2|264=5000",
        "262=p-3|263=1|264=5000|266=Y|146=2|55=BTCUSDT|55=BNBBUSD|267=2|269=0|269=1",
    ]


def test_an_event_whose_end_never_comes_leaves_no_book_that_looks_good(binance):
    binance.send("W", SNAPSHOT)
    binance.send("X", update(101, 101, ["279=2|270=91000.01|269=1|"]).replace("268=", "893=N|268="))
    binance.loop.forget_bytes(0)
    binance.loop.feed(0, b"", 1)
    assert brief(binance.read()) == [("delete", 1, "ask", 91000.01, 0.0), ("bad_book", 1, "last")]
    assert binance.counts == {"event_cut": 1, "damaged": 1}


def test_what_a_restart_must_ask_for_again_is_noted_before_the_unfinished_event(tmp_path):
    line = Dialect(tmp_path, "binance", {"BTCUSDT": (2, 8)})
    line.send("W", SNAPSHOT)
    line.send("X", update(101, 101, ["279=2|270=91000.01|269=1|"]).replace("268=", "893=N|268="))
    name = line.ring.name
    del line.loop, line.ring, line.engine
    again = _native.RingWriter(str(tmp_path), str(tmp_path), name, 1 << 14)
    assert again.previous_note(0) == 2, "message 2 is not in the ring"
