"""Writers and readers of a ring killed at every named point, one after the other, while others read on."""

import re
import signal
from pathlib import Path

import pytest

from feedhandler import _native
from feedhandler.ring import Attach
from tests.stress.points import READER, WRITER
from tests.stress.processes import end_of
from tests.stress.rig import Rig
from tests.stress.writers import RING

NOBODY = 65534
PACED = 20_000  # records a second: slow enough for readers to park
POINT_FAMILIES = ("lock", "epoch", "ring", "note", "wake", "words", "read", "park")
ALL_SORTS = {"oversize": 200, "drop": 30, "open": 5, "renote": 6, "idle": 7, "silent": 4}


def readers(rig: Rig) -> None:
    rig.reader("spins", policy=0)
    rig.reader("parks", policy=2)
    rig.reader("sleeps", policy=2, sleep_us=3000, max=64)
    rig.reader("borrows", policy=1, view=True)
    rig.reader("read-only", policy=2, uid=NOBODY)
    rig.reader("follows", policy=3, follower=True)


def test_a_writer_killed_at_any_point_leaves_whole_batches_and_its_note(programs: Path, tell) -> None:
    with Rig(programs) as rig:
        readers(rig)
        for _ in range(4):  # so that there is one to unlink
            rig.writer(records=100).ended()
        for point, (turns, ending) in WRITER.items():
            for turn in turns:
                rate = PACED if point.startswith("wake.") else 0
                writer = rig.writer(die=f"{point}:{turn}:{signal.SIGKILL}", rate=rate, **ALL_SORTS)
                truth = writer.ended()
                assert writer.process.returncode == -signal.SIGKILL, f"{point} was not passed {turn} times"
                assert (truth.ending if truth else "no_epoch") == ending, f"killed at {point}, passage {turn}"
        rig.writer(records=5000).ended()
        rig.drain()
        assert rig.faults() == [], rig.stderr.read_text()
        tell(rig.endings.judge("no_epoch", "empty", "invisible", "visible"))
        tell(rig.race("readers of writers killed at every point").judge("followed", "skip_read"))


@pytest.mark.parametrize("point", [point for point, (_, ending) in WRITER.items() if ending == "no_epoch"])
def test_a_ring_whose_first_writer_died_before_it_was_there_is_missing_not_starting(programs: Path, point: str) -> None:
    with Rig(programs) as rig:
        assert rig.writer(die=f"{point}:1:{signal.SIGKILL}").ended() is None
        assert _native.RingReader(str(rig.folder), RING).attach() == Attach.MISSING
        rig.reader("late")
        assert rig.writer(records=100).ended().ending == "ended"
        rig.drain()
        assert rig.faults() == []


def test_epochs_rise_also_over_those_that_never_came_to_be(programs: Path) -> None:
    with Rig(programs) as rig:
        for _ in range(3):
            rig.writer(die=f"epoch.persisted:1:{signal.SIGKILL}").ended()
            persisted = int((rig.folder / f"{RING}.epoch").read_text())
            assert rig.writer(records=10).ended().epoch > persisted


@pytest.mark.parametrize("point", READER)
def test_a_reader_killed_at_any_point_loses_nothing_and_disturbs_nobody(programs: Path, tell, point: str) -> None:
    with Rig(programs, capacity=64) as rig:
        readers(rig)
        victim = rig.reader("victim", policy=2)
        parks = point.startswith("park.")
        for turn in READER[point]:
            victim.kill()
            writer = rig.writer(rate=PACED if parks else 0).greeted()
            victim.start(die=f"{point}:{turn}:{signal.SIGKILL}")
            assert end_of(victim.process) == -signal.SIGKILL
            victim.start()
            writer.kill()
        rig.writer(records=500).ended()
        rig.drain()
        assert rig.faults() == [], rig.stderr.read_text()
        tell(rig.race(f"a reader killed at {point}").judge("resumed"))


def test_a_reader_without_permission_never_maps_for_writing_the_page_that_readers_write(programs: Path) -> None:
    with Rig(programs) as rig:
        writer = rig.writer(rate=PACED).greeted()
        readers(rig)
        rig.await_attached()
        maps = {reader.name: Path(f"/proc/{reader.process.pid}/maps").read_text() for reader in rig.readers}
        parks = {
            name
            for name, text in maps.items()
            for line in text.splitlines()
            if f"{RING}.wait" in line and " rw" in line
        }
        assert maps.keys() - parks == {"read-only"}
        written = [
            line for text in maps.values() for line in text.splitlines() if f"{RING}.1" in line and " rw" in line
        ]
        assert written == []
        writer.kill()


def test_no_point_of_the_ring_is_left_out(programs: Path) -> None:
    headers = (Path(__file__).resolve().parents[2] / "shm").glob("*.hpp")
    named = {name for header in headers for name in re.findall(r'FH_POINT\("([\w.]+)"\)', header.read_text())}
    of_the_ring = {name for name in named if name.partition(".")[0] in POINT_FAMILIES}
    assert of_the_ring == WRITER.keys() | READER.keys()
