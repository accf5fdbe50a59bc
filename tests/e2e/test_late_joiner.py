"""Somebody who joins in the middle of the flow has, in the end, what everybody has."""

from pathlib import Path

from feedhandler.client import GapEvent, Subscriber, Update
from feedhandler.demo import judge
from tests.e2e.rigs import books_differing_at_rest, running, until

INSTRUMENTS = 100
DEPTH = 10


def test_a_late_subscriber_has_the_venues_books_in_the_end(tmp_path: Path) -> None:
    with running(tmp_path, rate=20_000, instruments=INSTRUMENTS, keying="id") as rig:
        until(rig, lambda: rig.tally.ticks > 20_000, "a flow under way")
        endpoints = (f"ipc://{rig.run_dir / name}" for name in ("publish.ipc", "snapshot.ipc"))
        with Subscriber(*endpoints, ["book|"], books=True) as late:
            events: list = []
            joined = rig.tally.ticks

            def took_part() -> bool:
                events.extend(late.poll())
                return late.synced and rig.tally.ticks > joined + 30_000

            until(rig, took_part, "the late one to follow the flow")
            assert books_differing_at_rest(rig) == []
            truth = judge.venue_books(rig.venue("books"))
            symbols = {venue: symbol for symbol, venue in names(rig.folder / "instruments.csv")}

            def the_same() -> bool:
                events.extend(late.poll())
                mine = {topic.symbol: book for topic, book in late.books.items()}
                held = {
                    venue: (pairs(mine[symbols[venue]].bids()), pairs(mine[symbols[venue]].asks()))
                    for venue in truth
                    if symbols[venue] in mine
                }
                return judge.differing(held, truth, DEPTH) == []

            until(rig, the_same, "the late one's books to be the venue's")
            assert len(late.books) == INSTRUMENTS
            assert not any(isinstance(event, GapEvent) for event in events)
            assert sum(isinstance(event, Update) and not event.snapshot for event in events) > 1000


def names(csv: Path) -> list[tuple[str, str]]:
    """(symbol, venue symbol) of an instruments file."""
    rows = [line.split(",") for line in csv.read_text().splitlines()[1:]]
    return [(row[1], row[0]) for row in rows]


def pairs(levels: list) -> list[list[float]]:
    return [list(level) for level in levels]
