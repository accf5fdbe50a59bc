"""The handler process against the simulated venue: counts agree over kill -9, gap, dropped connection and logout."""

import signal

import numpy as np
import pytest

from feedhandler import control
from feedhandler.counters import read_all
from feedhandler.tick import Flag, Kind, State
from tests.support.fix_site import Site, states, ticks, until


@pytest.fixture
def site(tmp_path, request):
    keying, policy = request.param
    site = Site(tmp_path, keying, policy)
    until(lambda: site.ask()["counts"]["ticks"] > 1000)
    yield site
    site.close()


def both(policy):
    return pytest.mark.parametrize("site", [("price", policy), ("id", policy)], indirect=True)


def priced(policy):
    return pytest.mark.parametrize("site", [("price", policy)], indirect=True)


@both("resend")
def test_a_killed_handler_loses_nothing_the_venue_counts_as_sent(site):
    site.handler.send_signal(signal.SIGKILL)
    site.handler.wait()
    site.start_handler()
    until(lambda: site.ask()["counts"]["ticks"] > 2000)
    venue, records = site.settled()
    assert venue["ticks_sent"] == ticks(records)
    assert State.UNKNOWN_INTERVAL in states(records)
    assert records["flags"][-1] & Flag.LAST


@priced("resend")
def test_a_gap_is_resent_and_marked(site):
    site.tell_venue("skip_seq", n=3)
    until(lambda: site.ask()["counts"]["recovered"] > 0)
    venue, records = site.settled()
    assert venue["ticks_sent"] + venue["ticks_resent"] >= ticks(records) >= venue["ticks_sent"]
    assert states(records)[-2:] == [State.RECOVERING, State.SYNCED]
    assert (records["flags"] & Flag.RECOVERED).any()
    assert site.ask()["counts"]["gaps"] == 1


@priced("resubscribe")
def test_a_gap_that_stays_is_marked_and_every_book_comes_afresh(site):
    before = int(site.ask()["counts"]["messages"])
    site.tell_venue("skip_seq", n=3)
    until(lambda: site.ask()["counts"]["resnapshots"] == 30)
    until(lambda: site.ask()["counts"]["messages"] > before + 100)
    _, records = site.settled()
    gap = int(np.flatnonzero(records["flags"] & Flag.GAP)[0])
    clears = records[gap:][records[gap:]["kind"] == Kind.BOOK_CLEAR]
    assert set(clears["instrument"]) == set(range(1, 31))
    assert State.UNKNOWN_INTERVAL in states(records)


@priced("resend")
def test_a_dropped_connection_comes_back_with_fresh_books(site):
    site.tell_venue("drop_connection")
    until(lambda: site.ask()["counts"]["connects"] == 2 and site.ask()["state"] == "synced")
    venue, records = site.settled()
    assert venue["ticks_sent"] == ticks(records)
    assert (records["kind"] == Kind.BOOK_CLEAR).sum() >= 60
    assert states(records)[3:6] == [State.DISCONNECTED, State.CONNECTED, State.UNKNOWN_INTERVAL]


@priced("resend")
def test_resnapshot_is_asked_for_as_told(site):
    assert control.call(site.ctl, "resnapshot", source="simvenue", instruments=[1, 2])["queued"] == 2
    until(lambda: site.ask()["counts"]["resnapshots"] == 2)
    assert site.tell_venue("messages")["instruments"]["0"] == 2
    for wrong in (
        {"source": "nobody"},
        {"source": "simvenue", "instruments": [999]},
        {"source": "simvenue", "instruments": "x"},
    ):
        with pytest.raises(control.ControlError):
            control.call(site.ctl, "resnapshot", **wrong)


@priced("resend")
def test_sigterm_logs_out(site):
    site.handler.send_signal(signal.SIGTERM)
    assert site.handler.wait(timeout=10) == 0
    until(lambda: site.tell_venue("status")["sessions"][0]["state"] == "disconnected")
    assert states(site.records())[-1] == State.DISCONNECTED
    counts = read_all(site.folder / "shm")["h1"]
    assert counts["fix_ticks"][0] == ticks(site.records())
