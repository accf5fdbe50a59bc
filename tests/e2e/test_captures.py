"""Real market data through FIX, ring and conflator, judged event by event by a plain Python book.

The venue and the handler are real processes and the ring is theirs. The native conflator reads it twice: as it
lies, for the books at the end, and handed on one event at a time, for what it publishes after each of them.
"""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import pytest

from feedhandler import _native
from feedhandler.counters import Counters, read_file
from feedhandler.instruments import Directory
from feedhandler.ring import Attach, Reader
from feedhandler.tick import TICK, TICK_KINDS, Flag, Kind
from tests.support.plain_capture import Best, Plain
from tests.support.venue_and_handler import VenueAndHandler

CAPACITY = 1 << 21
BBO = 0
NEVER_NS = 1 << 60
PARK = _native.WaitPolicy.PARK
CAPTURES = {  # compared at shared update ids, levels at the end, depth updates, trades (../shared/captures/README.md)
    "usdm": (629, 5018, 4578, 6547, 21313),
    "spot": (564, 1209, 2196, 3449, 9757),
}


class Passed(NamedTuple):
    """What came through: the ring's records, the conflator's books from it, the venue's counts."""

    name: str
    plain: Plain
    records: np.ndarray
    directory: Path
    levels: tuple[list, list]
    engine_counts: dict
    venue: dict
    handler: dict


def conflator(shm_dir: Path, directory: Path, ring: str) -> tuple[_native.Conflator, Counters]:
    counters = Counters(str(shm_dir), "judge")
    arguments = (str(shm_dir), str(shm_dir), str(directory), [ring], [["venue"]], 10, 1024, 16)
    return _native.Conflator(*arguments, counters.native), counters


@pytest.fixture(scope="module", params=CAPTURES)
def passed(
    request: pytest.FixtureRequest, captures: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Passed]:
    """One capture, sent flat out by the venue, received by the handler, read from its ring."""
    file = captures / "binance" / f"{request.param}-btcusdt-20240808.jsonl.gz"
    folder = tmp_path_factory.mktemp(request.param)
    with VenueAndHandler(folder, ["--capture", str(file), "--speed", "flat"], CAPACITY) as path:
        path.until(lambda: path.venue("status")["flow"] == "done", "end of the capture")
        sent = path.venue("status")["ticks_sent"]
        path.until(lambda: path.handler("status")["sources"]["venue"]["counts"]["ticks"] >= sent, "all in the ring")
        reader = Reader(path.shm_dir, "handler1", from_oldest=True, max_records=1 << 16)
        assert reader.attach() == Attach.OK
        parts = []
        while len((batch := reader.read()).records):
            assert batch.lost == 0
            parts.append(batch.records.copy())
        directory = path.folder / "state" / "instruments.dir"
        engine, counters = conflator(path.shm_dir, directory, "handler1")
        while engine.run(PARK, 0, 0, NEVER_NS):
            engine.take()
        levels = engine.book(1)
        counts = read_file(path.shm_dir / "judge.counters")
        del engine, counters
        yield Passed(
            request.param, Plain(file), np.concatenate(parts), directory, levels, counts,
            path.venue("status"), path.handler("status"),
        )  # fmt: skip


def best_after_every_event(passed: Passed, folder: Path) -> Iterator[tuple[np.ndarray, Best, int]]:
    """Hand the handler's records on one event at a time; yield each with the best prices last published, and flags."""
    writer = _native.RingWriter(str(folder), str(folder), "replay", 1 << 14)
    engine, _counters = conflator(folder, passed.directory, "replay")
    engine.enable(BBO, True)
    ends = np.flatnonzero(passed.records["flags"] & Flag.LAST) + 1
    published, flags = Best(*[np.nan] * 4), 0
    for event in np.split(passed.records, ends[:-1]):
        writer.append(event.view(np.uint8))
        writer.heartbeat(_native.monotonic_ns())
        writer.publish(0)
        applied = 0
        while applied < len(event):
            applied += engine.run(PARK, 1_000_000, 0, NEVER_NS)
            frames = engine.take()
            for topic, payload in zip(frames[::3], frames[1::3], strict=True):
                if topic.startswith(b"bbo|"):
                    message = msgspec.msgpack.decode(payload)
                    published, flags = Best(*message[8:12]), message[12]
        assert applied == len(event)
        yield event, published, flags
    assert engine.book(1) == passed.levels
    del engine, writer
    gc.collect()


