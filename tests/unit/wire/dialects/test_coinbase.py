"""Coinbase Exchange: FIXT.1.1 with FIX 5.0 SP2, HMAC logon, updates numbered by 83."""

import base64
import hashlib

import pytest

from feedhandler.errors import ConfigError
from feedhandler.tick import State
from feedhandler.wire import fix_logon
from tests.support.dialects import Client, Dialect

SECRET = base64.b64encode(b"0123456789abcdef" * 4).decode()
W = "262=p-1|55=BTC-USD|83=10|268=3|269=0|270=91000.00|271=0.5|269=0|270=90999.5|271=2|269=1|270=91000.01|271=0.001|"


def hmac_by_hand(key: bytes, text: bytes) -> bytes:
    """RFC 2104 as it is written, for keys of a block."""
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in key) + text).digest()
    return hashlib.sha256(bytes(b ^ 0x5C for b in key) + inner).digest()


@pytest.fixture
def coinbase(tmp_path):
    return Dialect(tmp_path, "coinbase", {"BTC-USD": (2, 8), "ETH-USD": (2, 8)})


def test_the_logon_and_the_requests(monkeypatch):
    monkeypatch.setenv("CB_PASSPHRASE", "phrase")
    monkeypatch.setenv("CB_SECRET", SECRET)
    client = Client(
        "coinbase", ["BTC-USD", "ETH-USD"], sender="apikey", target="Coinbase", username="apikey",
        password_env="CB_PASSPHRASE", secret_env="CB_SECRET",
    )  # fmt: skip
    payload = b"\x01".join([b"20261121-11:00:00.250", b"A", b"1", b"apikey", b"Coinbase", b"phrase"])
    signature = base64.b64encode(hmac_by_hand(base64.b64decode(SECRET), payload)).decode()
    assert client.logon() == (
        "35=A|34=1|49=apikey|52=20261121-11:00:00.250|56=Coinbase|98=0|108=30|141=Y|553=apikey|554=phrase|1137=9|"
        f"95=44|96={signature}"
    )
    assert client.requests() == ["262=p-1|263=1|264=0|146=2|55=BTC-USD|55=ETH-USD|267=3|269=0|269=1|269=2"]
    client.logged_on("98=0|108=30|141=Y|1137=9|")
    assert client.session.state.value == "logged_on"


@pytest.mark.parametrize("secret", ["=", "no base64!"])
def test_a_secret_that_is_no_base64(monkeypatch, secret):
    monkeypatch.setenv("CB_SECRET", secret)
    with pytest.raises(ConfigError, match="the secret is not base64"):
        Client("coinbase", [], secret_env="CB_SECRET")


def test_the_signature_is_rfc_2104_over_six_fields():
    assert hmac_by_hand(b"Jefe".ljust(64, b"\0"), b"what do ya want for nothing?").hex() == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    ), "RFC 4231, test case 2"
    who = fix_logon.Credentials(sender="s", target="t", password="p", secret=base64.b64encode(b"k" * 64).decode())
    expected = hmac_by_hand(b"k" * 64, b"20261121-11:00:00\x01A\x017\x01s\x01t\x01p")
    assert fix_logon.hmac_sha256(who)(7, "20261121-11:00:00") == [(95, b"44"), (96, base64.b64encode(expected))]


def test_a_book_and_its_changes(coinbase):
    coinbase.send("W", W)
    assert coinbase.send("X", "262=p-1|268=2|279=1|269=0|55=BTC-USD|270=91000.00|271=0.7|83=11|279=2|269=1|55=BTC-USD|270=91000.01|83=12|") == [
        ("change", 1, "bid", 91000.0, 0.7), ("delete", 1, "ask", 91000.01, 0.0, "last"),
    ]  # fmt: skip
    assert coinbase.book() == ([(91000.0, 0.7), (90999.5, 2.0)], [])
    assert coinbase.counts == {}


def test_a_missing_number_marks_one_products_book(coinbase):
    coinbase.send("W", W)
    coinbase.send("W", W.replace("BTC-USD", "ETH-USD").replace("83=10", "83=500"))
    coinbase.published()
    text = "268=2|279=1|269=0|55=BTC-USD|270=91000|271=1|83=13|279=1|269=0|55=ETH-USD|270=91000|271=1|83=501|"
    assert coinbase.send("X", text) == [
        ("bad_book", 1), ("change", 1, "bid", 91000.0, 1.0), ("change", 2, "bid", 91000.0, 1.0, "last"),
    ]  # fmt: skip
    assert coinbase.loop.take_damaged(0) == ([1], False)
    assert [(topic, payload[8]) for topic, payload in coinbase.published()] == [("state|BTC-USD|venue", State.BAD_BOOK)]
    assert coinbase.counts == {"sequence_gap": 1, "damaged": 1}


def test_one_number_for_a_whole_message_and_old_ones(coinbase):
    coinbase.send("W", W)
    both = "55=BTC-USD|83=11|268=2|279=0|269=0|270=1|271=1|279=0|269=0|270=2|271=1|"
    assert len(coinbase.send("X", both)) == 2
    assert coinbase.send("X", both) == [], "the book has it already"
    assert coinbase.counts == {"old_update": 2}


def test_a_w_over_two_messages_is_one_event(coinbase):
    assert coinbase.send("W", W.replace("268=", "893=N|268=")) == []
    more = "262=p-1|55=BTC-USD|83=10|893=Y|268=1|269=1|270=91000.05|271=3|"
    assert coinbase.send("W", more) == [
        ("clear", 1), ("new", 1, "bid", 91000.0, 0.5), ("new", 1, "bid", 90999.5, 2.0),
        ("new", 1, "ask", 91000.01, 0.001), ("new", 1, "ask", 91000.05, 3.0, "last"),
    ]  # fmt: skip
    assert coinbase.send("W", more)[0] == ("clear", 1), "the next one is whole again"
