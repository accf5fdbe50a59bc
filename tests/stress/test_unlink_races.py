"""A writer that starts while `ring unlink` removes its ring: it holds the lock that the next one finds, or tries again."""

import multiprocessing
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from feedhandler import _native
from feedhandler.errors import SegmentBusyError
from feedhandler.ring_tool.place import Place
from feedhandler.ring_tool.unlink import Options, unlink
from tests.stress.processes import go_on, stopped, until
from tests.stress.rig import Rig
from tests.stress.writers import RING

STARTS = 100


def remove(folder: Path) -> None:
    """All of the dead ring, its lock too."""
    unlink(Place(shm_dir=folder), (RING,), Options(newest=True))


def test_a_writer_that_opened_the_lock_before_it_was_removed_locks_the_one_that_is_there(programs: Path) -> None:
    with Rig(programs) as rig:
        _native.RingWriter(str(rig.folder), str(rig.folder), RING, 1024)
        writer = rig.writer(step=True, die=f"lock.opened:1:{int(signal.SIGSTOP)}")
        until(lambda: stopped(writer.process), "the writer has opened the lock")
        remove(rig.folder)
        assert not (rig.folder / f"{RING}.lock").exists()
        go_on(writer.process)
        assert writer.greeted().hello is not None
        assert _native.locked(str(rig.folder / f"{RING}.lock"))
        with pytest.raises(SegmentBusyError, match=f"pid {writer.process.pid}"):
            _native.RingWriter(str(rig.folder), str(rig.folder), RING, 1024)
        remove(rig.folder)
        assert _native.ring_epochs(str(rig.folder), RING), "a living ring stays"
        assert writer.ended().ending == "ended"


def write(folder: Path) -> tuple[int, list[str]]:
    """Start so many writers, one after the other; return how many started, and what was wrong."""
    started, wrong = 0, []
    while started < STARTS:
        try:
            held = _native.RingWriter(str(folder), str(folder), RING, 64)
        except SegmentBusyError:
            continue  # another writer, or an unlinker, has it for a moment
        started += 1
        if not (folder / f"{RING}.{held.epoch}").exists():
            wrong.append(f"epoch {held.epoch} was removed under its writer")
        if not _native.locked(str(folder / f"{RING}.lock")):
            wrong.append(f"epoch {held.epoch}: its writer holds a lock that nobody finds")
        del held
    return started, wrong


def test_writers_and_unlinkers_at_once_never_lose_a_living_ring_or_its_lock(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        writers = [pool.submit(write, tmp_path) for _ in range(2)]
        removed = 0
        while not all(writer.done() for writer in writers):
            held = _native.hold_lock(str(tmp_path / f"{RING}.lock"))
            if held is None:
                continue
            for path in tmp_path.glob(f"{RING}.[0-9]*"):
                path.unlink()
            (tmp_path / f"{RING}.lock").unlink(missing_ok=True)
            removed += 1
            del held
            time.sleep(0.0005)  # a writer's turn
        found = [writer.result() for writer in writers]
    assert found == [(STARTS, []), (STARTS, [])]
    assert removed > 0