def test_every_tick_of_the_venue_is_in_the_ring_once(passed: Passed) -> None:
    ticks = passed.records[np.isin(passed.records["kind"], TICK_KINDS)]
    assert len(ticks) == passed.venue["ticks_sent"]
    assert passed.records["seq"].tolist() == list(range(1, len(passed.records) + 1))
    assert {name: passed.venue[name] for name in ("ticks_resent", "ticks_skipped", "ticks_cut", "misfits")} == {
        "ticks_resent": 0, "ticks_skipped": 0, "ticks_cut": 0, "misfits": 0,
    }  # fmt: skip
    assert not (ticks["flags"] & (Flag.RECOVERED | Flag.SUSPECT | Flag.MAYBE_BAD_BOOK | Flag.GAP)).any()


def test_best_prices_are_the_venues_at_every_update_id_it_shares(passed: Passed, tmp_path: Path) -> None:
    compared = {}
    events = 0
    for event, best, flags in best_after_every_event(passed, tmp_path):
        events += 1
        of_book = event[event["kind"] == Kind.LEVEL]
        if not len(of_book):
            continue
        (update_id,) = set(of_book["ref"].tolist())
        if update_id in passed.plain.best:
            assert not flags & Flag.MAYBE_BAD_BOOK
            compared[update_id] = best
    updates, trades = CAPTURES[passed.name][3:]
    assert events > trades + updates / 2
    differing = {u: best for u, best in compared.items() if best != passed.plain.ticker[u]}
    assert differing == {}
    assert {u: best for u, best in compared.items() if best != passed.plain.best[u]} == {}
    assert compared.keys() == passed.plain.best.keys()
    assert len(compared) >= CAPTURES[passed.name][0]


def test_every_level_at_the_end_is_the_plain_books(passed: Passed) -> None:
    assert tuple(map(len, passed.levels)) == CAPTURES[passed.name][1:3]
    assert tuple(map(list, passed.levels)) == passed.plain.levels()
    clean = ("conflate_unknown_delete", "conflate_bad_level", "conflate_lapped", "conflate_suspect")
    assert {name: passed.engine_counts.get(name, {0: 0}) for name in clean} == {name: {0: 0} for name in clean}
    assert passed.engine_counts["conflate_ticks"] == {0: passed.venue["ticks_sent"]}


def test_trades_are_the_captures_market_trades(passed: Passed) -> None:
    trades = passed.records[passed.records["kind"] == Kind.TRADE]
    assert len(trades) == CAPTURES[passed.name][4]
    columns = (trades[name].tolist() for name in ("price", "size", "side", "ref"))
    assert list(zip(*columns, strict=True)) == passed.plain.trades


def test_the_rings_records_alone_give_the_plain_book(passed: Passed) -> None:
    """The ring itself, without the conflator: its LEVEL records applied by two dicts."""
    sides: tuple[dict, dict] = ({}, {})
    for kind, side, price, size in passed.records[["kind", "side", "price", "size"]].tolist():
        if kind == Kind.BOOK_CLEAR:
            sides[0].clear()
            sides[1].clear()
        elif kind == Kind.LEVEL:
            sides[side - 1].pop(price, None)
            if size:
                sides[side - 1][price] = size
    assert (sorted(sides[0].items(), reverse=True), sorted(sides[1].items())) == passed.plain.levels()


def test_the_directory_names_the_captures_instrument(passed: Passed) -> None:
    (entry,) = Directory(passed.directory).all()
    assert (entry.id, entry.venue_symbol) == (1, "BTCUSDT")
    assert entry.symbol == ("BTC/USDT:USDT" if passed.name == "usdm" else "BTC/USDT")
    assert passed.records.dtype == TICK
