"""The order-flow model's stated character, measured again by a plain Python book, on other seeds and sizes."""

import json
from collections import Counter

import numpy as np
import pytest

from feedhandler import _native, sim
from feedhandler.sim.market import model_market
from feedhandler.sim.script import CHANGE, DELETE, ENTRY, EVENT, NEW, SNAPSHOT, TRADE


def options(**values):
    native = _native.SimModelOptions()
    for name, value in {"seed": 1, "rate": 20_000.0, **values}.items():
        setattr(native, name, value)
    return native


def symbols(count: int, seed: int = 1):
    return [(one.base_ticks, one.tick, one.lot) for one in model_market(count, seed)]


def arrays(pair):
    return np.frombuffer(pair[0], EVENT), np.frombuffer(pair[1], ENTRY)


def flow(count: int, events: int, **values):
    """(event, its entries) of the opening books and of that many events."""
    model = _native.SimModel(options(**values), symbols(count))
    for pair in (model.opening(), model.generate(events)):
        heads, entries = arrays(pair)
        for head in heads:
            yield head, entries[int(head["first"]) : int(head["first"]) + int(head["count"])]


class PlainBook:
    """Price to size, or id to (price, size), a side."""

    def __init__(self, by_id: bool) -> None:
        self.by_id = by_id
        self.sides = ({}, {})

    def apply(self, entry) -> None:
        side = self.sides[entry["type"]]
        price, size = int(entry["price"]), int(entry["size"])
        key = int(entry["id"]) if self.by_id else price
        assert (key in side) == (entry["action"] != NEW)
        if entry["action"] == DELETE:
            assert size == 0
            del side[key]
            return
        assert size > 0
        assert price > 0
        if not self.by_id:
            assert entry["id"] == 0
        side[key] = (price, size)

    def best(self, side: int):
        prices = [price for price, _ in self.sides[side].values()]
        best = max(prices) if side == 0 else min(prices)
        return best, sum(size for price, size in self.sides[side].values() if price == best)


