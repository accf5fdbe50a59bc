"""The board's rows and change log, searched exhaustively; and with one thing broken, where the search must find it."""

from pathlib import Path

import pytest

from tests.model import spin

SOUND = {
    "six changes": ("CHANGES=6",),
    "killed at every store": ("CHANGES=5", "KILL"),
    "every load a step of its own": ("CHANGES=3", "KILL", "FINE"),
}
# Longer: `make soak`.
SOUND_AND_LONG = {
    "seven changes, killed at every store": ("CHANGES=7", "KILL"),
    "five changes, every load a step of its own": ("CHANGES=5", "FINE"),
}
BROKEN = {
    "NO_STORE_FENCE": "whole",  # the payload may be seen before the odd version
    "NO_READ_FENCE": "whole",  # the version may be looked at again before the payload was copied
    "NO_RECHECK": "whole",  # what was written meanwhile is handed out
    "NO_ODD_TEST": "whole",  # a row is read that its writer is inside of
    "RELAXED_OPEN": "whole",  # the payload may be read before the version
    "RELAXED_CLOSE": "whole",  # the even version may be seen before the payload
    "RELAXED_CURSOR": "none_missing",  # the cursor may be seen before the id
    "RELAXED_CURSOR_READ": "none_missing",  # the id may be read before the cursor
    "NO_LOG_FENCE": "none_missing",  # the cursor may be looked at again before the ids were read
    "NO_LOG_RECHECK": "none_missing",  # ids that were overwritten meanwhile are handed out
    "LOG_RECHECK_LATE": "none_missing",  # so is one: the slot of the change that is being written
    "LOG_BEFORE_THE_ROW": "none_missing",  # an id that is not behind its row's fence does not show the cursor
    "CURSOR_BEFORE_THE_ROW": "fresh",  # who was told of a change reads the row before it
}


@pytest.mark.parametrize("options", SOUND.values(), ids=SOUND)
def test_rows_are_whole_and_no_change_is_missed(options: tuple[str, ...], tmp_path: Path) -> None:
    spin.assert_sound("board.pml", options, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("options", SOUND_AND_LONG.values(), ids=SOUND_AND_LONG)
def test_they_are_in_longer_searches(options: tuple[str, ...], tmp_path: Path) -> None:
    spin.assert_sound("board.pml", options, tmp_path)


@pytest.mark.parametrize(("broken", "violated"), BROKEN.items(), ids=BROKEN)
def test_a_broken_board_is_found_out(broken: str, violated: str, tmp_path: Path) -> None:
    spin.assert_found_out("board.pml", ("CHANGES=6", "MAY_NAME_MORE", broken), tmp_path, violated)
