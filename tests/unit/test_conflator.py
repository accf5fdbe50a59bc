"""The conflation engine on real rings, against a plain Python model."""

import gc
from pathlib import Path

import msgspec
import numpy as np
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from feedhandler import _native, zmq_native
from feedhandler.board import Board
from feedhandler.counters import Counter, read_file
from feedhandler.instruments import Instrument
from feedhandler.tick import TICK, Flag, Kind, Side, State
from tests.support.conflating import (
    BBO,
    BOOK,
    DEPTH,
    PARK,
    STATE,
    TICKS,
    TRADE,
    Bench,
    bodies,
    checkpoints,
    clear,
    level,
    messages,
    state,
    trade,
)


def test_a_bbo_is_the_book_after_an_event_and_seq_is_dense(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.enable(BBO)
    bench.event(level(Side.BID, 9, 1, ts=5), level(Side.ASK, 11, 2, ts=5))
    assert bench.run() == [("bbo|A/USD|venue", [1, 1, 5, 0, pytest.approx(0, abs=1 << 62), "h", bench.ring.epoch, 2, 9.0, 1.0, 11.0, 2.0, 0, 5])]  # fmt: skip
    bench.event(level(Side.BID, 8, 1))
    assert bench.run() == [], "a level below the best is no bbo"
    bench.event(level(Side.BID, 9, 0), level(Side.BID, 9, 1))
    assert bench.run() == [], "what an event deletes and sets again did not change"
    bench.event(level(Side.BID, 9, 0, ts=7))
    ((topic, payload),) = bench.run()
    assert (topic, payload[1], payload[8:]) == ("bbo|A/USD|venue", 2, [8.0, 1.0, 11.0, 2.0, 0, 7])


def test_several_changes_between_flushes_are_one_bbo_with_the_oldest_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.enable(BBO)
    for ts in (10, 20, 30):
        bench.event(level(Side.BID, 9, ts, ts=ts))
    assert bodies(bench.run(), "bbo") == [[9.0, 30.0, None, None, 0, 10]]
    assert read_file(tmp_path / "conflator.counters")["publish_conflated"] == {0: 2}


def test_a_pending_bbo_leaves_before_the_next_trade(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.enable(BBO, TRADE)
    bench.event(level(Side.ASK, 11, 2))
    bench.event(trade(11, 1.5, ref=77), level(Side.ASK, 11, 0.5))
    found = bench.run()
    assert [topic for topic, _ in found] == ["bbo|A/USD|venue", "trade|A/USD|venue", "bbo|A/USD|venue"]
    assert bodies(found, "bbo") == [[None, None, 11.0, 2.0, 0, 0], [None, None, 11.0, 0.5, 0, 0]]
    assert bodies(found, "trade") == [[11.0, 1.5, 1, 77, 0]]


def test_book_changes_lead_from_window_to_window(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.enable(BOOK)
    bench.event(*[level(Side.BID, price, 1) for price in (5, 4, 3, 2)])
    assert bodies(bench.run(), "book") == [[1, [[5.0, 1.0], [4.0, 1.0], [3.0, 1.0]], [], 0]]
    bench.event(level(Side.BID, 1, 1))
    assert bench.run() == [], "below the window"
    bench.event(level(Side.BID, 4, 0))
    assert bodies(bench.run(), "book") == [[1, [[4.0, 0.0], [2.0, 1.0]], [], 0]]
    bench.event(level(Side.BID, 6, 2))
    assert bodies(bench.run(), "book") == [[1, [[6.0, 2.0], [2.0, 0.0]], [], 0]]
    bench.engine.snapshot("book|A")
    assert bodies(messages(bench.engine.take()), "book") == [[0, [[6.0, 2.0], [5.0, 1.0], [3.0, 1.0]], [], 0]]


def test_a_channel_nobody_wants_is_not_encoded_and_a_late_joiner_misses_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.event(level(Side.BID, 9, 1))
    assert bench.run() == []
    bench.engine.snapshot("bbo|")
    ((_, snapshot), *_) = messages(bench.engine.take())
    assert (snapshot[1], snapshot[8]) == (1, 9.0)
    bench.event(level(Side.BID, 10, 1))
    bench.run()
    bench.enable(BBO)  # the subscription arrives after the snapshot, and a change lay in between
    ((_, update),) = bench.run()
    assert (update[1], update[8]) == (2, 10.0)


def test_a_snapshot_repeats_the_published_seq(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.enable(BBO, BOOK, TRADE)
    bench.event(level(Side.BID, 9, 1), trade(9, 1))
    bench.run()
    for price in (10, 11):
        bench.event(level(Side.BID, price, 1))
        bench.run()
    assert bench.engine.snapshot("") == 3
    found = {topic: payload[1] for topic, payload in messages(bench.engine.take())}
    assert found == {"bbo|A/USD|venue": 3, "book|A/USD|venue": 3, "trade|A/USD|venue": 1}
    assert bench.engine.snapshot("bbo|A/USD|venue2") == 0


def test_ticks_leave_as_raw_records(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.enable(TICKS)
    bench.event(level(Side.BID, 9, 1), level(Side.ASK, 10, 1, instrument=2))
    bench.event(trade(9, 1))
    bench.ring.publish(0)
    bench.engine.run(PARK, 0, 0, 0)
    topic, payload, raw = bench.engine.take()
    header = msgspec.msgpack.decode(payload)
    records = np.frombuffer(raw, TICK)
    assert (topic, header[1], header[7], header[8]) == (b"tick|*|venue", 1, 1, 3)
    assert records["seq"].tolist() == [1, 2, 3]
    assert records["price"].tolist() == [9.0, 10.0, 9.0]


def test_a_recovering_book_is_told_once_and_hidden_until_a_snapshot(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.enable(BBO, BOOK, STATE)
    bench.event(clear(), level(Side.BID, 9, 1))
    assert bodies(bench.run(), "state") == [[State.SYNCED, 0, 0]]
    bench.event(state(State.DISCONNECTED, 4))
    found = bench.run()
    assert [topic for topic, _ in found] == ["state|*|venue", "bbo|A/USD|venue"]
    assert bodies(found, "bbo") == [[9.0, 1.0, None, None, Flag.MAYBE_BAD_BOOK, 0]]
    bench.event(level(Side.BID, 8, 1))
    assert bench.run() == [], "an unfinished book is not shown"
    bench.event(state(State.SYNCED))
    assert bodies(bench.run(), "bbo") == [], "a disconnected book needs a snapshot"
    bench.event(clear(), level(Side.BID, 7, 1))
    found = bench.run()
    assert bodies(found, "bbo") == [[7.0, 1.0, None, None, 0, 0]]
    assert bodies(found, "book") == [[1, [[9.0, 0.0], [7.0, 1.0]], [], 0]]


def test_what_the_source_resent_is_good_without_a_snapshot(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.enable(BBO)
    bench.event(clear(), level(Side.BID, 9, 1))
    bench.event(state(State.RECOVERING))
    bench.event(level(Side.BID, 10, 1))
    bench.event(state(State.SYNCED))
    assert bodies(bench.run(), "bbo")[-1] == [10.0, 1.0, None, None, 0, 0]


def test_the_board_holds_book_trades_and_state(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.event(clear(), level(Side.BID, 9, 1), level(Side.BID, 8, 2), level(Side.ASK, 10, 3))
    bench.event(trade(10, 2), trade(9, 1), trade(11, 1, flags=Flag.SUSPECT))
    bench.run()
    row = Board(tmp_path).row(1)
    assert (row["bid"], row["bid_size"], row["ask"], row["ask_size"]) == (9.0, 1.0, 10.0, 3.0)
    assert row["bids"][:2].tolist() == [[9.0, 1.0], [8.0, 2.0]]
    assert np.isnan(row["bids"][2]).all()
    assert (row["open"], row["high"], row["low"], row["volume"], row["turnover"]) == (10.0, 10.0, 9.0, 3.0, 29.0)
    assert (row["trades"], row["last_price"], row["state"], row["source"]) == (2, 9.0, State.SYNCED, 1)
    assert [int(i) for i in Board(tmp_path).rows()["instrument"]] == [1]


def test_a_restarted_conflator_goes_on_from_checkpoint_and_ring(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.event(clear(), level(Side.BID, 9, 1), trade(9, 1))
    bench.event(clear(3), level(Side.BID, 5, 0.1, 3) | {"ref": 71}, level(Side.BID, 5, 0.2, 3) | {"ref": 72})
    bench.run()
    bench.engine.sent()
    bench.event(level(Side.BID, 10, 2), trade(10, 1), level(Side.BID, 0, 0, 3) | {"ref": 71})
    bench.ring.publish(0)
    first_epoch = bench.engine.publisher_epoch
    bench.restart()
    assert bench.engine.resumed == 2
    assert bench.engine.publisher_epoch > first_epoch
    bench.enable(BBO, TRADE)
    found = bench.run()
    assert bench.engine.book(1) == ([(10.0, 2.0), (9.0, 1.0)], [])
    assert bench.engine.book(3) == ([(5.0, 0.2)], [])
    assert bodies(found, "trade") == [[10.0, 1.0, 1, 0, 0]], "the first trade was published by the predecessor"
    assert bench.engine.resnapshots() == []
    row = Board(tmp_path).row(1)
    assert (row["volume"], row["trades"], row["state"]) == (2.0, 2, State.SYNCED)


def test_a_lapped_conflator_asks_for_snapshots_and_shows_nothing_as_good(tmp_path: Path) -> None:
    bench = Bench(tmp_path, capacity=64)
    bench.event(clear(), level(Side.BID, 9, 1))
    bench.enable(BBO)
    bench.run()
    for price in range(100):
        bench.event(level(Side.BID, 10 + price, 1))
    found = bench.run()
    assert {body[4] for body in bodies(found, "bbo")} == {Flag.MAYBE_BAD_BOOK}
    assert bench.engine.resnapshots() == [("venue", 0)]
    assert Board(tmp_path).row(1)["state"] == State.LAPPED
    counters = read_file(tmp_path / "conflator.counters")
    assert counters["conflate_lapped"][0] + counters["conflate_records"][0] == 102
    bench.event(clear(), level(Side.BID, 7, 1))
    assert bodies(bench.run(), "bbo") == [[7.0, 1.0, None, None, 0, 0]]


def test_a_restarted_handler_is_followed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.enable(BBO, STATE)
    bench.event(clear(), level(Side.BID, 9, 1))
    bench.run()
    bench.ring = None
    gc.collect()
    bench.ring = _native.RingWriter(str(tmp_path), str(tmp_path), "h", 4096)
    bench.event(state(State.EPOCH))
    bench.event(clear(), level(Side.BID, 8, 1))
    bench.ring.publish(0)
    found = []
    for _ in range(20):
        bench.engine.run(PARK, 25_000_000, 0, 0)
        found += messages(bench.engine.take())
    assert bodies(found, "bbo")[-1] == [8.0, 1.0, None, None, 0, 0]
    assert bench.engine.resnapshots() == []


def test_a_source_that_a_handler_got_later_is_its_rings(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.enable(STATE)
    bench.run()
    late = bench.directory.add_source("late")
    book = bench.directory.add(Instrument(source=late, venue_symbol="L", symbol="L/USD", keying="price"))
    bench.event({**state(State.SYNCED), "source": late})
    bench.event({**clear(), "source": late, "instrument": book})
    bench.run()
    assert [(ring["ring"], sorted(ring["sources"])) for ring in bench.engine.rings()] == [("h", ["late", "venue"])]
    bench.ring = None  # its writer is gone: all of its sources have a state that says so
    gc.collect()
    found = []
    for _ in range(20):
        bench.engine.run(PARK, 25_000_000, 0, 0)
        found += messages(bench.engine.take())
    assert {topic for topic, _ in found} >= {"state|*|venue", "state|*|late"}


SIDES = st.sampled_from([Side.BID, Side.ASK])
CHANGES = st.tuples(SIDES, st.integers(1, 12), st.integers(0, 3), st.integers(1, 2))


@settings(max_examples=60, deadline=None)
@given(events=st.lists(st.lists(CHANGES, min_size=1, max_size=5), max_size=40), every=st.integers(1, 5))
def test_every_subscriber_can_rebuild_every_book(
    tmp_path_factory: pytest.TempPathFactory, events: list, every: int
) -> None:
    bench = Bench(tmp_path_factory.mktemp("bench"))
    bench.enable(BBO, BOOK)
    model: dict = {(i, side): {} for i in (1, 2) for side in (Side.BID, Side.ASK)}
    held: dict = {(i, side): {} for i in (1, 2) for side in (Side.BID, Side.ASK)}
    best: dict = {}
    for number, changes in enumerate(events):
        bench.event(*[level(side, price, size, instrument) for side, price, size, instrument in changes])
        for side, price, size, instrument in changes:
            model[instrument, side].pop(price, None)
            if size:
                model[instrument, side][price] = float(size)
        if number % every:
            continue
        for topic, payload in bench.run():
            channel, symbol, _ = topic.split("|")
            instrument = 1 if symbol == "A/USD" else 2
            if channel == "bbo":
                best[instrument] = payload[8:12]
                continue
            for side, levels in ((Side.BID, payload[9]), (Side.ASK, payload[10])):
                for price, size in levels:
                    held[instrument, side].pop(price, None)
                    if size:
                        held[instrument, side][price] = size
        for (instrument, side), levels in model.items():
            top = sorted(levels, reverse=side == Side.BID)[:DEPTH]
            assert held[instrument, side] == {price: levels[price] for price in top}
            expected = [top[0], levels[top[0]]] if top else [None, None]
            start = 0 if side == Side.BID else 2
            assert best.get(instrument, [None] * 4)[start : start + 2] == expected


def test_an_event_longer_than_a_batch_is_never_seen_half(tmp_path: Path) -> None:
    bench = Bench(tmp_path, capacity=1 << 14)
    clear = {"kind": Kind.BOOK_CLEAR, "instrument": 1}
    bench.event(clear, *(level(Side.BID, 1.0 + i, 1.0) for i in range(3000)))
    bench.ring.publish(0)
    bench.engine.run(PARK, 0, 0, 0)
    bids, _ = bench.engine.book(1)
    assert len(bids) == 3000


def test_a_source_state_that_a_book_lived_through_is_not_applied_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.event({"kind": Kind.BOOK_CLEAR, "instrument": 1}, level(Side.BID, 10.0, 1.0))
    bench.run()
    while checkpoints(bench) < 1:
        bench.engine.run(PARK, 0, 0, 0)
    bench.engine.run(PARK, 0, 0, 0)  # the next checkpoint takes its ring positions here
    bench.event({"kind": Kind.STATE, "level": State.DISCONNECTED})
    bench.event({"kind": Kind.BOOK_CLEAR, "instrument": 1}, level(Side.BID, 11.0, 1.0))
    bench.ring.publish(0)
    bench.engine.run(PARK, 0, 0, 1 << 62)  # and its books here, after the reconnection
    bench.restart()
    bench.run()
    assert bench.engine.book(1) == ([(11.0, 1.0)], [])
    row = Board(tmp_path).row(1)
    assert (row["state"], row["bid"], row["flags"]) == (State.SYNCED, 11.0, 0)


def test_a_checkpoint_is_used_whole_or_not_at_all(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for instrument in (1, 2):
        bench.event(
            {"kind": Kind.BOOK_CLEAR, "instrument": instrument}, level(Side.BID, 10.0, 1.0, instrument=instrument)
        )
    bench.run()
    while checkpoints(bench) < 1:
        bench.engine.run(PARK, 0, 0, 0)
    path = tmp_path / "conflator.books"
    whole = path.read_bytes()
    entries = 24 + 80 + (len(whole) - 104 - 32) // 3 - 8  # of the first book: the last word of its header
    hostile = [
        whole + b"\0",
        whole[:entries] + (1 << 59).to_bytes(8, "little") + whole[entries + 8 :],
        whole[:24] + b"h" * 64 + whole[88:],  # a ring name without an end
        whole[:96] + (1 << 60).to_bytes(8, "little") + whole[104:],  # a position nobody published
    ]
    for content in [whole[:cut] for cut in range(0, len(whole), 16)] + hostile:
        path.write_bytes(content)
        bench.restart()
        assert bench.engine.resumed == 0, len(content)
        bench.run()
        assert [len(bench.engine.book(i)[0]) for i in (1, 2)] == [1, 1], "from the ring, which holds all of it"
    path.write_bytes(whole)
    bench.restart()
    assert bench.engine.resumed == 2


def test_one_ring_that_is_gone_does_not_cost_the_others_their_books(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.event({"kind": Kind.BOOK_CLEAR, "instrument": 1}, level(Side.BID, 10.0, 1.0))
    bench.run()
    while checkpoints(bench) < 1:
        bench.engine.run(PARK, 0, 0, 0)
    del bench.engine
    gc.collect()
    folder, path = str(tmp_path), str(tmp_path / "instruments.dir")
    engine = _native.Conflator(
        folder, folder, path, ["h", "other"], [["venue"], ["never started"]], DEPTH, 1024, 16, bench.counters.native
    )
    assert engine.resumed == 1
    assert engine.book(1) == ([(10.0, 1.0)], [])


def test_a_lapped_book_is_asked_for_again_by_a_successor(tmp_path: Path) -> None:
    bench = Bench(tmp_path, capacity=64)
    bench.event({"kind": Kind.BOOK_CLEAR, "instrument": 1}, level(Side.BID, 10.0, 1.0))
    bench.run()
    for price in range(100):
        bench.event(level(Side.BID, 10.0 + price, 1.0))
    bench.run()
    assert bench.engine.resnapshots() == [("venue", 0)]
    before = checkpoints(bench)
    while checkpoints(bench) < before + 2:
        bench.engine.run(PARK, 0, 0, 0)
    bench.restart()
    assert ("venue", 1) in bench.engine.resnapshots()


def test_a_size_that_no_sum_could_hold_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.event(level(Side.BID, 10.0, 1e300, instrument=3) | {"ref": 1})
    bench.run()
    assert bench.engine.book(3) == ([], [])
    assert read_file(tmp_path / "conflator.counters")["conflate_bad_level"] == {0: 1}


def test_through_a_socket_best_prices_leave_first_and_ticks_last(tmp_path: Path) -> None:
    folders = tmp_path / "a", tmp_path / "b"
    for folder in folders:
        folder.mkdir()
    bench, twin = map(Bench, folders)
    with zmq.Context() as context, context.socket(zmq.PAIR) as left, context.socket(zmq.PAIR) as right:
        left.bind("inproc://leaves")
        right.connect("inproc://leaves")
        bench.engine.leave_through(zmq_native.sender(left))
        for each in (bench, twin):
            each.enable(BBO, BOOK, TRADE, TICKS)
            each.event(clear(), level(Side.BID, 9, 1), level(Side.ASK, 10, 1))
            each.event(trade(9, 1))
        assert bench.run() == []  # nothing is left to take
        left_with = zmq_native.receiver(right).receive(1000)
        twin_ran = twin.run()
        assert [topic for topic, _ in messages(left_with)] == [
            "state|A/USD|venue", "bbo|A/USD|venue", "trade|A/USD|venue", "book|A/USD|venue", "tick|*|venue"
        ]  # fmt: skip
        untimed = [[topic, body[:4] + body[5:6] + body[7:]] for topic, body in messages(left_with)]
        assert untimed == [[topic, body[:4] + body[5:6] + body[7:]] for topic, body in twin_ran]
        assert len(left_with[-1]) == 4 * 64
        assert bench.counters.get(Counter.PUBLISH_MESSAGES) == 5
        for _ in range(_native.Conflator.HEARTBEATS_AN_INTERVAL):
            bench.engine.heartbeat()
        beats = messages(zmq_native.receiver(right).receive(1000))
        assert {topic for topic, _ in beats} == {"hb|*|*"}
