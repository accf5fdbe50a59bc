"""Random kills for a long time: twenty seconds in `make test`, ten minutes in `make soak`."""

from pathlib import Path

import pytest

from tests.stress.ring_soak import Every, soak
from tests.support.soak import soak_seconds

RATE = 800_000  # what the writer tries for; with its restarts, and on a busy machine, it comes to less
RATE_MIN = 500_000


def test_twenty_seconds_of_random_kills(programs: Path, tell) -> None:
    seen = soak(programs, 20.0, RATE, Every(0.02, 0.5), Every(0.01, 0.2), seed=20261121)
    tell(f"{seen.table}\n{seen.outcomes}")
    assert min(seen.lapped, seen.writer_kills, seen.reader_kills) > 10


@pytest.mark.soak
def test_ring_soak(programs: Path, tell, capsys: pytest.CaptureFixture[str]) -> None:
    def now(text: str) -> None:
        with capsys.disabled():
            print(text, flush=True)

    seen = soak(programs, soak_seconds(), RATE, Every(0.2, 3.0), Every(0.05, 1.0), seed=1, tell=now)
    tell(f"{seen.table}\n{seen.outcomes}")
    assert seen.rate >= RATE_MIN, seen.table
