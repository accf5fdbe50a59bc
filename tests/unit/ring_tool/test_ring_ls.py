"""`feedhandler ring ls`: what is there, and how its writer is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ring_rig import directory, publish, ring, ring_json, trade, writer

from feedhandler import _native, clock
from feedhandler.errors import UsageError
from feedhandler.ring_tool import place
from feedhandler.ring_tool.segments import classify

ROOT = Path(__file__).resolve().parents[3]
SLEEPER = """
import sys, time
from feedhandler.counters import Counters
from feedhandler.clock import Clock
held = Counters(sys.argv[1], "handler1"), Clock(sys.argv[1])
print("ready", flush=True)
time.sleep(60)
"""


def listed(*arguments: object) -> dict[str, dict]:
    return {each["name"]: each for each in ring_json("ls", *arguments)}


def test_each_epoch_has_a_line_and_the_dead_ones_say_so(tmp_path: Path) -> None:
    first = writer(tmp_path)
    publish(first, trade(1.5, 2), trade(1.25, 3))
    old = first.epoch
    del first
    second = writer(tmp_path)
    done = ring("ls", "--shm-dir", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["SEGMENT", "KIND", "STATE", "PID", "SIZE", "AGE", "WHAT"]
    mine = str(os.getpid())
    assert lines[1][:6] == [f"r1.{old}", "ring", "WRITER_DEAD", mine, "68.0", "KiB"]
    assert lines[1][7:] == ["published", "2,", "capacity", "1,024"]
    assert lines[2][:4] == [f"r1.{second.epoch}", "ring", "OK", mine]
    assert [line[:3] for line in lines[3:]] == [
        ["r1.wait", "wait", "OK"],
        ["r1.lock", "lock", "HELD"],
        ["r1.epoch", "other", "FOREIGN"],  # the state folder is the same here
    ]


def test_json_has_the_numbers(tmp_path: Path) -> None:
    held = writer(tmp_path)
    publish(held, trade(1.5, 2))
    held.heartbeat(clock.monotonic_ns() - 10_000_000_000)
    found = listed("--shm-dir", tmp_path)[f"r1.{held.epoch}"]
    exact = {
        "kind": "ring", "ring": "r1", "epoch": held.epoch, "state": "STALLED", "pid": os.getpid(), "published": 1,
        "oldest": 1, "capacity": 1024, "bytes": 4096 + 1024 * 64, "taken": 4096 + 1024 * 64,
        "path": str(tmp_path / f"r1.{held.epoch}"),
    }  # fmt: skip
    assert {key: found[key] for key in exact} == exact
    assert found["heartbeat_age_ns"] >= 10_000_000_000
    assert 0 <= found["age_ns"] < 60_000_000_000


def test_the_folder_may_stand_without_its_option(tmp_path: Path) -> None:
    held = writer(tmp_path)
    assert f"r1.{held.epoch}" in ring("ls", tmp_path).stdout


def test_board_counters_clock_and_directory(tmp_path: Path) -> None:
    state = directory(tmp_path)
    sleeper = subprocess.Popen([sys.executable, "-c", SLEEPER, tmp_path], stdout=subprocess.PIPE, text=True)
    try:
        assert sleeper.stdout.readline() == "ready\n"
        board = _native.BoardWriter(str(tmp_path), 5, 100, 7)
        found = listed("--shm-dir", tmp_path, "--state-dir", state)
        assert {name: (each["kind"], each["state"], each["pid"]) for name, each in found.items()} == {
            "board": ("board", "OK", os.getpid()),
            "board.lock": ("lock", "HELD", found["board.lock"]["pid"]),
            "handler1.counters": ("counters", "OK", sleeper.pid),
            "clock": ("clock", "OK", 0),
            "instruments.dir": ("directory", "OK", 0),
            "state": ("other", "FOREIGN", 0),
        } | {name: (each["kind"], "OK", 0) for name, each in found.items() if each["kind"] == "wait"}
        assert (found["board"]["rows"], found["board"]["depth"]) == (100, 5)
        assert found["instruments.dir"]["what"] == "2 instruments, 1 sources"
        del board
    finally:
        sleeper.kill()
        sleeper.wait()
    found = listed("--shm-dir", tmp_path)
    assert {name: found[name]["state"] for name in ("board", "board.lock", "handler1.counters")} == {
        "board": "WRITER_DEAD",
        "board.lock": "FREE",
        "handler1.counters": "WRITER_DEAD",
    }


def test_what_cannot_be_read_is_listed_with_the_reason(tmp_path: Path) -> None:
    held = writer(tmp_path)
    other = tmp_path / f"r1.{held.epoch}"
    del held
    with other.open("r+b") as file:
        file.seek(8)
        file.write((77).to_bytes(4, "little"))
    (tmp_path / "r2.5").write_bytes(b"\0" * 100)
    (tmp_path / "r3.5").write_bytes(os.urandom(70_000))
    (tmp_path / "r4.5").symlink_to(tmp_path / "nowhere")
    (tmp_path / "r5.5").mkdir()
    os.mkfifo(tmp_path / "r6.5")
    (tmp_path / "r7.starting").touch()
    (tmp_path / "board").write_bytes(b"x")
    (tmp_path / "h.counters").write_bytes(b"x" * 64)
    (tmp_path / "clock").touch()
    (tmp_path / "notes.txt").write_text("mine")
    found = listed("--shm-dir", tmp_path)
    assert {name: each["state"] for name, each in found.items() if each["kind"] not in ("wait", "lock")} == {
        other.name: "VERSION_MISMATCH",
        "r2.5": "DAMAGED",
        "r3.5": "DAMAGED",
        "r4.5": "FOREIGN",
        "r5.5": "FOREIGN",
        "r6.5": "FOREIGN",
        "r7.starting": "ABANDONED",
        "board": "DAMAGED",
        "h.counters": "DAMAGED",
        "clock": "DAMAGED",
        "notes.txt": "FOREIGN",
        "r1.epoch": "FOREIGN",
    }
    assert all(each["what"] for each in found.values() if each["kind"] != "lock")


def test_a_folder_without_anything_is_no_error_one_that_is_not_there_is(tmp_path: Path) -> None:
    done = ring("ls", "--shm-dir", tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}: nothing here\n")
    assert ring_json("ls", "--shm-dir", tmp_path) == []
    gone = ring("ls", "--shm-dir", tmp_path / "none")
    assert (gone.returncode, gone.stdout) == (1, "")
    assert gone.stderr.startswith(f"{tmp_path}/none: no such folder")
    assert gone.stderr.count("\n") == 1


def test_the_configuration_names_the_folders_and_the_rings(tmp_path: Path) -> None:
    text = (ROOT / "examples" / "feedhandler.toml").read_text()
    path = tmp_path / "c.toml"
    (tmp_path / "instruments.csv").write_bytes((ROOT / "examples" / "instruments.csv").read_bytes())
    shm, state = tmp_path / "shm", tmp_path / "state"
    shm.mkdir(), state.mkdir()
    text = text.replace("/dev/shm/feedhandler-example", str(shm)).replace("../var/example/state", str(state))
    path.write_text(text)
    held = writer(shm, "handler1")
    found = listed("--config", path)
    assert (found[f"handler1.{held.epoch}"]["state"], found["derived"]["state"]) == ("OK", "MISSING")
    path.write_text(text.replace("port = 9880 ", "port = 99999"))
    refused = ring("ls", "--config", path)
    assert refused.returncode == 2
    assert refused.stderr == f"{path}: handler[0].source[0].port: got 99999, expected 1..65535\n"


def test_without_any_option_the_only_system_is_meant(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give --config FILE or --shm-dir DIR"):
        place.find(root=tmp_path)
    (tmp_path / "feedhandler-a").mkdir()
    (tmp_path / "feedhandler-file").touch()
    assert place.find(root=tmp_path).shm_dir == tmp_path / "feedhandler-a"
    (tmp_path / "feedhandler-b").mkdir()
    with pytest.raises(UsageError, match=r"feedhandler-a, .*feedhandler-b;"):
        place.find(root=tmp_path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("handler1.1795277204084138541", ("ring", "handler1", 1795277204084138541)),
        ("h-1_x.0", ("ring", "h-1_x", 0)),
        ("handler1.starting", ("draft", "handler1", 0)),
        ("handler1.wait", ("wait", "handler1", 0)),
        ("handler1.lock", ("lock", "handler1", 0)),
        ("board", ("board", "", 0)),
        ("board.lock", ("lock", "", 0)),
        ("board.new", ("draft", "", 0)),
        ("conflator.counters", ("counters", "", 0)),
        ("conflator.books", ("checkpoint", "", 0)),
        ("clock", ("clock", "", 0)),
        (".5", ("other", "", 0)),
        ("a.b.5", ("other", "", 0)),
        (".lock", ("other", "", 0)),
        ("handler1", ("other", "", 0)),
        ("handler1.5x", ("other", "", 0)),
    ],
)
def test_names_of_files(name: str, expected: tuple[str, str, int]) -> None:
    assert classify(name) == expected
