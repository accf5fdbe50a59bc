"""Session statistics on the board: exact, over good trades alone, going on over restarts, honest about what is missing."""

import gc
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedhandler import _native
from feedhandler.board import Board
from feedhandler.counters import read_file
from feedhandler.tick import Action, Flag, Kind, Side, State
from tests.support.conflating import PARK, Bench, checkpoints, clear, level, state, trade

STATISTICS = ("open", "high", "low", "volume", "turnover", "vwap", "trades")


def shown(bench: Bench, instrument: int = 1) -> dict[str, float]:
    row = Board(bench.folder).row(instrument)
    return {name: row[name].item() for name in STATISTICS}


def model(trades: list[tuple[float, float | None]]) -> dict[str, float]:
    """Return what a session says, in exact arithmetic on the decimals that Python prints."""
    prices = [price for price, _ in trades]
    sizes = [(Fraction(Decimal(repr(price))), Fraction(Decimal(repr(size or 0.0)))) for price, size in trades]
    volume, turnover = sum(size for _, size in sizes), sum(price * size for price, size in sizes)
    return {
        "open": prices[0], "high": max(prices), "low": min(prices), "volume": float(volume), "trades": len(trades),
        "turnover": float(turnover), "vwap": float(turnover / volume) if volume else np.nan,
    }  # fmt: skip


def checkpoint(bench: Bench) -> None:
    before = checkpoints(bench)
    while checkpoints(bench) < before + 2:  # one that begins now
        bench.engine.run(PARK, 0, 0, 0)


def once(bench: Bench) -> None:
    """Apply what is in the ring, without a checkpoint of it."""
    bench.ring.publish(0)
    bench.engine.run(PARK, 0, 0, 1 << 62)


