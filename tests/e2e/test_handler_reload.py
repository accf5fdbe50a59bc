"""A running handler gets and loses instruments and sources; the source beside them loses nothing and is not asked anew."""

import signal

import numpy as np
import pytest

from feedhandler import control
from feedhandler.control import ControlError
from feedhandler.instruments import Directory
from feedhandler.tick import Kind, State
from tests.support.fix_site import Site, until

SECOND = """
[[handler.source]]
name = "second"
profile = "fix44"
host = "127.0.0.1"
port = {port}
sender = "FH2"
target = "SIM"
heartbeat_s = 10
reconnect_min_s = 0.05
instruments = [ {instruments} ]
"""


def inline(spec):
    return (
        f'{{ venue = "{spec["venue"]}", symbol = "{spec["symbol"]}", tick = {spec["tick"]}, lot = {spec["lot"]}, '
        f"price_decimals = {spec['price_decimals']}, size_decimals = {spec['size_decimals']} }}"
    )


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path, heartbeat_s=10)  # a loaded machine must not end the session that is to be left alone
    until(lambda: site.ask()["counts"]["ticks"] > 1000)
    rows = (tmp_path / "instruments.csv").read_text().splitlines()
    names = rows[0].split(",")
    listed = [dict(zip(names, row.split(","), strict=True)) for row in rows[1:]]
    numbers = {"tick": float, "lot": float, "price_decimals": int, "size_decimals": int}
    site.specs = [{k: numbers.get(k, str)(v) for k, v in spec.items() if v} for spec in listed]
    yield site
    site.close()


def tell(site, op, **fields):
    return control.call(site.ctl, op, **fields)


def status(site, source):
    return tell(site, "status")["sources"].get(source)


def venue_session(site, client):
    return {one["client"]: one for one in site.tell_venue("status")["sessions"]}.get(client)


def requests_of(site, client):
    return [one for one in site.tell_venue("messages")["requests"] if one["client"] == client]


def directory_source(site, name):
    return Directory(site.folder / "var/t/state/instruments.dir").source_id(name)


def everything_came(site, source, client):
    """Pause the flow; the records of a source, once the ring holds all that the venue sent to it."""
    site.tell_venue("pause")
    until(lambda: status(site, source)["next_in"] == venue_session(site, client)["last_seq_sent"] + 1)
    sent, records = venue_session(site, client)["ticks_sent"], site.records()
    site.tell_venue("resume")
    own = records[records["source"] == directory_source(site, source)]
    assert np.isin(own["kind"], [Kind.LEVEL, Kind.TRADE]).sum() == sent
    return own


def assert_untouched(site, before):
    """The first source has every tick, one logon, the requests it had, and numbers that went on."""
    now = status(site, "simvenue")
    assert now["counts"]["connects"] == 1
    assert now["next_in"] > before["next_in"]
    assert now["requests"] == before["requests"]
    assert len(requests_of(site, "FH")) == before["requests"]
    everything_came(site, "simvenue", "FH")


def test_a_source_and_an_instrument_come_and_go_and_nobody_else_notices(site):
    before = status(site, "simvenue")
    first, more = site.specs[:3], site.specs[3]
    table = {
        "name": "second", "profile": "fix44", "host": "127.0.0.1", "port": site.port, "sender": "FH2", "target": "SIM",
        "heartbeat_s": 10, "instruments": first,
    }  # fmt: skip
    told = tell(site, "add", source=table)
    assert told["changes"]["added"] == ["second"]
    until(lambda: (status(site, "second") or {}).get("state") == "synced")

    told = tell(site, "add", source="second", instruments=[more])
    assert told["changes"]["instruments_added"] == {"second": [more["venue"]]}
    until(lambda: venue_session(site, "FH2")["subscriptions"] == 4)
    asked = requests_of(site, "FH2")
    assert [one["instruments"] for one in asked] == [3, 1], "only the new one is asked for"

    gone = first[0]["venue"]
    told = tell(site, "remove", source="second", instruments=[gone])
    assert told["changes"]["instruments_removed"] == {"second": [gone]}
    until(lambda: venue_session(site, "FH2")["subscriptions"] == 3)
    ticks = status(site, "second")["counts"]["ticks"]
    until(lambda: status(site, "second")["counts"]["ticks"] > ticks + 200)
    own = site.records()
    own = own[own["source"] == directory_source(site, "second")]
    removed = Directory(site.folder / "var/t/state/instruments.dir").find(directory_source(site, "second"), gone)
    last = own[own["instrument"] == removed][-1]
    assert last["kind"] == Kind.BOOK_CLEAR, "its book is over, and nothing comes behind that"

    next_in = status(site, "second")["next_in"]
    told = tell(site, "remove", source="second")
    assert told["changes"]["removed"] == ["second"]
    until(lambda: status(site, "second") is None)
    until(lambda: venue_session(site, "FH2")["state"] == "disconnected")
    assert tell(site, "resnapshot", source="second")["queued"] == 0
    own = site.records()
    own = own[own["source"] == directory_source(site, "second")]
    states = own[own["kind"] == Kind.STATE]
    assert (states["level"][-1], states["ref"][-1]) == (State.DISCONNECTED, 15)
    assert set(own[own["seq"] >= states["seq"][-1] - 10]["kind"]) >= {Kind.BOOK_CLEAR, Kind.STATE}

    tell(site, "add", source=table)
    until(lambda: (status(site, "second") or {}).get("state") == "synced")
    assert status(site, "second")["next_in"] > next_in, "its numbers go on where it left"
    assert_untouched(site, before)


