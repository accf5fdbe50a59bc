"""Deribit: nonce logon, instrument at the root of X, whole timestamps in 272."""

import base64
import hashlib

import pytest

from feedhandler import _native
from feedhandler.errors import ConfigError
from feedhandler.wire import fix_logon
from tests.support.dialects import Client, Dialect

TIME = "272=20261121-10:59:59.987"


@pytest.fixture
def deribit(tmp_path):
    return Dialect(tmp_path, "deribit", {"BTC-PERPETUAL": (1, 0), "ETH-PERPETUAL": (2, 0)})


def test_the_logon_signs_time_and_nonce(monkeypatch):
    monkeypatch.setenv("DERIBIT_SECRET", "s3cret")
    client = Client(
        "deribit", ["BTC-PERPETUAL"], sender="FH1", target="DERIBITSERVER", username="id1", secret_env="DERIBIT_SECRET"
    )
    head, signed = client.logon().split("|95=")
    assert head == "35=A|34=1|49=FH1|52=20261121-11:00:00.250|56=DERIBITSERVER|98=0|108=30|141=Y|553=id1"
    length, rest = signed.split("|96=")
    raw, password, more = rest.split("|")
    assert int(length) == len(raw)
    moment, nonce = raw.split(".")
    assert moment == "1795258800250"
    assert len(base64.b64decode(nonce, validate=True)) == 32
    assert password == "554=" + base64.b64encode(hashlib.sha256((raw + "s3cret").encode()).digest()).decode()
    assert more == "9002=Y"
    assert raw != client.logon().split("|96=")[1].split("|")[0], "a nonce is used once"


def test_a_logon_of_known_nonce():
    who = fix_logon.Credentials(sender="FH1", target="DERIBITSERVER", secret="s3cret")
    fields = fix_logon.nonce_sha256(who, nonce=lambda size: bytes(range(size)))(1, "20261121-11:00:00.250")
    # echo -n '1795258800250.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=s3cret' | openssl dgst -sha256 -binary | base64
    assert fields == [
        (95, b"58"),
        (96, b"1795258800250.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
        (554, b"3mJVLY6cIYecwsQ9nuyoL/oMEGLtCLzV4S/qgtjEGjM="),
    ]


def test_without_a_secret_there_is_no_logon():
    with pytest.raises(ConfigError, match="source venue: secret_env: got no usable secret, expected what deribit"):
        Client("deribit", ["BTC-PERPETUAL"])


def test_the_requests(monkeypatch):
    monkeypatch.setenv("DERIBIT_SECRET", "s3cret")
    client = Client("deribit", ["BTC-PERPETUAL", "ETH-PERPETUAL"], secret_env="DERIBIT_SECRET")
    assert client.requests() == [
        "262=p-1|263=1|264=0|265=1|267=3|269=0|269=1|269=2|146=1|55=BTC-PERPETUAL",
        "262=p-2|263=1|264=0|265=1|267=3|269=0|269=1|269=2|146=1|55=ETH-PERPETUAL",
    ]


def test_a_book_and_its_changes(deribit):
    deribit.send(
        "W",
        f"55=BTC-PERPETUAL|231=10.0|311=SWAP|810=91000.5|100087=12.5|100090=91001.12|746=1000|268=3|"
        f"269=0|270=91000|271=5000|{TIME}|269=1|270=91000.5|271=100|{TIME}|"
        f"269=2|270=91000|271=10|{TIME}|5000=BTC-1192275|54=1|44=91000.1|37=o|198=p|39=2|58=x|",
    )
    assert deribit.book() == ([(91000.0, 5000.0)], [(91000.5, 100.0)])
    records = deribit.feed(deribit.message(
        "X",
        f"55=BTC-PERPETUAL|100087=12.5|100090=91001.12|746=1000|268=3|279=2|269=1|270=91000.5|271=0|{TIME}|"
        f"279=0|269=1|270=91001|271=70|{TIME}|279=1|269=0|270=91000|271=4000|{TIME}|",
    ))  # fmt: skip
    assert set(records["ts_event"].tolist()) == {1_795_258_799_987_000_000}
    assert deribit.book() == ([(91000.0, 4000.0)], [(91001.0, 70.0)])
    assert deribit.counts == {}


def test_a_trade_has_its_side_and_its_id(deribit):
    records = deribit.feed(deribit.message(
        "X", f"55=ETH-PERPETUAL|268=1|279=0|269=2|270=3000.05|271=7|{TIME}|5000=ETH-1192275|54=2|"
    ))  # fmt: skip
    assert [(int(r["instrument"]), float(r["price"]), int(r["side"]), int(r["ref"])) for r in records] == [
        (2, 3000.05, 2, _native.handle_of(b"ETH-1192275"))
    ]
