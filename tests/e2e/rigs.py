"""What tests that drive a Rig by hand share."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from feedhandler.demo import judge
from feedhandler.demo.rig import Rig, RigOptions

LIMIT_S = 30.0


@contextmanager
def running(folder: Path, **options: object) -> Iterator[Rig]:
    """A rig whose flow runs, without an end."""
    with Rig(RigOptions(folder=folder / f"r{os.getpid()}", seconds=0, **options)) as rig:
        until(rig, lambda: rig.venue("status")["flow"] == "running", "the flow to run")
        until(rig, lambda: rig.tally.ticks > 0, "ticks in the ring")
        yield rig


def until(rig: Rig, condition: Callable[[], object], what: str) -> None:
    """Poll the rig until something is so; AssertionError naming it when the limit passes."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {LIMIT_S} s: {what}"
        rig.poll(0.05)


def books_differing_at_rest(rig: Rig) -> list[str]:
    """Stop the flow, wait until all stages have it, and compare the board's books with the venue's."""
    rig.venue("pause")
    assert rig.settle(LIMIT_S), "stages did not drain"
    rig.poll(0.3)  # the conflator's board follows its ring within a duty cycle
    books, depth = judge.board_books(rig.shm_dir, rig.folder / "state")
    return judge.differing(books, judge.venue_books(rig.venue("books")), depth)
