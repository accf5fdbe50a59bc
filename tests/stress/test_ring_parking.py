"""Parking against publishing: every order of their steps by hand, then as fast as the machine goes."""

import signal
import time
from pathlib import Path

import pytest

from tests.stress.outcomes import Race
from tests.stress.processes import PATIENCE_S, end_of, go_on, stopped, until
from tests.stress.rig import Rig
from tests.stress.writers import Writer

KILL, STOP = int(signal.SIGKILL), int(signal.SIGSTOP)
LONG_MS = 120_000  # longer than any patience here: only a wake-up ends such a wait in time
PARK = ("park.wake_read", "park.parked_set", "park.checked")
WAKE = ("ring.stamped", "ring.published", "wake.parked_seen", "wake.parked_cleared", "wake.raised")
UNWOKEN = ("ring.published", "wake.parked_seen", "wake.parked_cleared", "wake.raised")

ALLOWED = {
    "saw_it": "the reader saw the record, or the raised futex word, before it slept",
    "woken": "the reader slept, and the writer's wake-up ended its sleep",
}
FORBIDDEN = {"slept_on": "the record is there, the writer is done, and the reader sleeps"}


def one_by_one(rig: Rig, **options) -> Writer:
    return rig.writer(step=True, batch=1, event=1, **options).greeted()


def comes(condition) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not (done := condition()) and time.monotonic() < deadline:
        time.sleep(0.0005)
    return done


def silent_ring(rig: Rig) -> None:
    """A second ring on which nothing is ever published."""
    process = rig.run("ring_writer", ring="silent", state=rig.folder, report=rig.folder / "silent.report", step=True)
    assert process.stdout.readline()


def meet(rig: Rig, park: str, wake: str, *, reader_first: bool, other_parked: bool, beside: str) -> str:
    """Stop both at their points, let one and then the other go on; return the reader's outcome."""
    if beside:
        silent_ring(rig)
    writer = one_by_one(rig, die=f"{wake}:1:{STOP}")
    waiting = [rig.reader("other", policy=2, timeout_ms=LONG_MS)] if other_parked else []
    for other in waiting:
        until(lambda other=other: other.asleep, "the other reader sleeps")
    reader = rig.reader("reader", policy=2, timeout_ms=LONG_MS, die=f"{park}:1:{STOP}", beside=beside)
    until(lambda: stopped(reader.process), f"the reader stands at {park}")
    writer.step()
    until(lambda: stopped(writer.process) or writer.batches == 1, "the writer stands, or does not come by here")
    slept = False
    if reader_first:
        go_on(reader.process)
        until(lambda: reader.asleep, "the reader sleeps, with the record or without")
        slept = not reader.has(writer.epoch, 1)
    go_on(writer.process)
    until(lambda: writer.batches == 1, "the writer is done")
    go_on(reader.process)
    for record in (1, 2):  # the second one finds what the first one left in `parked` and `wake`
        if not all(comes(lambda r=r, last=record: r.has(writer.epoch, last)) for r in (*waiting, reader)):
            return "slept_on"
        until(lambda: all(r.asleep for r in (*waiting, reader)), "all sleep again")
        writer.step()
        until(lambda last=record: stopped(writer.process) or writer.batches > last, "the next batch")
        go_on(writer.process)
    return "woken" if slept else "saw_it"


@pytest.mark.parametrize("beside", ["", "silent"], ids=["one ring", "two rings"])
@pytest.mark.parametrize("other_parked", [False, True], ids=["alone", "another asleep"])
@pytest.mark.parametrize("park", PARK)
def test_a_wake_up_is_never_lost_between_any_two_steps(
    programs: Path, tell, park: str, other_parked: bool, beside: str
) -> None:
    company = "another asleep" if other_parked else "alone"
    race = Race(
        f"reader of {1 + bool(beside)} rings at {park}, {company}, writer at each of its steps", ALLOWED, FORBIDDEN
    )
    for wake in WAKE:
        for reader_first in (True, False):
            with Rig(programs) as rig:
                race.saw(meet(rig, park, wake, reader_first=reader_first, other_parked=other_parked, beside=beside))
    tell(race.judge("saw_it", "woken"))


@pytest.mark.parametrize("point", UNWOKEN)
def test_a_publication_whose_wake_up_died_is_read_at_the_timeout_or_at_the_next_start(
    programs: Path, point: str
) -> None:
    with Rig(programs) as rig:
        patient = rig.reader("patient", policy=2, timeout_ms=LONG_MS)
        hasty = rig.reader("hasty", policy=2, timeout_ms=50)
        writer = one_by_one(rig, die=f"{point}:1:{KILL}")
        until(lambda: patient.asleep and hasty.asleep, "both sleep")
        writer.step()
        assert writer.ended().ending == "visible"
        until(lambda: hasty.has(writer.epoch, 1), "the hasty reader has it at its timeout")
        assert patient.asleep, "nobody wakes it, and its timeout is far"
        assert not patient.has(writer.epoch, 1)
        rig.writer(records=5).ended()
        rig.drain()
        assert (rig.faults(), rig.count(patient, "wait_timed_out")) == ([], 0)


def test_a_reader_killed_in_its_sleep_takes_no_wake_up_from_others(programs: Path) -> None:
    with Rig(programs) as rig:
        writer = one_by_one(rig)
        sleepers = [rig.reader(f"reader {i}", policy=2, timeout_ms=LONG_MS) for i in range(4)]
        for record in range(1, 21):
            for reader in sleepers:
                until(lambda reader=reader: reader.asleep, "all sleep")
            victim = sleepers[record % 4]
            victim.kill()
            writer.step()
            victim.start()
            for reader in sleepers:
                until(lambda reader=reader, last=record: reader.has(writer.epoch, last), f"{reader.name} has {record}")
        assert writer.ended().last == 20
        rig.drain()
        assert rig.faults() == []


def test_no_wake_up_is_lost_at_the_speed_of_the_machine(programs: Path, tell) -> None:
    # Before each batch every reader has read everything and parks, or is about to, or spins a moment before it parks.
    with Rig(programs) as rig:
        first = one_by_one(rig)
        for i in range(8):
            rig.reader(f"reader {i}", policy=2 + i % 2, timeout_ms=LONG_MS)
        rig.await_attached()
        assert first.ended().ending == "ended"
        pages = ",".join(str(reader.life.path) for reader in rig.readers)
        writer = rig.writer(records=20_000, batch=4, event=4, pages=pages)
        assert end_of(writer.process) == 0, "a reader sleeps, and the record is there"
        assert writer.ended().ending == "ended"
        rig.drain()
        assert rig.faults() == []
        tell(rig.race("8 parking readers, a batch whenever all have read the last").judge("wait_ended"))
