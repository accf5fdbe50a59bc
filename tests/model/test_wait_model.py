"""Park and wake, searched exhaustively; and with one thing broken, where the search must find a sleep without end."""

from pathlib import Path

import pytest

from tests.model import spin

ONE = ("RINGS=1", "READERS=1", "BATCHES=2")
TWO_RINGS = ("RINGS=2", "READERS=1", "BATCHES=1")
SOUND = {
    "one reader, timeouts, killed at every step": ("RINGS=1", "READERS=1", "BATCHES=3", "RESTART", "TIMEOUTS=1"),
    "two readers": ("RINGS=1", "READERS=2", "BATCHES=2"),
    "one reader of two rings": TWO_RINGS,
}
# Longer: `make soak`.
SOUND_AND_LONG = {
    "two readers, killed at every step": ("RINGS=1", "READERS=2", "BATCHES=1", "RESTART"),
    "two readers, a timeout each": ("RINGS=1", "READERS=2", "BATCHES=2", "TIMEOUTS=1"),
    "one reader of two rings, a timeout": (*TWO_RINGS, "TIMEOUTS=1"),
}
BROKEN = {
    "PARKED_BEFORE_PUBLISHING": (),  # a reader that parks in between is not woken, and sees nothing
    "NO_WRITER_FENCE": (),  # parked may be looked at before the cursor can be seen
    "NO_READER_FENCE": (),  # the cursor may be looked at before parked can be seen
    "NO_RECHECK": (),  # what was published between reading and parking is slept over
    "NO_RAISE": (),  # a wake-up between the last look and the sleep is lost
    "CLEAR_AFTER_RAISE": (),  # the 1 of a reader that saw the new wake is undone
    "RELAXED_RAISE": (),  # the same, by reordering
    "RELAXED_WAKE_READ": (),  # the same, on the reader's side
    "RELAXED_EPOCH_RAISE": ("RESTART",),  # the wake of a new epoch is seen before its hint
}
BROKEN_WITH_TWO_RINGS = ("PARKED_BEFORE_PUBLISHING", "NO_WRITER_FENCE", "NO_READER_FENCE", "NO_RECHECK")


@pytest.mark.parametrize("options", SOUND.values(), ids=SOUND)
def test_nobody_sleeps_over_what_is_published(options: tuple[str, ...], tmp_path: Path) -> None:
    spin.assert_sound("wait.pml", options, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("options", SOUND_AND_LONG.values(), ids=SOUND_AND_LONG)
def test_nobody_does_in_longer_searches(options: tuple[str, ...], tmp_path: Path) -> None:
    spin.assert_sound("wait.pml", options, tmp_path)


@pytest.mark.parametrize(("broken", "options"), BROKEN.items(), ids=BROKEN)
def test_a_lost_wake_up_is_found(broken: str, options: tuple[str, ...], tmp_path: Path) -> None:
    spin.assert_found_out("wait.pml", (*ONE, *options, broken), tmp_path, "end state")


@pytest.mark.parametrize("broken", BROKEN_WITH_TWO_RINGS)
def test_a_lost_wake_up_is_found_with_two_rings(broken: str, tmp_path: Path) -> None:
    spin.assert_found_out("wait.pml", (*TWO_RINGS, broken), tmp_path, "end state")
