"""`feedhandler ring unlink`: the dead go, the living stay, and each is named."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ring_rig import directory, publish, ring, ring_json, trade, writer

from feedhandler import _native
from feedhandler.ring import Attach, Reader
from feedhandler.ring_tool import mapped

COUNTERS = """
import sys, time
from feedhandler.counters import Counters
held = Counters(sys.argv[1], "handler1")
print("ready", flush=True)
time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def verdicts(*arguments: object) -> dict[str, bool]:
    return {each["name"]: each["removed"] for each in ring_json("unlink", *arguments)}


def test_a_dead_ring_goes_with_all_its_files(tmp_path: Path) -> None:
    shm = tmp_path / "shm"
    held = _native.RingWriter(str(shm), str(tmp_path), "r1", 64)
    epoch = held.epoch
    del held
    (shm / "r1.starting").touch()
    done = ring("unlink", "r1", "--newest", "--shm-dir", shm)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert [line[:2] for line in lines] == [
        ["removed", f"r1.{epoch}"],
        ["removed", "r1.starting"],
        ["removed", "r1.wait"],
        ["removed", "r1.lock"],
        ["4", "of"],
    ]
    assert "its writer is dead; the newest epoch: who comes next begins without its notes" in done.stdout
    assert done.stdout.splitlines()[-1] == "4 of 4 removed, 16.0 KiB"
    assert names(shm) == []


def test_of_a_living_ring_only_dead_epochs_go(tmp_path: Path) -> None:
    first = writer(tmp_path)
    old = first.epoch
    del first
    held = writer(tmp_path)
    assert verdicts("r1", "--shm-dir", tmp_path) == {
        f"r1.{old}": True,
        f"r1.{held.epoch}": False,
        "r1.wait": False,
        "r1.lock": False,
    }
    assert names(tmp_path) == [f"r1.{held.epoch}", "r1.epoch", "r1.lock", "r1.wait"]
    again = ring("unlink", "r1", "--shm-dir", tmp_path)
    assert again.returncode == 1
    kept = again.stdout.splitlines()[0]
    assert kept.split()[:2] == ["kept", f"r1.{held.epoch}"]
    assert kept.endswith(f"its writer, pid {os.getpid()}, lives")


def test_force_takes_the_living_and_its_writer_goes_on(tmp_path: Path) -> None:
    held = writer(tmp_path)
    reader = Reader(tmp_path, "r1", from_oldest=True, follow=False, losses="count")
    reader.attach()
    done = ring("unlink", "r1", "--shm-dir", tmp_path, "--force")
    assert done.returncode == 0
    assert "forced: its writer, pid" in done.stdout
    assert names(tmp_path) == ["r1.epoch", "r1.lock", "r1.wait"]  # the exclusion of writers stays
    publish(held, trade(1.5, 1))
    assert len(reader.read().records) == 1
    with pytest.raises(Exception, match="has a writer already"):
        writer(tmp_path)


def test_a_dry_run_removes_nothing(tmp_path: Path) -> None:
    held = writer(tmp_path)
    epoch = held.epoch
    del held
    before = names(tmp_path)
    done = ring("unlink", "r1", "--newest", "--shm-dir", tmp_path, "--dry-run")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0].split()[:3] == ["would", "go", f"r1.{epoch}"]
    assert names(tmp_path) == before
    found = ring_json("unlink", "r1", "--newest", "--shm-dir", tmp_path, "--dry-run")
    assert {(each["goes"], each["removed"]) for each in found} == {(True, False)}


def test_the_newest_epoch_is_left_to_its_successor(tmp_path: Path) -> None:
    first = writer(tmp_path)
    old = first.epoch
    del first
    second = writer(tmp_path)
    second.note(0, 41)
    publish(second, trade(1.5, 1))
    second.note(0, 42)
    publish(second, trade(1.5, 1))
    newest = second.epoch
    del second
    assert verdicts("r1", "--shm-dir", tmp_path) == {
        f"r1.{old}": True,
        f"r1.{newest}": False,
        "r1.wait": False,
        "r1.lock": False,
    }
    by_name = ring("unlink", f"r1.{newest}", "--shm-dir", tmp_path)
    assert (by_name.returncode, by_name.stdout.split()[:2]) == (1, ["kept", f"r1.{newest}"])
    ring("unlink", "--all", "--shm-dir", tmp_path)
    third = writer(tmp_path)
    assert (third.previous_epoch, third.previous_note(0)) == (newest, 42)
    del third
    assert set(verdicts("r1", "--newest", "--shm-dir", tmp_path).values()) == {True}
    assert names(tmp_path) == ["r1.epoch"]


def test_a_ring_without_a_lock_leaves_none(tmp_path: Path) -> None:
    held = writer(tmp_path)
    epoch = held.epoch
    del held
    (tmp_path / "r1.lock").unlink()
    assert verdicts("r1", "--newest", "--shm-dir", tmp_path) == {f"r1.{epoch}": True, "r1.wait": True}
    assert names(tmp_path) == ["r1.epoch"]


