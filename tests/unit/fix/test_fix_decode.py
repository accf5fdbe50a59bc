"""W and X to records: whole arrays, compared with what the page docs/contracts/fix-decoding.md says."""

import numpy as np
import pytest

from feedhandler import _native
from feedhandler.tick import Action, Flag, Kind, Side, State
from tests.support.fix_line import HEAD, NOW, Line, message
from tests.support.fix_reference import fnv

BASE = 1_795_258_800_500_000_000  # 52 of every message: 11:00:00.500


def brief(records):
    """(kind, side, action, price, size, instrument, flags), None for NaN."""
    return [
        (
            Kind(r["kind"]).name.lower(), int(r["side"]), int(r["action"]),
            None if np.isnan(r["price"]) else float(r["price"]), None if np.isnan(r["size"]) else float(r["size"]),
            int(r["instrument"]), int(r["flags"]),
        )
        for r in records
    ]  # fmt: skip


@pytest.fixture
def line(tmp_path):
    return Line(tmp_path)


@pytest.fixture
def by_id(tmp_path):
    return Line(tmp_path, "id")


def test_a_snapshot_is_a_clear_and_its_levels(line):
    records = line.send("W", "55=EURUSD|268=3|269=0|270=1.1|271=5|269=1|270=1.2|271=6|269=2|270=1.15|271=1|")
    assert brief(records) == [
        ("book_clear", 0, 0, None, None, 1, Flag.SNAPSHOT),
        ("level", Side.BID, Action.NEW, 1.1, 5.0, 1, Flag.SNAPSHOT),
        ("level", Side.ASK, Action.NEW, 1.2, 6.0, 1, Flag.SNAPSHOT),
        ("trade", 0, Action.NEW, 1.15, 1.0, 1, Flag.SNAPSHOT | Flag.LAST),
    ]
    assert set(records["ts_event"]) == {BASE}
    assert set(records["ts_recv"]) == {NOW}
    assert set(records["source"]) == {9}


def test_an_empty_snapshot_is_a_clear_alone(line):
    assert brief(line.send("W", "55=EURUSD|268=0|")) == [("book_clear", 0, 0, None, None, 1, Flag.SNAPSHOT | Flag.LAST)]
    assert brief(line.send("W", "268=0|55=USDJPY|"))[0][5] == 2
    assert line.counts == {}


def test_a_snapshot_may_name_its_symbol_behind_the_group(line):
    assert [r[5] for r in brief(line.send("W", "268=1|269=0|270=1|271=1|55=USDJPY|"))] == [2, 2]


def test_several_instruments_in_one_message_are_one_event(line):
    records = line.send(
        "X",
        "268=4|279=0|269=0|55=EURUSD|270=1.1|271=5|279=1|269=1|270=1.2|271=6|"
        "279=2|269=0|55=USDJPY|270=150|279=0|269=2|270=150.5|271=7|278=99|54=2|",
    )
    assert brief(records) == [
        ("level", Side.BID, Action.NEW, 1.1, 5.0, 1, 0),
        ("level", Side.ASK, Action.CHANGE, 1.2, 6.0, 1, 0),
        ("level", Side.BID, Action.DELETE, 150.0, 0.0, 2, 0),
        ("trade", Side.ASK, Action.NEW, 150.5, 7.0, 2, Flag.LAST),
    ]
    assert list(records["ref"]) == [1, 1, 1, 99]


def test_a_root_symbol_serves_all_entries(line):
    assert brief(line.send("X", "55=USDJPY|268=1|279=0|269=0|270=150|271=1|"))[0][5] == 2


def test_a_size_of_nothing_is_a_delete(line):
    assert brief(line.send("X", "268=1|279=1|269=0|55=EURUSD|270=1.1|271=0|")) == [
        ("level", Side.BID, Action.DELETE, 1.1, 0.0, 1, Flag.LAST)
    ]


def test_the_venues_sequence_is_the_reference(line):
    records = line.send("X", "83=70|268=2|279=0|269=0|55=EURUSD|270=1|271=1|83=71|279=0|269=1|270=2|271=1|")
    assert list(records["ref"]) == [71, 70]


def test_trade_ids_that_are_no_numbers_are_hashed(line):
    records = line.send("X", "268=3|279=0|269=2|55=EURUSD|270=1|271=1|278=T-1|279=0|269=2|270=1|271=1|1003=7|278=8|"
                        "279=0|269=2|270=1|271=1|")  # fmt: skip
    assert list(records["ref"]) == [fnv("T-1"), 7, 0]


