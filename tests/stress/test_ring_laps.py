"""A writer as fast as the machine and nine readers that it laps, also where cursors pass 2^32."""

from pathlib import Path

import pytest

from tests.stress.rig import Rig

NOBODY = 65534
RECORDS = 3_000_000
PAST_32_BITS = (1 << 32) - RECORDS // 2


def readers(rig: Rig) -> None:
    rig.reader("spins", policy=0)
    rig.reader("yields", policy=1)
    rig.reader("parks", policy=2)
    rig.reader("adapts", policy=3)
    rig.reader("borrows", policy=1, view=True)
    rig.reader("small buffer", policy=1, max=3)
    rig.reader("sleeps", policy=2, sleep_us=20_000)
    rig.reader("read-only", policy=2, uid=NOBODY)
    rig.reader("follows", policy=2, follower=True)


@pytest.mark.parametrize(("capacity", "first"), [(64, 0), (1024, 0), (64, PAST_32_BITS), (1 << 15, PAST_32_BITS)])
def test_a_lapped_reader_counts_what_it_lost_and_goes_on_with_whole_events(
    programs: Path, tell, capacity: int, first: int
) -> None:
    with Rig(programs, capacity) as rig:
        start = {"first": first} if first else {}
        assert rig.writer(records=10, **start).ended()  # so that all of them are there from the first record on
        readers(rig)
        rig.await_attached()
        ended = rig.writer(records=RECORDS, batch=32, oversize=100, drop=20, open=5, **start).ended()
        assert ended.last >= first + RECORDS
        rig.drain()
        assert rig.faults() == [], rig.stderr.read_text()
        race = rig.race(f"lapped in a ring of {capacity}, seq {first + 1:,} to {ended.last:,}")
        tell(race.judge("lapped", "batch_read", "part_of_an_event", "skip_read"))


def test_the_judge_finds_a_reader_out_that_trusts_borrowed_records_blindly(programs: Path) -> None:
    # Were records never torn or misplaced here, no test of this folder would prove anything.
    with Rig(programs, 64) as rig:
        rig.writer(records=10).ended()
        rig.reader("trusts", policy=1, view=True, trusting=True)
        rig.await_attached()
        rig.writer(records=RECORDS, batch=32).ended()
        rig.drain()
        seen = rig.race("a reader that does not ask").seen
        assert seen["torn"] + seen["misordered"] + seen["half_event"] > 0
