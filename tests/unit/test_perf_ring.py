"""The ring's benchmark: samples are counted to the last, a missing peer is named and not made up."""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import pytest

from perf.micro import native, ring, ring_merged, ring_peers, ring_python


def test_a_rate_is_of_samples_that_arrived() -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        assert ring_peers.rate(ring_peers.send_ring, ring_peers.receive_ring, folder, 1 << 10, 64) > 0
    queue = ring_peers.SPAWN.Queue(64)
    assert ring_peers.rate(ring_peers.send_queue, ring_peers.receive_queue, queue, 100, 1) > 0


def test_a_run_that_lost_samples_is_no_result() -> None:
    queue = ring_peers.SPAWN.Queue(64)

    def one_short(place, count):
        return ring_peers.receive_queue(place, count - 1)

    with pytest.raises(RuntimeError, match="the last sample is 99, not 100"):
        ring_peers.rate(ring_peers.send_queue, one_short, queue, 100, 1)


def test_a_missing_peer_is_named_and_left_out(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "iceoryx2", None)
    for name, count in (("RING_SAMPLES", 1 << 10), ("SINGLE_SAMPLES", 1 << 10), ("QUEUE_SAMPLES", 100)):
        monkeypatch.setattr(ring_peers, name, count)
    found = list(ring_peers.samples(argparse.Namespace(runs=1)))
    assert "peer iceoryx2 is missing" in capsys.readouterr().err
    assert [one.name for one in found] == ["ring/python_batches_vs_queue", "ring/python_singles_vs_queue"]
    assert {one.peer for one in found} == {"multiprocessing.Queue"}


FIGURES = {
    "ring_bench": "write_batch64 copy_in read_batch64 copy_out publish_single store_and_fence",
    "hop_bench": "ring_spin cache_line ring_park futex pipe",
    "readers_bench": "polled alone wakes sleeps",
}


def test_every_figure_of_the_ring_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        native, "run", lambda name, _: ({figure: ([10.0], [20.0]) for figure in FIGURES[name].split()}, [])
    )
    for module, sizes in (
        (ring_python, {"CALLS": 3, "CHUNKS": 2}),
        (ring_merged, {"CALLS": 3, "CHUNKS": 2}),
        (ring_peers, {"RING_SAMPLES": 1 << 10, "SINGLE_SAMPLES": 1 << 10, "QUEUE_SAMPLES": 100}),
    ):
        for name, size in sizes.items():
            monkeypatch.setattr(module, name, size)
    monkeypatch.setitem(sys.modules, "iceoryx2", None)
    out = tmp_path / "ring.json"
    assert ring.main(["--runs", "1", "--json", str(out)]) == 0
    rows = {row["name"]: row for row in json.loads(out.read_text())["results"]}
    assert len(rows) == 19
    assert {name for name, row in rows.items() if row["peer"] is None} == {"ring/parked_wakes", "ring/parked_sleeps"}
    assert all(row["median"] > 0 and len(row["runs"]) == 1 for row in rows.values())
