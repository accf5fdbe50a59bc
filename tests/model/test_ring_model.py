"""The ring's protocol, searched exhaustively; and with one thing broken, where the search must find it (README.md)."""

from pathlib import Path

import pytest

from tests.model import spin

SOUND = {
    "two readers, two laps": ("READERS=2", "LAPS=2"),
    "two readers, two laps, a restart": ("READERS=2", "LAPS=2", "RESTART"),
    "killed at every store, and restarted": ("READERS=1", "LAPS=2", "KILL", "RESTART"),
}
# Longer: `make soak`.
SOUND_AND_LONG = {
    "two readers, killed at every store, and restarted": ("READERS=2", "LAPS=1", "KILL", "RESTART"),
    "every load and store a step of its own": ("READERS=1", "LAPS=2", "KILL", "RESTART", "FINE"),
}
BROKEN = {
    "NO_CLAIM_FENCE": (),  # the claim may be seen after the payload that it announces
    "CLAIM_BY_RELEASE_STORE": (),  # a release store does not hold back what follows it
    "NO_READ_FENCE": (),  # the claim may be looked at before the payload was copied
    "NO_READ_CHECK": (),  # what was overwritten meanwhile is handed out
    "RELAXED_PUBLISH": (),  # the cursor may be seen before the records
    "RELAXED_AVAILABLE": (),  # the records may be read before the cursor
    "PUBLISH_HALF": (),  # half an event is seen
    "NO_DRAIN_RECHECK": ("RESTART",),  # an epoch is left before all of it was read
    "RELAXED_READY": ("RESTART",),  # a header is read that is not whole
}


@pytest.mark.parametrize("options", SOUND.values(), ids=SOUND)
def test_the_protocol_is_sound(options: tuple[str, ...], tmp_path: Path) -> None:
    spin.assert_sound("ring.pml", options, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("options", SOUND_AND_LONG.values(), ids=SOUND_AND_LONG)
def test_the_protocol_is_sound_in_longer_searches(options: tuple[str, ...], tmp_path: Path) -> None:
    spin.assert_sound("ring.pml", options, tmp_path)


@pytest.mark.parametrize(("broken", "options"), BROKEN.items(), ids=BROKEN)
def test_a_broken_protocol_is_found_out(broken: str, options: tuple[str, ...], tmp_path: Path) -> None:
    found = spin.search("ring.pml", ("READERS=1", "LAPS=2", *options, broken), tmp_path)
    assert found.errors > 0, found.output[-3000:]
    assert found.violated, found.output[-3000:]
