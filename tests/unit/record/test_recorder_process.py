"""The recorder as a real process: it records, answers, refuses a second one, and drains on SIGTERM."""

import contextlib
import io
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feedhandler import control
from feedhandler._native import RingWriter
from feedhandler.counters import read_all
from feedhandler.record.cli import journal_cat, journal_ls, journal_verify
from feedhandler.record.journal import open_journal
from feedhandler.record.totals import Totals, journal_totals, parquet_totals
from feedhandler.record.verify import verify
from feedhandler.tick import TICK, Flag, Kind

CONFIG = """
[feedhandler]
name = "t"
shm_dir = "shm"
state_dir = "state"
run_dir = "run"
[[handler]]
name = "h1"
[[handler.source]]
name = "venue"
profile = "fix44"
host = "127.0.0.1"
port = 9880
sender = "FH"
target = "SIM"
instruments = [ { venue = "A", symbol = "A/B", tick = 0.1, lot = 1, price_decimals = 1, size_decimals = 0 } ]
[recorder]
journal_dir = "journal"
poll_interval_ms = 1
"""


def ticks(count: int) -> np.ndarray:
    records = np.zeros(count, TICK)
    records["kind"] = Kind.LEVEL
    records["price"] = np.arange(count)
    records["flags"] = Flag.LAST
    return records


@contextlib.contextmanager
def recorder(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "feedhandler.recorder", "--config", str(folder / "c.toml")], stderr=log
        )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def status_when(folder: Path, wanted: Any) -> dict[str, Any]:
    for _ in range(1000):
        with contextlib.suppress(Exception):
            reply = control.call(str(folder / "run" / "recorder.ctl"), "status", timeout_s=5)
            if wanted(reply):
                return reply
        time.sleep(0.01)
    pytest.fail("the recorder never got there")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "c.toml").write_text(CONFIG)
    return tmp_path


def test_it_records_two_rings_and_drains_when_stopped(folder: Path) -> None:
    with recorder(folder) as running:
        status_when(folder, lambda reply: reply["rings"]["h1"]["state"] == "WAITING")
        writers = {
            name: RingWriter(str(folder / "shm"), str(folder / "state"), name, 4096) for name in ("h1", "derived")
        }
        for writer in writers.values():
            writer.append(ticks(100).view(np.uint8))
            writer.publish(0)
        reply = status_when(folder, lambda r: all(ring["durable"] == 100 for ring in r["rings"].values()))
        assert reply["rings"]["h1"]["ticks"] == 100
        assert reply["rings"]["h1"]["lag"] == 0
        assert reply["rings"]["h1"]["epoch"] == writers["h1"].epoch
        for writer in writers.values():
            writer.append(ticks(50).view(np.uint8))
            writer.publish(0)
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0
    counted = read_all(folder / "shm")["recorder"]
    assert counted["record_records"] == {0: 150, 1: 150}
    journal = open_journal(folder / "journal")
    assert {info.header.ring: info.records for info in journal.segments()} == {"h1": 150, "derived": 150}
    assert all(info.closed for info in journal.segments())
    assert verify(journal).sound


def test_a_second_recorder_on_the_same_journal_is_refused_with_the_pid(folder: Path) -> None:
    with recorder(folder) as first:
        status_when(folder, lambda _: True)
        (folder / "c.toml").write_text(CONFIG.replace('"run"', '"run2"'))
        with recorder(folder) as second:
            assert second.wait(30) == 1
            assert f"has a writer already, pid {first.pid}".encode() in (folder / "log").read_bytes()


def test_the_commands_show_what_is_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with recorder(folder) as running:
        writer = RingWriter(str(folder / "shm"), str(folder / "state"), "h1", 4096)
        writer.append(ticks(3).view(np.uint8))
        writer.publish(0)
        status_when(folder, lambda r: r["rings"]["h1"]["journaled"] == 3)
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0
    journal = folder / "journal"
    out = io.StringIO()
    assert journal_ls(journal, out=out) == 0
    assert f"h1/{writer.epoch}/00000000000000000001.fhj closed seq 1..3 records 3 gaps 0" in out.getvalue()
    assert journal_verify(journal, out=out) == 0
    assert out.getvalue().endswith("1 segments, 4 blocks, 3 records, 192 bytes: sound\n")
    out = io.StringIO()
    assert journal_cat(journal, ring="h1", first=2, out=out) == 0
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert '"seq":2' in lines[0]
    assert '"kind":"LEVEL"' in lines[0]
    assert '"price":1.0' in lines[0]
    assert journal_ls(folder / "nowhere") == 1
    assert "no such journal" in capsys.readouterr().err
    damaged = next(iter(open_journal(journal).segments())).path
    data = bytearray(damaged.read_bytes())
    data[4096 + 128 + 70] ^= 1
    damaged.write_bytes(data)
    assert journal_verify(journal) == 1


PARQUET = """
[recorder.parquet]
dir = "parquet"
batch_rows = 1000
batch_age_s = 3600
"""


def test_parquet_holds_everything_when_it_has_stopped(folder: Path) -> None:
    (folder / "c.toml").write_text(CONFIG + PARQUET)
    with recorder(folder) as running:
        writer = RingWriter(str(folder / "shm"), str(folder / "state"), "h1", 4096)
        writer.append(ticks(2500).view(np.uint8))
        writer.publish(0)
        reply = status_when(folder, lambda r: r["sinks"]["parquet"]["rows"] == 2000)
        assert reply["sinks"]["parquet"]["lag"] == 500
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0
    expected = {"h1": Totals(records=2500, ticks=2500)}
    assert journal_totals(folder / "journal") == expected
    assert parquet_totals(folder / "parquet") == expected
    assert read_all(folder / "shm")["recorder"]["parquet_rows"] == {0: 2500}


def test_a_sink_that_cannot_work_never_takes_the_journal_down(folder: Path) -> None:
    (folder / "c.toml").write_text(CONFIG + PARQUET)
    (folder / "parquet").mkdir()
    (folder / "parquet" / "_manifest.json").write_text("{damaged")
    with recorder(folder) as running:
        writer = RingWriter(str(folder / "shm"), str(folder / "state"), "h1", 4096)
        writer.append(ticks(100).view(np.uint8))
        writer.publish(0)
        status_when(folder, lambda r: r["rings"]["h1"]["durable"] == 100)
        status_when(folder, lambda r: "_manifest.json" in r["sinks"]["parquet"]["failed"])
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 1  # something was left undone, and it says so
    assert journal_totals(folder / "journal")["h1"].records == 100


def test_a_disk_that_is_full_for_a_while_costs_nothing_that_the_ring_held(folder: Path) -> None:
    with recorder(folder) as running:
        writer = RingWriter(str(folder / "shm"), str(folder / "state"), "h1", 16384)
        writer.append(ticks(100).view(np.uint8))
        writer.publish(0)
        status_when(folder, lambda r: r["rings"]["h1"]["journaled"] == 100)
        unlimited = resource.prlimit(running.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (100_000, unlimited[1]))
        for _ in range(8):
            writer.append(ticks(1000).view(np.uint8))
            writer.publish(0)
        reply = status_when(folder, lambda r: r["rings"]["h1"]["state"] == "STOPPED")
        assert "File too large" in reply["rings"]["h1"]["error"]
        resource.prlimit(running.pid, resource.RLIMIT_FSIZE, unlimited)
        status_when(folder, lambda r: r["rings"]["h1"]["journaled"] == 8100)
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0
    assert journal_totals(folder / "journal") == {"h1": Totals(records=8100, ticks=8100)}
    assert verify(open_journal(folder / "journal")).sound
