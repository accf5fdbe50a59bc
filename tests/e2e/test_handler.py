"""The handler process against the simulated venue: counts agree over kill -9, gap, dropped connection and logout."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from feedhandler import _native, control
from feedhandler.counters import read_all
from feedhandler.tick import TICK, Flag, Kind, State

CONFIG = """
[feedhandler]
name = "t"
shm_dir = "{shm}"
[[handler]]
name = "h1"
wait = "park"
ring_capacity = 1048576
[[handler.source]]
name = "simvenue"
profile = "fix44"
keying = "{keying}"
host = "127.0.0.1"
port = {port}
sender = "FH"
target = "SIM"
heartbeat_s = 1
gap_policy = "{policy}"
reconnect_min_s = 0.05
instruments_file = "instruments.csv"
"""


def until(condition, timeout_s=20.0):
    """Wait for a condition; its last value."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert value
    return value


class Site:
    """A venue and a handler, as processes."""

    def __init__(self, folder, keying, policy):
        self.folder = folder
        self.processes = []
        port = folder / "port"
        self.venue = self.start(
            "feedhandler.sim", "--port", "0", "--port-file", port, "--control", folder / "sim.ctl", "--instruments",
            "30", "--rate", "3000", "--seconds", "0", "--keying", keying, "--wait-subscribers", "--instruments-csv",
            folder / "instruments.csv",
        )  # fmt: skip
        until(lambda: port.exists() and port.read_text().strip())
        text = CONFIG.format(shm=folder / "shm", keying=keying, port=port.read_text().strip(), policy=policy)
        (folder / "c.toml").write_text(text)
        self.ctl = folder / "var/t/run/h1.ctl"
        self.start_handler()

    def start(self, module, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self.processes.append(process)
        return process

    def start_handler(self):
        self.handler = self.start("feedhandler.handler", "--config", self.folder / "c.toml")
        until(lambda: self.ask_or_none() is not None)

    def ask_or_none(self):
        try:
            return control.call(self.ctl, "status", timeout_s=1)["sources"]["simvenue"]
        except Exception:  # noqa: BLE001 - not there yet, whatever says so
            return None

    def ask(self):
        return control.call(self.ctl, "status")["sources"]["simvenue"]

    def tell_venue(self, op, **fields):
        return control.call(self.folder / "sim.ctl", op, **fields)

    def records(self):
        """Whole content of all epochs, oldest first."""
        parts = []
        for epoch in _native.ring_epochs(str(self.folder / "shm"), "h1"):
            reader = _native.RingReader(str(self.folder / "shm"), "h1")
            reader.attach(epoch, True)
            out = np.zeros(1 << 19, TICK)
            count, lost = reader.read_into(out.view(np.uint8))
            assert lost == 0
            parts.append(out[:count])
        return np.concatenate(parts)

    def settled(self):
        """Pause the flow and wait until the ring holds all the venue sent; (venue's status, records)."""
        self.tell_venue("pause")
        sent = lambda: self.tell_venue("status")["sessions"][0]["last_seq_sent"]  # noqa: E731
        until(lambda: self.ask()["next_in"] == sent() + 1 and self.ask()["state"] == "synced")
        venue, records = self.tell_venue("status"), self.records()
        self.tell_venue("resume")
        return venue, records

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()


def ticks(records):
    return int(np.isin(records["kind"], [Kind.LEVEL, Kind.TRADE]).sum())


def states(records):
    return [State(code) for code in records["level"][records["kind"] == Kind.STATE]]


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