def test_reload_becomes_what_the_file_says_and_touches_nothing_else(site):
    before = status(site, "simvenue")
    config = site.folder / "c.toml"
    text = config.read_text()
    assert tell(site, "reload")["changes"] == {
        "removed": [], "added": [], "replaced": [], "instruments_added": {}, "instruments_removed": {}
    }  # fmt: skip

    second = SECOND.format(port=site.port, instruments=", ".join(map(inline, site.specs[:2])))
    config.write_text(text + second)
    told = tell(site, "reload", dry_run=True)
    assert (told["changes"]["added"], told["applied"]) == (["second"], False)
    assert status(site, "second") is None
    assert tell(site, "reload")["applied"] is True
    until(lambda: (status(site, "second") or {}).get("state") == "synced")

    more = SECOND.format(port=site.port, instruments=", ".join(map(inline, site.specs[:3])))
    config.write_text(text + more)
    assert tell(site, "reload")["changes"]["instruments_added"] == {"second": [site.specs[2]["venue"]]}
    until(lambda: venue_session(site, "FH2")["subscriptions"] == 3)
    assert status(site, "second")["counts"]["connects"] == 1

    next_in = status(site, "second")["next_in"]
    config.write_text(text + more.replace("heartbeat_s = 10", "heartbeat_s = 20"))
    assert tell(site, "reload")["changes"]["replaced"] == ["second"]
    until(lambda: [one["instruments"] for one in requests_of(site, "FH2")] == [2, 1, 3])
    until(lambda: (status(site, "second") or {}).get("state") == "synced")
    assert venue_session(site, "FH2")["subscriptions"] == 3
    assert status(site, "second")["next_in"] > next_in, "the new one goes on with the numbers of the old"

    config.write_text(text)
    assert tell(site, "reload")["changes"]["removed"] == ["second"]
    until(lambda: status(site, "second") is None)
    assert_untouched(site, before)


def test_what_cannot_be_is_refused_in_one_sentence_and_nothing_is_touched(site):
    before = status(site, "simvenue")
    config = site.folder / "c.toml"
    text = config.read_text()
    second = SECOND.format(port=site.port, instruments=inline(site.specs[0]))

    def refused(op="reload", **fields):
        with pytest.raises(ControlError) as caught:
            tell(site, op, **fields)
        assert list(tell(site, "status")["sources"]) == ["simvenue"]
        assert "\n" not in str(caught.value)
        return str(caught.value)

    changed = text.replace("ring_capacity = 1048576", "ring_capacity = 2097152\ncore = 0")
    config.write_text(changed + second)
    said = refused()
    assert (
        "handler[0].core, handler[0].ring_capacity: got 0, 2097152, expected null, 1048576 while it runs"
        in said.replace("None", "null")
    )
    config.write_text(text + second.replace("port = ", "prot = "))
    assert "handler[0].source[1].prot" in refused()
    config.write_text(text + second + 'password_env = "FH_TEST_UNSET"\n')
    assert 'password_env: got "FH_TEST_UNSET", which is not set' in refused()
    (site.folder / "empty.pem").write_text("")
    config.write_text(text + second + 'tls = { ca_file = "empty.pem" }\n')
    assert "empty.pem has no certificates" in refused()
    config.write_text(text.replace('name = "h1"', 'name = "h2"'))
    assert "no h1" in refused()
    config.write_text(text)

    rows = (site.folder / "instruments.csv").read_text()
    other = rows.replace(f",{site.specs[0]['symbol']},", ",Another/Name,")
    (site.folder / "instruments.csv").write_text(other)
    assert "as the instrument directory has it for ever" in refused()
    (site.folder / "instruments.csv").write_text(rows)

    assert "the last one, simvenue" in refused("remove", source="simvenue")
    assert "one of simvenue" in refused("remove", source="nobody")
    assert "one of simvenue's" in refused("remove", source="simvenue", instruments=["NOSUCH"])
    assert "port: got" in refused("add", source={"name": "x"} | {"port": "no"})
    assert "instruments" in refused("add", source="simvenue", instruments="all")
    assert "venue" in refused("add", source="simvenue", instruments=[site.specs[0]])
    assert_untouched(site, before)


def test_numbers_survive_a_crash_behind_changes(site):
    """Notes in the ring are the source's that wrote them, whatever place it has after a restart."""
    config = site.folder / "c.toml"
    text = config.read_text()
    begin = text.index("[[handler.source]]")
    second = SECOND.format(port=site.port, instruments=", ".join(map(inline, site.specs[:2])))
    config.write_text(text[:begin] + second + text[begin:])  # the new one stands first
    tell(site, "reload")
    until(lambda: (status(site, "second") or {}).get("state") == "synced")
    until(lambda: status(site, "second")["counts"]["ticks"] > 200)
    site.handler.send_signal(signal.SIGKILL)
    site.handler.wait()
    site.start_handler()
    for source, client in (("second", "FH2"), ("simvenue", "FH")):
        until(lambda source=source: (status(site, source) or {}).get("state") == "synced")
        everything_came(site, source, client)
        assert status(site, source)["counts"].get("gaps", 0) <= 1  # what neither ring holds is asked for