@pytest.mark.parametrize(
    ("count", "seed", "by_id", "levels"),
    [(60, 11, False, 10), (60, 12, True, 10), (1, 13, False, 20), (7, 14, True, 3), (300, 15, False, 5)],
)
def test_the_flow_fits_a_plain_book_and_never_crosses(count, seed, by_id, levels):
    specs = symbols(count)
    books = [PlainBook(by_id) for _ in specs]
    seen = Counter()
    spreads = Counter()
    last_trade = 0
    for head, entries in flow(count, 12_000, seed=seed, by_id=by_id, levels=levels):
        index = int(head["instrument"])
        book, (_, tick, lot) = books[index], specs[index]
        before = None if head["kind"] == SNAPSHOT else (book.best(0), book.best(1))
        for place, entry in enumerate(entries):
            assert entry["price"] % tick == 0
            assert entry["size"] % lot == 0
            if entry["type"] == TRADE:
                side = 1 if entry["aggressor"] == 1 else 0
                price, size = book.best(side)
                assert entry["price"] == price
                assert 0 < entry["size"] <= size
                assert entry["id"] == last_trade + 1
                last_trade = int(entry["id"])
                assert entries[place + 1]["price"] == price  # the level pays for it in the same event
                assert entries[place + 1]["action"] in (CHANGE, DELETE)
                continue
            book.apply(entry)
        assert book.best(0)[0] < book.best(1)[0]
        if before is not None:
            seen["events"] += 1
            seen["entries"] += len(entries)
            seen["deletes"] += int((entries["action"] == DELETE).sum())
            seen["trades"] += int((entries["type"] == TRADE).sum())
            seen["bbo"] += before != (book.best(0), book.best(1))
            spreads[(book.best(1)[0] - book.best(0)[0]) // tick] += 1
    assert 8.0 < seen["deletes"] / seen["trades"] < 12.0
    assert 3.8 < seen["entries"] / seen["events"] < 4.5
    assert 0.25 < seen["bbo"] / seen["events"] < 0.5
    total = seen["events"]
    assert 0.38 < spreads[1] / total < 0.56
    assert 0.18 < spreads[2] / total < 0.34
    assert 0.07 < spreads[3] / total < 0.19
    assert sum(n for ticks, n in spreads.items() if ticks >= 5) / total < 0.2


@pytest.mark.parametrize(("count", "seed"), [(100, 3), (400, 4), (1000, 5)])
def test_the_busiest_five_percent_carry_half(count, seed):
    totals = Counter()
    for head, entries in flow(count, 150_000, seed=seed, rate=100_000.0):
        if head["kind"] != SNAPSHOT:
            totals[int(head["instrument"])] += len(entries)
    busiest = sum(n for _, n in totals.most_common(count // 20))
    assert 0.45 < busiest / sum(totals.values()) < 0.55


@pytest.mark.parametrize(("count", "seed", "rate"), [(1, 21, 20_000.0), (50, 22, 20_000.0), (500, 23, 100_000.0)])
def test_each_burst_is_tenfold_lasts_a_second_and_the_rate_holds(count, seed, rate):
    found = _native.sim_measure(options(seed=seed, rate=rate), symbols(count), 40.0)
    assert found["bursts"] == 4
    assert 9.0 < found["burst_factor"] < 11.0
    assert abs(found["entries"] / found["seconds"] / rate - 1) < 0.02
    assert found["crossed"] == found["misfits"] == 0


def test_a_burst_is_seen_without_being_told_where_it_is():
    model = _native.SimModel(options(seed=31, rate=50_000.0), symbols(200))
    model.opening()
    heads, _ = arrays(model.generate(125_000))
    seconds = heads["offset_ns"] // 1_000_000_000
    table = np.zeros((200, int(seconds.max()) + 2))
    np.add.at(table, (heads["instrument"], seconds), heads["count"])
    table = table[:, :10]  # one period: one burst, on a group of two
    usual = np.median(table, axis=1)
    peaks = (table[:, :-1] + table[:, 1:]).max(axis=1)  # the burst may straddle two of our seconds
    bursting = [i for i in range(200) if usual[i] > 20 and peaks[i] > 6 * usual[i]]
    assert 1 <= len(bursting) <= 2
    for index in bursting:
        assert 7.0 < (peaks[index] - usual[index]) / usual[index] < 13.0
    assert table.sum(axis=0).max() < 1.5 * 50_000


def test_no_bursts_when_told_so():
    found = _native.sim_measure(options(burst_period_ns=0), symbols(20), 20.0)
    assert found["bursts"] == 0
    assert abs(found["entries"] / found["seconds"] / 20_000.0 - 1) < 0.02


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not():
    def made(seed: int, step: int):
        model = _native.SimModel(options(seed=seed), symbols(30))
        pieces = [model.opening(), *(model.generate(step) for _ in range(3000 // step))]
        entries = b"".join(piece[1] for piece in pieces)
        times = b"".join(arrays(piece)[0]["offset_ns"].tobytes() for piece in pieces)
        return entries, times

    assert made(5, 1000) == made(5, 100)
    assert made(5, 1000) != made(6, 1000)


@pytest.mark.parametrize(
    "values", [{"rate": 0.0}, {"levels": 2}, {"levels": 201}, {"burst_period_ns": 999_999_999}, {"rate": float("nan")}]
)
def test_bad_options_are_refused(values):
    with pytest.raises(ValueError, match="model"):
        _native.SimModel(options(**values), symbols(3))


@pytest.mark.parametrize("bad", [[], [(999, 1, 1)], [(5000, 0, 1)], [(5000, 1, 0)]])
def test_bad_symbols_are_refused(bad):
    with pytest.raises(ValueError, match="model"):
        _native.SimModel(options(), bad)


def test_describe_prints_what_it_measured(capsys):
    arguments = ["--describe", "--instruments", "100", "--rate", "20000", "--seconds", "20"]
    assert sim.main(arguments) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["instruments"] == 100
    assert report["crossed"] == report["misfits"] == 0
    assert 0.45 < report["busiest_5_percent_share"] < 0.55
    assert 8 < report["cancel_to_trade"] < 12
    assert abs(sum(report["spread_ticks"].values()) - 1) < 0.01
    assert sim.main([*arguments, "--seed", "2"]) == 0
    assert json.loads(capsys.readouterr().out) != report
