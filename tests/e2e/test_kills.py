"""kill -9 of each of the four processes in turn, under load: what is lost, where, and when all is right again."""

from pathlib import Path

import numpy as np
import pytest

from feedhandler.record.journal import open_journal
from feedhandler.record.parquet_read import read_table
from feedhandler.tick import TICK_KINDS, Flag
from tests.support.demo_run import demo, work

KILLED = ("handler1", "conflator", "bridge", "recorder")
RATE = 20_000
INSTRUMENTS = 300
SECONDS = 15


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """One run in which each process is killed once; its folder and report."""
    folder = tmp_path_factory.mktemp("kills")
    kills = [option for i, name in enumerate(KILLED) for option in ("--kill", f"{name}@{1 + 3.5 * i}")]
    flow = ["--rate", str(RATE), "--instruments", str(INSTRUMENTS), "--seconds", str(SECONDS)]
    return work(folder), demo(folder, *flow, *kills)


@pytest.fixture(scope="module")
def journal(ran: tuple[Path, dict]) -> dict[int, np.ndarray]:
    """The handler's records as journaled, by epoch."""
    found: dict[int, list] = {}
    for block in open_journal(ran[0] / "journal").blocks("handler1"):
        assert block.gap is None, f"{block.gap}: {block.first} to {block.last}"
        found.setdefault(block.epoch, []).append(np.array(block.records))
    return {epoch: np.concatenate(parts) for epoch, parts in found.items()}


@pytest.mark.parametrize("name", KILLED)
def test_two_seconds_after_the_restart_every_best_price_is_the_venues(ran: tuple[Path, dict], name: str) -> None:
    (kill,) = (kill for kill in ran[1]["kills"] if kill["process"] == name)
    assert kill["checked_after_2s"] == INSTRUMENTS
    assert kill["differing_after_2s"] == 0
    assert ran[1]["restarts"][name] == 1


def test_a_recorder_that_dies_delays_nobody_else(ran: tuple[Path, dict]) -> None:
    (kill,) = (kill for kill in ran[1]["kills"] if kill["process"] == "recorder")
    assert kill["venue"] | {"sent": 0} == {"sent": 0, "resent": 0, "skipped": 0, "cut": 0, "unsent": 0}


def test_nothing_upstream_of_the_killed_process_notices(ran: tuple[Path, dict]) -> None:
    """Only the handler has a connection to the venue: only its death leaves ticks unsent, or has them sent again."""
    for kill in ran[1]["kills"]:
        faults = sum(kill["venue"][name] for name in ("resent", "skipped", "cut", "unsent"))
        assert (faults > 0) == (kill["process"] == "handler1")


def test_every_tick_the_venue_wrote_is_at_every_stage_once(ran: tuple[Path, dict]) -> None:
    report = ran[1]
    venue = report["venue"]
    written = report["ticks_sent"] + venue["cut"] + venue["skipped"]
    counted = ("ticks_expected", "ticks_in_ring", "ticks_journaled", "ticks_in_parquet")
    assert {name: report[name] for name in counted} == dict.fromkeys(counted, written)
    assert report["instruments_miscounted"] == 0
    assert {report["lost"][stage] for stage in ("wire", "ring", "conflator", "journal", "parquet")} == {0}
    assert report["books_differing"] == 0
    assert venue["unsent"] > 0, "the flow went on while nobody was subscribed"


def test_what_the_venue_sent_again_is_flagged_in_the_ring(ran: tuple[Path, dict], journal: dict) -> None:
    records = np.concatenate(list(journal.values()))
    ticks = records[np.isin(records["kind"], TICK_KINDS)]
    recovered = np.count_nonzero(ticks["flags"] & Flag.RECOVERED)
    assert recovered == ran[1]["venue"]["resent"] > 0


def test_the_journal_is_dense(journal: dict) -> None:
    first, second = sorted(journal)
    assert second > first
    for records in journal.values():
        assert np.array_equal(records["seq"], np.arange(1, len(records) + 1))


def test_parquet_has_every_journaled_record_once(ran: tuple[Path, dict], journal: dict) -> None:
    table = read_table(ran[0] / "parquet", columns=["ring", "epoch", "seq"])
    mine = np.asarray(table["ring"].cast("string")) == "handler1"
    rows = zip(np.asarray(table["epoch"])[mine].tolist(), np.asarray(table["seq"])[mine].tolist(), strict=True)
    expected = [(epoch, seq) for epoch, records in sorted(journal.items()) for seq in records["seq"].tolist()]
    assert sorted(rows) == expected
