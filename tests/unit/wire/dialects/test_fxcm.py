"""FXCM: W only; sizes of 0 are sizes that are not told."""

import pytest

from tests.support.dialects import Client, Dialect

W = (
    "262=1|55=EUR/USD|460=4|228=1|231=1|9001=5|9002=0.0001|268=4|269=0|270=1.2245|271=0|272=20261121|273=10:59:59|"
    "15=EUR|282=FXCM|299=FXCM-EURUSD-1|276=A|336=FXCM|625=U100D1|269=1|270=1.2246|271=0|269=7|270=1.2309|269=8|270=1.2201|"
    "9090=x|"
)


@pytest.fixture
def fxcm(tmp_path):
    return Dialect(tmp_path, "fxcm", {"EUR/USD": (5, 0), "XAU/USD": (2, 0)})


def test_the_logon_and_the_requests(monkeypatch):
    monkeypatch.setenv("FXCM_PASSWORD", "pw")
    client = Client(
        "fxcm", ["EUR/USD", "XAU/USD"], sender="D1_client1", target="FXCM", target_sub="U100D1", username="D1",
        password_env="FXCM_PASSWORD",
    )  # fmt: skip
    assert client.logon() == (
        "35=A|34=1|49=D1_client1|52=20261121-11:00:00.250|56=FXCM|57=U100D1|98=0|108=30|141=Y|553=D1|554=pw"
    )
    assert client.requests() == ["262=p-1|263=1|264=0|265=0|267=4|269=0|269=1|269=7|269=8|146=2|55=EUR/USD|55=XAU/USD"]


def test_highs_and_lows_are_no_levels_and_sizes_of_nothing_no_deletes(fxcm):
    assert fxcm.send("W", W) == [
        ("clear", 1), ("new", 1, "bid", 1.2245, 1.0), ("new", 1, "ask", 1.2246, 1.0, "last"),
    ]  # fmt: skip
    assert fxcm.book() == ([(1.2245, 1.0)], [(1.2246, 1.0)])
    fxcm.send("W", W.replace("270=1.2245|271=0", "270=1.2244|271=250000"))
    assert fxcm.book() == ([(1.2244, 250000.0)], [(1.2246, 1.0)])
    assert fxcm.counts == {}


def test_the_time_of_the_first_entry_is_inherited(fxcm):
    records = fxcm.feed(fxcm.message("W", W))
    assert set(records["ts_event"][1:].tolist()) == {1_795_258_799_000_000_000}