def test_empty_book_is_a_clear(line):
    assert brief(line.send("X", "268=1|279=0|269=J|55=EURUSD|")) == [("book_clear", 0, 0, None, None, 1, Flag.LAST)]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ("272=20261121|273=10:59:59|", -1_500_000_000),
        ("272=20261121|273=11:00:00.123|", -377_000_000),
        ("272=20261121|273=11:00:00.123456|", -376_544_000),
        ("272=20261121|273=11:00:00.123456789|", -376_543_211),
        ("272=20261121|273=11:00:00.123456789999|", -376_543_211),
        ("273=11:00:01|", 500_000_000),
        ("272=20261121-11:00:02|", 1_500_000_000),
        ("272=20261120|273=11:00:00.5|", -86_400_000_000_000),
        ("273=2026-11-20T11:00:00.500000001Z|", -86_399_999_999_999),
        ("273=2026-11-21T11:00:01|", 500_000_000),
        ("272=2026-11-21T10:59:59.000001Z|", -1_499_999_000),
        ("272=2026-11-20T10:59:59Z|273=11:00:00|", -86_400_500_000_000),
        ("273=20261120-11:00:00.5|", -86_400_000_000_000),
        ("272=20261121|", 0),
        ("", 0),
    ],
)
def test_times_of_entries(line, times, expected):
    records = line.send("X", f"268=2|279=0|269=0|55=EURUSD|270=1|271=1|{times}279=0|269=1|270=2|271=1|")
    assert list(records["ts_event"] - BASE) == [expected, expected]
    assert line.counts == {}


def test_transact_time_comes_before_sending_time(line):
    records = line.send("X", "60=20261121-11:00:00.250|268=1|279=0|269=0|55=EURUSD|270=1|271=1|")
    assert records["ts_event"][0] - BASE == -250_000_000


def test_a_time_around_midnight_is_of_the_nearer_day(line):
    late = message(
        "35=X|34=1|49=SIM|56=FH|52=20261122-00:00:00.100|268=1|279=0|269=0|55=EURUSD|270=1|271=1|273=23:59:59.900|"
    )
    assert line.feed(late)["ts_event"][0] == 1_795_305_599_900_000_000


def test_possdup_in_sequence_is_recovered_and_below_it_ignored(line):
    entry = "268=1|279=0|269=0|55=EURUSD|270=1|271=1|"
    first = message(f"35=X|34=1|43=Y|{HEAD}122=20261121-11:00:00|{entry}")
    assert line.feed(first)["flags"][0] == Flag.RECOVERED | Flag.LAST
    assert len(line.feed(first)) == 0
    assert line.counts == {"duplicates": 1, "recovered": 1}
    assert line.handed == []


def test_out_of_sequence_is_the_sessions(line):
    entry = "268=1|279=0|269=0|55=EURUSD|270=1|271=1|"
    high = message(f"35=X|34=5|{HEAD}{entry}")
    assert len(line.feed(high)) == 0
    assert line.handed == [high]
    line.loop.set_sequence(0, 1, True, True)
    assert len(line.feed(high)) == 0
    assert line.counts == {"too_high_dropped": 1}
    low = message(f"35=X|34=0|{HEAD}{entry}")
    line.feed(low)
    assert line.handed == [high, low]


def test_order_between_admin_and_market_data_is_the_wires(line):
    entry = "268=1|279=0|269=0|55=EURUSD|270=1|271=1|"
    stream = (
        message(f"35=X|34=1|{HEAD}{entry}") + message(f"35=1|34=2|{HEAD}112=a|") + message(f"35=X|34=3|{HEAD}{entry}")
    )
    handed = line.loop.feed(0, stream, NOW)
    assert b"35=1" in handed
    assert len(line.read()) == 1
    line.loop.set_sequence(0, 3, True)
    assert line.loop.feed(0, b"", NOW) is None
    assert len(line.read()) == 1


def test_others_messages_are_the_sessions(line):
    line.loop.set_parties(0, "FH", "SIM")
    stranger = message("35=X|34=1|49=EVE|56=FH|52=20261121-11:00:00|268=1|279=0|269=0|55=EURUSD|270=1|271=1|")
    assert len(line.feed(stranger)) == 0
    assert line.handed == [stranger]


