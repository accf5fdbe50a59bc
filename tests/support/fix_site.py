"""The simulated venue and a handler as processes, for tests of what the handler does with a FIX source."""

import os
import subprocess
import sys
import time

import numpy as np

from feedhandler import _native, control
from feedhandler.tick import TICK, Kind, State

CONFIG = """
[feedhandler]
name = "t"
log_level = "{log_level}"
shm_dir = "{shm}"
[[handler]]
name = "h1"
wait = "park"
ring_capacity = 1048576
[[handler.source]]
name = "simvenue"
profile = "fix44"
keying = "{keying}"
{where}
sender = "FH"
target = "SIM"
heartbeat_s = {heartbeat_s}
gap_policy = "{policy}"
reconnect_min_s = 0.05
{more}
{instruments}
{tables}
"""


def until(condition, timeout_s=20.0):
    """Wait for a condition; its last value."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert value
    return value


def plain(port):
    """The venue itself, on loopback."""
    return f'host = "127.0.0.1"\nport = {port}'


class Site:
    """A venue and a handler, as processes. `more` and `tables` are further lines of the source.

    `where` makes the lines that say where the venue is from the simulated venue's port; `venue_options` go to it.
    """

    def __init__(
        self, folder, keying="price", policy="resend", *, more="", tables="", where=plain, log_level="info",
        venue_options=(), environment=None, heartbeat_s=1, own_instruments=False,
    ):  # fmt: skip
        self.folder = folder
        self.processes = []
        self.environment = {**os.environ, **(environment or {})}
        port = folder / "port"
        self.venue = self.start(
            "feedhandler.sim", "--port", "0", "--port-file", port, "--control", folder / "sim.ctl", "--instruments",
            "30", "--rate", "3000", "--seconds", "0", "--keying", keying, "--wait-subscribers", "--instruments-csv",
            folder / "instruments.csv", *venue_options,
        )  # fmt: skip
        lines = {
            "more": more,
            "tables": tables,
            "log_level": log_level,
            "heartbeat_s": heartbeat_s,
            "instruments": "" if own_instruments else 'instruments_file = "instruments.csv"',
        }
        self.ctl = folder / "var/t/run/h1.ctl"
        try:
            until(lambda: port.exists() and port.read_text().strip())
            self.port = int(port.read_text())
            text = CONFIG.format(shm=folder / "shm", keying=keying, policy=policy, where=where(self.port), **lines)
            (folder / "c.toml").write_text(text)
            self.start_handler()
        except BaseException:
            self.close()
            raise

    def start(self, module, *arguments):
        with (self.folder / f"{module.rpartition('.')[2]}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *map(str, arguments)], stdout=log, stderr=log, env=self.environment
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
            process.wait()


def ticks(records):
    return int(np.isin(records["kind"], [Kind.LEVEL, Kind.TRADE]).sum())


def states(records):
    return [State(code) for code in records["level"][records["kind"] == Kind.STATE]]
