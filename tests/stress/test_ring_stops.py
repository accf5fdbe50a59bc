"""A process stopped between two named steps, or anywhere, while the others go on."""

import random
import signal
import time
from pathlib import Path

import pytest

from feedhandler import _native
from feedhandler.ring import Attach
from tests.stress.points import WRITER
from tests.stress.processes import go_on, stopped, until
from tests.stress.rig import Rig
from tests.stress.writers import RING

STOP = int(signal.SIGSTOP)
MINUTE_NS = 60_000_000_000
INSIDE = [point for point, (_, ending) in WRITER.items() if ending == "invisible"]


@pytest.mark.parametrize("point", INSIDE)
def test_what_a_stopped_writer_stages_is_invisible_until_it_goes_on(programs: Path, point: str) -> None:
    with Rig(programs) as rig:
        reader = rig.reader("reader", policy=2)
        writer = rig.writer(step=True, batch=4, event=8, die=f"{point}:3:{STOP}").greeted()
        while not stopped(writer.process):
            done = writer.batches
            writer.step()
            until(lambda done=done: writer.batches > done or stopped(writer.process), "a batch ends, or stands")
        native = _native.RingReader(str(rig.folder), RING)
        assert native.attach() == Attach.OK
        published = native.published
        until(lambda: reader.has(writer.epoch, published), "all before the batch is read")
        now_ns = _native.monotonic_ns()
        assert native.state(now_ns, MINUTE_NS) == Attach.OK
        assert native.state(now_ns + 2 * MINUTE_NS, MINUTE_NS) == Attach.STALLED, "alive, and not progressing"
        with pytest.raises(RuntimeError, match=rf"ring 'r' has a writer already, pid {writer.process.pid}"):
            _native.RingWriter(str(rig.folder), str(rig.folder), RING, 1024)
        go_on(writer.process)
        until(lambda: native.published > published, "the batch is published")
        assert writer.ended().ending == "ended"
        rig.drain()
        assert (rig.faults(), native.state(now_ns, MINUTE_NS)) == ([], Attach.WRITER_DEAD)


@pytest.mark.parametrize(("records", "lost"), [(63, False), (64, True), (5000, True)])
def test_a_copy_is_thrown_away_if_the_writer_came_over_it_before_the_check(
    programs: Path, records: int, lost: bool
) -> None:
    # The reader stands between its copy of record 1 and its check. Record 65 takes the slot of record 1.
    with Rig(programs, capacity=64) as rig:
        writer = rig.writer(step=True, batch=1, event=1).greeted()
        reader = rig.reader("reader", die=f"read.copied:1:{STOP}")
        writer.step()
        until(lambda: stopped(reader.process), "the reader has copied")
        for _ in range(records):
            writer.step()
        until(lambda: writer.batches == records + 1, "the writer is ahead")
        go_on(reader.process)
        assert writer.ended().last == records + 1
        rig.drain()
        assert rig.faults() == []
        assert (rig.count(reader, "lapped") > 0) == lost
        assert rig.race("").judge()


@pytest.mark.parametrize("word", range(1, 9))
def test_a_record_that_is_half_overwritten_is_never_handed_out(programs: Path, word: int) -> None:
    # The reader stands still since before record 1; the writer stands inside record 65, in the slot of record 1.
    with Rig(programs, capacity=64) as rig:
        writer = rig.writer(step=True, batch=1, event=1, die=f"words.stored:{64 * 8 + word}:{STOP}").greeted()
        reader = rig.reader("reader", policy=2)
        rig.await_attached()
        reader.process.send_signal(signal.SIGSTOP)
        for _ in range(65):
            writer.step()
        until(lambda: stopped(writer.process), "the writer stands inside a record")
        assert writer.batches == 64
        go_on(reader.process)
        until(lambda: rig.count(reader, "lapped") == 1, "the reader gives it up")
        go_on(writer.process)
        assert writer.ended().last == 65
        rig.drain()
        assert rig.faults() == []
        assert rig.race("half overwritten").judge()


def test_a_reader_that_is_lapped_again_while_it_looks_for_its_place_goes_on_looking(programs: Path) -> None:
    with Rig(programs, capacity=64) as rig:
        writer = rig.writer(step=True, batch=16, event=8).greeted()
        reader = rig.reader("reader", die=f"read.sought:1:{STOP}", sleep_us=1000)
        rig.await_attached()
        while not stopped(reader.process):
            writer.step()
        for _ in range(100):
            writer.step()
        go_on(reader.process)
        writer.ended()
        rig.drain()
        assert rig.faults() == []
        assert rig.race("lapped while looking for its place").judge("lapped")


def test_a_restart_during_a_lap_and_several_in_a_row_are_followed_one_by_one(programs: Path, tell) -> None:
    # Readers stand still anywhere while the writer goes over them, dies, and up to five successors come and die.
    rng = random.Random(20261121)
    with Rig(programs, capacity=256) as rig:
        for i, options in enumerate(
            (
                {"policy": 0},
                {"policy": 2},
                {"policy": 1, "view": True},
                {"policy": 3, "max": 5},
                {"policy": 2, "follower": True},
            )
        ):
            rig.reader(f"reader {i}", **options)
        writer = rig.writer(oversize=50, open=5, renote=6, idle=7, silent=4).greeted()
        rig.await_attached()
        for restarts in (1, 2, 3, 4, 5, 1, 2, 3, 4, 5):
            time.sleep(rng.uniform(0.0, 0.01))
            for reader in rig.readers:
                reader.process.send_signal(signal.SIGSTOP)
            time.sleep(rng.uniform(0.001, 0.01))
            for _ in range(restarts):
                writer.kill()
                writer = rig.writer(oversize=50, open=5, renote=6, idle=7, silent=4).greeted()
                time.sleep(rng.uniform(0.0, 0.003))
            for reader in rig.readers:
                go_on(reader.process)
        writer.kill()
        rig.writer(records=1000).ended()
        rig.drain()
        assert rig.faults() == [], rig.stderr.read_text()
        tell(rig.race("restarts during a lap, one to five in a row").judge("lapped", "followed", "epoch_gone"))
        tell(rig.endings.judge())
