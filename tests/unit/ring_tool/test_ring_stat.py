"""`feedhandler ring stat`: one ring in full."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
from ring_rig import event, publish, ring, ring_json, trade, writer

from feedhandler import _native
from feedhandler.ring_tool import mapped
from feedhandler.ring_tool.place import Place
from feedhandler.ring_tool.stat import measure

READER = """
import sys, time
from feedhandler.ring import Reader
reader = Reader(sys.argv[1], "r1")
reader.attach()
print("ready", flush=True)
time.sleep(60)
"""


def test_everything_about_a_ring(tmp_path: Path) -> None:
    first = writer(tmp_path)
    publish(first, *[trade(1.5, i) for i in range(3)])
    old = first.epoch
    del first
    held = writer(tmp_path)
    held.note(3, 41)
    publish(held, trade(1.5, 1))
    held.note(3, 42)
    publish(held, trade(1.5, 1))
    held.append(event(trade(1.5, 1)).view(np.uint8))
    held.note(3, 43)  # not published: does not count
    held.note(0, 7)
    reader = subprocess.Popen([sys.executable, "-c", READER, tmp_path], stdout=subprocess.PIPE, text=True)
    try:
        assert reader.stdout.readline() == "ready\n"
        found = ring_json("stat", "r1", "--shm-dir", tmp_path, "--seconds", 0)
    finally:
        reader.kill()
        reader.wait()
    exact = {
        "ring": "r1", "name": "r1", "state": "OK", "epoch": held.epoch, "previous_epoch": old, "previous_last": 3,
        "capacity": 1024, "version": 1, "writer_pid": os.getpid(), "published": 2, "oldest": 1, "rate": None,
        "bytes": 4096 + 1024 * 64,
    }  # fmt: skip
    assert {key: found[key] for key in exact} == exact
    assert found["claimed"] >= 2
    assert found["heartbeat_age_ns"] < 0  # the rig's heartbeat is ahead
    assert found["writer_command"] == mapped.command(os.getpid()) != ""
    assert [(each["epoch"], each["state"], each["published"]) for each in found["epochs"]] == [
        (old, "WRITER_DEAD", 3),
        (held.epoch, "OK", 2),
    ]
    assert found["notes"] == [{"session": 3, "value": 42, "cursor": 1}]
    others = {each["pid"]: each["writes"] for each in found["mapped_by"]}
    assert others == {reader.pid: False}  # and this process, which does not list itself
    assert found["wait_page"]["epoch_hint"] == held.epoch


def test_the_rate_is_what_is_published_meanwhile(tmp_path: Path) -> None:
    held = writer(tmp_path)
    file = _native.RingFile(str(tmp_path / f"r1.{held.epoch}"))
    timer = threading.Timer(0.05, lambda: publish(held, *[trade(1.5, 1)] * 10))
    timer.start()
    rate = measure(file, 0.3)
    timer.join()
    assert rate["records"] == 10
    assert rate["records_per_s"] == round(10 / rate["seconds"], 1) or rate["seconds"] >= 0.3


def test_the_text_has_each_part(tmp_path: Path) -> None:
    held = writer(tmp_path)
    held.note(0, 5)
    publish(held, trade(1.5, 1))
    done = ring("stat", "r1", "--shm-dir", tmp_path, "--seconds", 0.01)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines if line and not line.startswith(" ")][:7] == [
        "ring", "state", "writer", "epoch", "capacity", "published", "rate",
    ]  # fmt: skip
    assert lines[1].startswith("state      OK, heartbeat ")
    assert lines[2].startswith(f"writer     pid {os.getpid()}  ")
    assert "published  1, whole from 1 on" in lines
    assert "epochs held: 1" in lines
    assert "SESSION  VALUE  AT SEQ" in lines


def test_a_dead_writers_file_copied_elsewhere(tmp_path: Path) -> None:
    held = writer(tmp_path)
    publish(held, trade(1.5, 1))
    path = tmp_path / f"r1.{held.epoch}"
    del held
    shutil.copy(path, tmp_path / "evidence")
    found = ring_json("stat", tmp_path / "evidence", "--seconds", 0)
    assert (found["ring"], found["state"], found["published"], found["writer_command"]) == ("r1", "WRITER_DEAD", 1, "")


def test_one_line_says_what_is_wrong(tmp_path: Path) -> None:
    held = writer(tmp_path, "handler1")
    missing = ring("stat", "r1", "--shm-dir", tmp_path)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr == f"{tmp_path}/r1: no such ring; there are handler1\n"
    path = tmp_path / f"handler1.{held.epoch}"
    del held
    with path.open("r+b") as file:
        file.seek(8)
        file.write((77).to_bytes(4, "little"))
    other = ring("stat", "handler1", "--shm-dir", tmp_path)
    assert (other.returncode, other.stdout, other.stderr.count("\n")) == (1, "", 1)
    assert other.stderr.startswith(str(path))
    nothing = ring("stat", tmp_path / "none")
    assert (nothing.returncode, nothing.stderr) == (1, f"{tmp_path}/none: no such file\n")


def test_a_place_without_a_state_folder_has_no_directory(tmp_path: Path) -> None:
    assert Place(shm_dir=tmp_path).directory is None
    assert Place(shm_dir=tmp_path, state_dir=tmp_path).directory is None