def test_a_gap_that_stays_is_flagged_once(line):
    line.loop.mark_gap(0)
    records = line.send("X", "268=2|279=0|269=0|55=EURUSD|270=1|271=1|279=0|269=1|270=2|271=1|")
    assert list(records["flags"]) == [Flag.GAP, Flag.LAST]


def test_ids_tell_side_price_and_instrument_of_a_delete(by_id):
    by_id.send("W", "55=EURUSD|268=2|269=0|278=b1|270=1.1|271=5|269=1|278=a1|270=1.2|271=6|")
    assert brief(by_id.send("X", "268=1|279=2|278=a1|")) == [("level", Side.ASK, Action.DELETE, 1.2, 0.0, 1, Flag.LAST)]
    records = by_id.send("X", "268=2|279=1|278=b1|271=4|279=1|278=b1|270=1.05|")
    assert brief(records) == [
        ("level", Side.BID, Action.CHANGE, 1.1, 4.0, 1, 0),
        ("level", Side.BID, Action.CHANGE, 1.05, 4.0, 1, Flag.LAST),
    ]
    assert set(records["ref"]) == {fnv("b1")}


def test_a_new_id_is_a_delete_and_a_new(by_id):
    by_id.send("X", "268=1|279=0|269=0|278=old|55=EURUSD|270=1.1|271=5|")
    records = by_id.send("X", "268=1|279=1|278=new|280=old|55=EURUSD|271=7|")
    assert brief(records) == [
        ("level", Side.BID, Action.DELETE, 1.1, 0.0, 1, 0),
        ("level", Side.BID, Action.NEW, 1.1, 7.0, 1, Flag.LAST),
    ]
    assert list(records["ref"]) == [fnv("old"), fnv("new")]


def test_a_slot_is_written_over(tmp_path):
    slots = Line(tmp_path, "id", id_scope="instrument")
    slots.send("X", "268=2|279=0|269=0|278=1|55=EURUSD|270=1.1|271=5|279=0|269=0|278=1|55=USDJPY|270=150|271=1|")
    assert brief(
        slots.send("X", "268=2|279=0|269=0|278=1|55=EURUSD|270=1.3|271=6|279=0|269=1|278=1|55=USDJPY|270=151|271=2|")
    ) == [
        ("level", Side.BID, Action.CHANGE, 1.3, 6.0, 1, 0),
        ("level", Side.BID, Action.DELETE, 150.0, 0.0, 2, 0),
        ("level", Side.ASK, Action.NEW, 151.0, 2.0, 2, Flag.LAST),
    ]


def test_a_snapshot_forgets_the_ids_of_its_instrument(by_id):
    by_id.send("X", "268=2|279=0|269=0|278=e|55=EURUSD|270=1.1|271=5|279=0|269=0|278=j|55=USDJPY|270=150|271=5|")
    by_id.send("W", "55=EURUSD|268=0|")
    assert brief(by_id.send("X", "268=2|279=2|278=j|279=2|278=e|55=EURUSD|")) == [
        ("level", Side.BID, Action.DELETE, 150.0, 0.0, 2, 0),
        ("level", 0, Action.DELETE, None, 0.0, 1, Flag.LAST | Flag.MAYBE_BAD_BOOK),
    ]
    assert by_id.counts == {"unknown_id": 1}


def test_the_ring_notes_what_it_holds(tmp_path):
    line = Line(tmp_path)
    line.send("X", "268=1|279=0|269=0|55=EURUSD|270=1|271=1|")
    name, epoch = line.ring.name, line.ring.epoch
    del line.loop, line.ring
    again = _native.RingWriter(str(tmp_path), str(tmp_path), name, 1 << 14)
    assert again.previous_epoch == epoch
    assert again.previous_note(0) == 2


def test_an_event_too_long_for_the_ring_says_so(tmp_path):
    line = Line(tmp_path, capacity=64)
    entries = "".join(f"269=0|270={i}|271=1|" for i in range(1, 41))
    records = line.send("W", f"55=EURUSD|268=40|{entries}")
    assert [Kind(kind).name for kind in records["kind"]] == ["SKIP", "STATE"]
    assert records["level"][1] == State.BAD_BOOK
    assert line.counts == {"event_refused": 1, "damaged": 1}
    assert line.loop.take_damaged(0) == ([1], False)
