"""`feedhandler demo` proves its own claim: all ticks at every stage, every book right, exit code 0."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.support.demo_run import demo, work

COUNTED = ("ticks_sent", "ticks_received", "ticks_in_ring", "ticks_journaled", "ticks_in_parquet")
STAGES = ("wire", "ring", "journal", "parquet", "conflator", "publisher", "bridge")
HOPS = ("source_to_ring_us", "source_to_zmq_us", "source_to_ws_us")
REPORTED = {
    *COUNTED, "lost", "books_checked", "books_differing", "bbo_published", "ws_updates", "conflated", "seconds", "rate",
    "cpu", *HOPS,
}  # fmt: skip


def assert_nothing_is_lost(report: dict) -> None:
    assert report.keys() >= REPORTED
    assert report["lost"] == dict.fromkeys(STAGES, 0)
    assert {name: report[name] for name in COUNTED} == dict.fromkeys(COUNTED, report["ticks_sent"])
    assert report["instruments_miscounted"] == 0
    assert report["books_differing"] == 0
    assert report["bbo_published"] > 0
    assert report["ws_updates"] > 0
    for hop in HOPS:
        found = [report[hop][name] for name in ("p50", "p90", "p99", "p99_9", "max")]
        assert found == sorted(found)
        assert report[hop]["count"] > 0
    assert {"handler1", "conflator", "bridge", "recorder", "simulator"} <= report["cpu"].keys()


@pytest.mark.parametrize("keying", ["price", "id"])
def test_the_model_at_20000_ticks_a_second(tmp_path: Path, keying: str) -> None:
    report = demo(tmp_path, "--seconds", "5", "--rate", "20000", "--instruments", "200", "--keying", keying)
    assert_nothing_is_lost(report)
    assert report["books_checked"] == 600  # board, book and bbo at a WebSocket client
    # 5 s are half of a burst period: the flow is near its rate, and exactly what the seed makes of it.
    assert 80_000 < report["ticks_sent"] < 120_000


def test_a_capture_faster_than_it_was_recorded(tmp_path: Path, captures: Path) -> None:
    file = captures / "binance" / "spot-btcusdt-20240808.jsonl.gz"
    report = demo(tmp_path, "--capture", str(file), "--speed", "60")
    assert_nothing_is_lost(report)
    assert report["books_checked"] == 3


def test_a_killed_demo_leaves_no_process_behind(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("feedhandler")), "demo", "--no-view", "--seconds", "60"]
    log = tmp_path / "log"
    with log.open("wb") as out:
        rig = psutil.Popen(
            [*command, "--rate", "1000", "--instruments", "10", "--folder", str(work(tmp_path))],
            stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    names = {"simulator", "handler1", "conflator", "bridge", "recorder", "websocket"}
    deadline = time.monotonic() + 60
    while len(children := rig.children(recursive=True)) < len(names):
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    rig.kill()
    rig.wait()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert [process.cmdline() for process in alive] == []
    shutil.rmtree(f"/dev/shm/feedhandler-{work(tmp_path).name}", ignore_errors=True)
