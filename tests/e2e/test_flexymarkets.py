"""examples/flexymarkets.toml: accepted by `feedhandler check`, and a handler that runs it misses nothing of a plain venue."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from feedhandler import _native, control
from feedhandler.tick import TICK, Kind

EXAMPLE = Path(__file__).parents[2] / "examples" / "flexymarkets.toml"


@pytest.fixture
def start():
    """Start a module as a process; all are ended afterwards."""
    processes = []

    def one(module, *arguments):
        command = [sys.executable, "-m", module, *map(str, arguments)]
        processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    yield one
    for process in processes:
        process.kill()
        process.wait()


def until(condition):
    deadline = time.monotonic() + 30
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return value


def test_the_example_is_a_configuration():
    command = [sys.executable, "-m", "feedhandler", "check", str(EXAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "source   flexymarkets: fix44 FH -> SIM at 127.0.0.1:9880, 3 instruments" in done.stdout


def test_a_handler_runs_it(tmp_path, monkeypatch, start):
    monkeypatch.setenv("FLEXYMARKETS_PASSWORD", "whatever the broker says")
    port, venue, handler = tmp_path / "port", tmp_path / "sim.ctl", tmp_path / "var/flexymarkets/run/flexymarkets.ctl"
    start(
        "feedhandler.sim", "--port", "0", "--port-file", port, "--control", venue, "--instruments", "3", "--rate",
        "2000", "--seconds", "0", "--wait-subscribers",
    )  # fmt: skip
    until(lambda: port.exists() and port.read_text().strip())
    text = EXAMPLE.read_text().replace("port = 9880", f"port = {port.read_text().strip()}")
    (tmp_path / "c.toml").write_text(text.replace('name = "flexymarkets"', f'name = "flexymarkets"\nshm_dir = "{tmp_path}/shm"', 1))  # fmt: skip
    start("feedhandler.handler", "--config", tmp_path / "c.toml")

    def ask():
        return control.call(handler, "status")["sources"]["flexymarkets"]

    until(handler.exists)
    until(lambda: ask()["state"] == "synced" and ask()["counts"]["ticks"] > 1000)
    control.call(venue, "pause")
    until(lambda: ask()["next_in"] == control.call(venue, "status")["sessions"][0]["last_seq_sent"] + 1)
    reader = _native.RingReader(str(tmp_path / "shm"), "flexymarkets")
    reader.attach(0, True)
    out = np.zeros(1 << 19, TICK)
    count, lost = reader.read_into(out.view(np.uint8))
    records = out[:count]
    assert lost == 0
    assert np.isin(records["kind"], [Kind.LEVEL, Kind.TRADE]).sum() == control.call(venue, "status")["ticks_sent"]
    assert set(records["instrument"][records["kind"] == Kind.BOOK_CLEAR].tolist()) == {1, 2, 3}
    troubles = ("garbled", "unknown_symbol", "unknown_type", "bad_group", "bad_number", "damaged", "quarantined")
    assert {name: ask()["counts"][name] for name in troubles} == dict.fromkeys(troubles, 0)
