"""A counting process killed at random and while it makes its file: every cell holds what was added, or one less."""

import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from feedhandler.counters import SLOTS, read_file
from tests.stress.processes import end_of, until


def start(programs: Path, folder: Path, *options: str, points: bool = False) -> subprocess.Popen:
    program = programs / ("counters_points" if points else "counters")
    return subprocess.Popen([program, f"dir={folder}", f"report={folder / 'report'}", *options])


def cells(adds: int) -> dict[str, dict[int, int]]:
    """What the file holds behind so many additions."""
    found: dict[str, dict[int, int]] = {}
    for counter, mine in (("fix_reads", (adds + 1) // 2), ("fix_bytes", adds // 2)):
        slots = {slot: mine // SLOTS + (slot < mine % SLOTS) for slot in range(SLOTS)}
        if held := {slot: n for slot, n in slots.items() if n}:
            found[counter] = held
    return found


def test_a_killed_counter_holds_every_addition_but_perhaps_the_last(programs: Path, tmp_path: Path) -> None:
    report = tmp_path / "report"
    for turn in range(20):
        report.unlink(missing_ok=True)
        process = start(programs, tmp_path)
        until(lambda: report.exists() and len(report.read_bytes()) == 16 and any(report.read_bytes()), "it counts")
        time.sleep(0.001 * turn)
        process.kill()
        process.wait()
        begun, done = np.fromfile(report, "<u8").tolist()
        assert begun - done in (0, 1)
        assert read_file(tmp_path / "p.counters") in (cells(done), cells(begun))


@pytest.mark.parametrize(
    ("point", "replaced"), [("counters.created", False), ("counters.ready", False), ("counters.renamed", True)]
)
def test_a_process_killed_while_it_makes_its_counters_leaves_the_old_file_or_the_new_one(
    programs: Path, tmp_path: Path, point: str, replaced: bool
) -> None:
    assert end_of(start(programs, tmp_path, "adds=1000")) == 0
    assert read_file(tmp_path / "p.counters") == cells(1000)
    died = start(programs, tmp_path, f"die={point}:1:{int(signal.SIGKILL)}", points=True)
    assert end_of(died) == -signal.SIGKILL
    assert read_file(tmp_path / "p.counters") == ({} if replaced else cells(1000))
    assert end_of(start(programs, tmp_path, "adds=10")) == 0
    assert read_file(tmp_path / "p.counters") == cells(10)