def test_one_epoch_by_name(tmp_path: Path) -> None:
    first = writer(tmp_path)
    old = first.epoch
    del first
    held = writer(tmp_path)
    assert verdicts(f"r1.{old}", "--shm-dir", tmp_path) == {f"r1.{old}": True}
    refused = ring("unlink", f"r1.{held.epoch}", "r1.lock", "--shm-dir", tmp_path)
    assert refused.returncode == 1
    assert [line.split()[:2] for line in refused.stdout.splitlines()] == [
        ["kept", f"r1.{held.epoch}"],
        ["kept", "r1.lock"],
        ["0", "of"],
    ]


def test_damaged_and_foreign_versions_go_by_their_locks(tmp_path: Path) -> None:
    held = writer(tmp_path)
    path = tmp_path / f"r1.{held.epoch}"
    with path.open("r+b") as file:
        file.seek(8)
        file.write((77).to_bytes(4, "little"))
    assert ring("unlink", path.name, "--shm-dir", tmp_path).returncode == 1
    assert path.exists()
    del held
    assert verdicts(path.name, "--shm-dir", tmp_path) == {path.name: True}
    (tmp_path / "r2.5").write_bytes(b"\0" * 100)
    assert verdicts("r2", "--shm-dir", tmp_path) == {"r2.5": True}


def test_counters_live_as_long_as_their_process(tmp_path: Path) -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", COUNTERS, tmp_path], stdout=subprocess.PIPE, text=True)
    try:
        assert sleeper.stdout.readline() == "ready\n"
        done = ring("unlink", "handler1.counters", "--shm-dir", tmp_path)
        assert done.returncode == 1
        assert f"its process, pid {sleeper.pid}, lives" in done.stdout
    finally:
        sleeper.kill()
        sleeper.wait()
    assert ring("unlink", "handler1.counters", "--shm-dir", tmp_path).returncode == 0
    assert names(tmp_path) == []


def test_all_takes_everything_that_is_dead_and_nothing_else(tmp_path: Path) -> None:
    shm = tmp_path / "shm"
    directory(tmp_path)
    dead = _native.RingWriter(str(shm), str(tmp_path), "dead", 64)
    del dead
    held = _native.RingWriter(str(shm), str(tmp_path), "alive", 64)
    board = _native.BoardWriter(str(shm), 5, 100, 7)
    (shm / "conflator.books").touch()
    (shm / "notes.txt").write_text("mine")
    ring_json("unlink", "--all", "--newest", "--shm-dir", shm)
    left = [name for name in names(shm) if not name.startswith("board")]
    assert left == [f"alive.{held.epoch}", "alive.lock", "alive.wait", "conflator.books", "notes.txt"]
    assert (shm / "board").exists()
    del held, board
    ring_json("unlink", "--all", "--newest", "--shm-dir", shm)
    assert names(shm) == ["notes.txt"]
    assert (tmp_path / "state" / "instruments.dir").exists()


def test_a_reader_follows_a_ring_that_was_unlinked_and_made_again(tmp_path: Path) -> None:
    first = writer(tmp_path)
    reader = Reader(tmp_path, "r1", from_oldest=True, follow=False, losses="count")
    reader.attach()
    publish(first, trade(1.5, 1))
    del first
    ring("unlink", "r1", "--newest", "--shm-dir", tmp_path)
    second = writer(tmp_path)
    publish(second, trade(1.75, 1))
    assert reader.read().records["price"].tolist() == [1.5]
    assert reader.state() == Attach.WRITER_DEAD
    assert reader.follow()
    # Its epochs go on, but who wrote them no longer knows what came before: that much is told.
    assert reader.read().lost == 1
    assert reader.read().records["price"].tolist() == [1.75]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "what shall go? "),
        (("r1", "--all"), 2, "what shall go? "),
        (("nonsense",), 1, "{folder}/nonsense: no such ring or segment\n"),
    ],
)
def test_one_line_says_what_is_wrong(tmp_path: Path, arguments: tuple, code: int, message: str) -> None:
    held = writer(tmp_path)
    done = ring("unlink", *arguments, "--shm-dir", tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
    assert done.stderr.startswith(message.format(folder=tmp_path))
    assert (tmp_path / f"r1.{held.epoch}").exists()


def test_who_maps_a_file(tmp_path: Path) -> None:
    """A process that ended, one that may not be looked into, and names with blanks."""
    path = tmp_path / "a file.5"
    path.touch()
    status = path.stat()
    proc = tmp_path / "proc"
    for pid, text in ((7, ""), (8, f"7f-8f rw-s 00000000 ff:ff {status.st_ino}  {path}\n7f-8f r--s 0 ff:ff 1  /x\n")):
        (proc / str(pid)).mkdir(parents=True)
        (proc / str(pid) / "maps").write_text(text)
        (proc / str(pid) / "cmdline").write_bytes(b"python\0-m\0x\0")
    (proc / "9").mkdir()
    found = mapped.mappers(path, proc)
    assert [(each.pid, each.command, each.writes) for each in found.found] == [(8, "python -m x", True)]
    assert found.hidden == 0
    assert mapped.maps(7, path, proc) is False
    assert mapped.maps(10, path, proc) is False