def test_sums_that_floats_get_wrong_are_right(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for _ in range(10):
        bench.event(*[trade(0.1, 0.1)] * 10)
    bench.run()
    found = shown(bench)
    assert (found["volume"], found["turnover"], found["vwap"]) == (10.0, 1.0, 0.1)
    assert sum([0.1 * 0.1] * 100) != 1.0


DECIMALS = st.integers(0, 8)
PRICES = st.builds(lambda units, decimals: float(f"{units}e-{decimals}"), st.integers(-(10**6), 10**9), DECIMALS)
SIZES = st.one_of(
    st.none(), st.builds(lambda units, decimals: float(f"{units}e-{decimals}"), st.integers(0, 10**15 - 1), DECIMALS)
)
WILD = st.floats(-1e15, 1e15, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-2)
TRADES = st.lists(st.one_of(st.tuples(PRICES, SIZES), st.tuples(WILD, WILD.map(abs))), min_size=1, max_size=30)


@settings(max_examples=100)
@given(trades=TRADES)
def test_statistics_are_those_of_exact_arithmetic(tmp_path_factory: pytest.TempPathFactory, trades: list) -> None:
    bench = Bench(tmp_path_factory.mktemp("session"))
    for price, size in trades:
        bench.event(trade(price, np.nan if size is None else size))
    bench.run()
    assert shown(bench) == pytest.approx(model(trades), rel=0, abs=0, nan_ok=True)


def unusable(**changes: Any) -> dict:
    return trade(100.0, 1.0) | changes


@pytest.mark.parametrize(
    "odd",
    [
        unusable(price=np.nan),
        unusable(price=np.inf),
        unusable(price=-np.inf),
        unusable(size=np.inf),
        unusable(size=-1.0),
        unusable(price=1e18),
        unusable(size=1e300),
        unusable(price=1e-19),
        unusable(size=5e-324),
    ],
)
def test_a_trade_that_no_sum_can_hold_is_counted_and_left_out(tmp_path: Path, odd: dict) -> None:
    bench = Bench(tmp_path)
    bench.event(odd)
    bench.event(trade(9.0, 2.0), odd, trade(7.0, 2.0))
    bench.run()
    assert shown(bench) == model([(9.0, 2.0), (7.0, 2.0)])
    row = Board(tmp_path).row(1)
    assert (row["last_price"], row["corrections"], row["gaps"]) == (7.0, 0, 0)
    assert read_file(tmp_path / "conflator.counters")["conflate_bad_trade"] == {0: 2}


def test_suspect_trades_are_in_no_statistic_and_not_the_last(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.event(trade(1000.0, 1.0, flags=Flag.SUSPECT), trade(9.0, 1.0, ref=5), trade(1e-3, 7.0, flags=Flag.SUSPECT))
    bench.run()
    assert shown(bench) == model([(9.0, 1.0)])
    row = Board(tmp_path).row(1)
    assert (row["last_price"], row["last_size"], row["last_ref"], row["last_side"]) == (9.0, 1.0, 5, Side.BID)


def test_a_snapshot_repeats_a_trade_and_does_not_count_it_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.event(clear(), level(Side.BID, 9, 1), trade(8.0, 3.0, flags=Flag.SNAPSHOT, ref=1))
    bench.run()
    row = Board(tmp_path).row(1)
    assert (row["last_price"], row["last_ref"], row["trades"]) == (8.0, 1, 0)
    assert np.isnan([row["open"], row["vwap"]]).all()
    bench.event(trade(9.0, 1.0))
    bench.event(clear(), level(Side.BID, 9, 1), trade(9.0, 1.0, flags=Flag.SNAPSHOT))
    bench.run()
    assert shown(bench) == model([(9.0, 1.0)])


@pytest.mark.parametrize("action", [Action.DELETE, Action.CHANGE])
def test_what_the_venue_takes_back_is_counted_not_guessed(tmp_path: Path, action: Action) -> None:
    bench = Bench(tmp_path)
    bench.event(trade(9.0, 1.0, action=Action.NEW, ref=5), trade(12.0, 1.0, ref=6))
    bench.event(trade(np.nan, np.nan, action=action, ref=6))
    bench.run()
    assert shown(bench) == model([(9.0, 1.0), (12.0, 1.0)])
    row = Board(tmp_path).row(1)
    assert (row["corrections"], row["last_price"]) == (1, 12.0)


def test_the_row_says_since_when_and_when_its_state_changed_and_when_it_was_heard_of(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.event(clear() | {"ts_recv": 70}, level(Side.BID, 9, 1) | {"ts_recv": 75})
    bench.event(level(Side.BID, 8, 1) | {"ts_recv": 90})
    bench.run()
    row = Board(tmp_path).row(1)
    assert (row["ts_session"], row["ts_state"], row["ts_record"], row["ts_recv"]) == (70, 75, 90, 75)
    bench.event(state(State.STALE) | {"ts_recv": 95})
    bench.run()
    row = Board(tmp_path).row(1)
    assert (row["ts_session"], row["ts_state"], row["ts_record"], row["state"]) == (70, 95, 90, State.STALE)
    bench.event(state(State.STALE) | {"ts_recv": 99})
    bench.run()
    assert Board(tmp_path).row(1)["ts_state"] == 95, "it was stale before"


def test_times_at_which_trades_may_have_been_missed_are_counted_from_the_session_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path, capacity=64)

    def gaps() -> list[int]:
        bench.run()
        return [int(Board(tmp_path).row(i)["gaps"]) for i in (1, 2)]

    bench.event(state(State.DISCONNECTED))
    bench.event(clear(), level(Side.BID, 9, 1))
    bench.event(clear(2), level(Side.BID, 9, 1, instrument=2))
    assert gaps() == [0, 0]
    bench.event(state(State.STALE))
    bench.event(state(State.RECOVERING))
    bench.event(state(State.SYNCED))
    assert gaps() == [0, 0], "late is not lost, and what is resent neither"
    bench.event(state(State.DISCONNECTED))
    bench.event(state(State.DISCONNECTED))
    assert gaps() == [1, 1], "one outage"
    bench.event(state(State.UNKNOWN_INTERVAL))
    assert gaps() == [2, 2]
    bench.event(state(State.BAD_BOOK) | {"instrument": 2})
    bench.event(state(State.BAD_BOOK) | {"instrument": 2})
    assert gaps() == [2, 4]
    for lap in (1, 2):
        for price in range(100):
            bench.event(level(Side.BID, 10 + price, 1))
        assert gaps() == [2 + lap, 4 + lap]


def test_statistics_go_on_after_a_restart(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    before = [(9.1, 0.3), (9.7, 1.1)]
    bench.event(clear(), level(Side.BID, 9, 1) | {"ts_recv": 5}, *[trade(*each) for each in before])
    bench.event(state(State.BAD_BOOK) | {"instrument": 1, "ts_recv": 6})
    bench.run()
    checkpoint(bench)
    between = [(8.3, 0.7)]  # after the checkpoint, before the end
    bench.event(*[trade(*each) for each in between])
    once(bench)
    begin = int(Board(tmp_path).row(1)["ts_session"])
    bench.restart()
    row = Board(tmp_path).row(1)
    assert (row["trades"], row["bid"], row["flags"], row["gaps"]) == (2, 9.0, Flag.MAYBE_BAD_BOOK, 1), "from the first"
    assert (row["ts_session"], row["ts_state"], row["ts_record"]) == (begin, 6, 6)
    after = [(9.9, 0.2)]
    bench.event(*[trade(*each) for each in after])
    bench.run()
    assert shown(bench) == model(before + between + after)
    bench.restart()
    bench.run()
    assert shown(bench) == model(before + between + after)


def test_statistics_outlive_their_ring_and_say_that_trades_may_be_missing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.event(clear(), level(Side.BID, 9, 1), trade(9.0, 1.0))
    bench.run()
    checkpoint(bench)
    bench.event(trade(10.0, 1.0))
    once(bench)
    (tmp_path / f"h.{bench.ring.epoch}").unlink()
    del bench.engine
    bench.ring = None
    gc.collect()
    bench.ring = _native.RingWriter(str(tmp_path), str(tmp_path), "h", 4096)
    bench.start()
    assert bench.engine.resumed == 0
    bench.event(trade(8.0, 2.0))
    bench.run()
    row = Board(tmp_path).row(1)
    assert shown(bench) == model([(9.0, 1.0), (8.0, 2.0)])
    assert (row["gaps"], row["bid_levels"]) == (1, 0)


def test_no_trade_is_counted_twice_where_a_checkpoint_gave_no_book(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.event(clear(), level(Side.BID, 9, 1), trade(9.0, 1.0))
    bench.run()
    checkpoint(bench)
    path = tmp_path / "conflator.books"
    data = bytearray(path.read_bytes())
    data[96:104] = (1 << 60).to_bytes(8, "little")  # a position that the ring never had: it is read from its beginning
    path.write_bytes(data)
    bench.restart()
    assert bench.engine.resumed == 0
    bench.run()
    assert shown(bench) == model([(9.0, 1.0)])
    assert bench.engine.book(1) == ([(9.0, 1.0)], [])


def test_instruments_beyond_the_board_are_counted(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for number in range(20):
        bench.directory.add(type(bench.directory.get(1))(source=1, venue_symbol=f"X{number}", symbol=f"X{number}/USD"))
    for instrument in (1, 16, 17, 18):
        bench.event(clear(instrument), level(Side.BID, 9, 1, instrument=instrument))
    bench.run()
    assert Board(tmp_path).rows()["instrument"].tolist() == [1, 16]
    assert read_file(tmp_path / "conflator.counters")["conflate_no_row"] == {0: 2}


def test_kinds_that_are_no_trades_leave_the_session_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.event(trade(9.0, 1.0), {"kind": Kind.INDEX, "instrument": 1, "price": 1e6, "size": 5.0})
    bench.run()
    assert shown(bench) == model([(9.0, 1.0)])
