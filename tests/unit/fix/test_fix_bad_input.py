"""Bad input: every row of the table in docs/contracts/fix-decoding.md, with its count and what still goes through.

No case raises; each message behind the bad one is decoded.
"""

import pytest

from feedhandler.tick import Flag, Kind, State
from tests.support.fix_line import HEAD, NOW, Line, message

GOOD = "279=0|269=0|55=USDJPY|270=150.1|271=3|"
BAD_BOOK = ("state", 1, State.BAD_BOOK)
LEVEL = ("level", 2, 0)
TRADE = ("trade", 1, 0)


def shape(records):
    """(kind, instrument, code) of each record."""
    return [(Kind(r["kind"]).name.lower(), int(r["instrument"]), int(r["level"])) for r in records]


# entries of an X in front of a good entry for instrument 2 -> counts, records in front of the good one's
ENTRIES = {
    "price empty": ("279=0|269=0|55=EURUSD|270=|271=1|", {"bad_number": 1}, [BAD_BOOK]),
    "price not a number": ("279=0|269=0|55=EURUSD|270=abc|271=1|", {"bad_number": 1}, [BAD_BOOK]),
    "price with exponent": ("279=0|269=0|55=EURUSD|270=1e5|271=1|", {"bad_number": 1}, [BAD_BOOK]),
    "price nan": ("279=0|269=0|55=EURUSD|270=nan|271=1|", {"bad_number": 1}, [BAD_BOOK]),
    "price infinite": ("279=0|269=0|55=EURUSD|270=inf|271=1|", {"bad_number": 1}, [BAD_BOOK]),
    "price plus": ("279=0|269=0|55=EURUSD|270=+1|271=1|", {"bad_number": 1}, [BAD_BOOK]),
    "price two points": ("279=0|269=0|55=EURUSD|270=1.2.3|271=1|", {"bad_number": 1}, [BAD_BOOK]),
    "price out of range": ("279=0|269=0|55=EURUSD|270=" + "9" * 400 + "|271=1|", {"bad_number": 1}, [BAD_BOOK]),
    "size not a number": ("279=0|269=1|55=EURUSD|270=1|271=x|", {"bad_number": 1}, [BAD_BOOK]),
    "size negative": ("279=0|269=1|55=EURUSD|270=1|271=-5|", {"bad_number": 1}, [BAD_BOOK]),
    "trade not a number": ("279=0|269=2|55=EURUSD|270=x|271=1|", {"bad_number": 1}, []),
    "no price": ("279=0|269=0|55=EURUSD|271=1|", {"no_price": 1}, [BAD_BOOK]),
    "delete without price": ("279=2|269=0|55=EURUSD|", {"no_price": 1}, [BAD_BOOK]),
    "trade without price": ("279=0|269=2|55=EURUSD|271=1|", {"no_price": 1}, []),
    "no size": ("279=0|269=0|55=EURUSD|270=1|", {"no_size": 1}, [BAD_BOOK]),
    "no side": ("279=0|55=EURUSD|270=1|271=1|", {"no_side": 1}, [BAD_BOOK]),
    "unknown symbol": ("279=0|269=0|55=NOBODY|270=1|271=1|", {"unknown_symbol": 1}, []),
    "no symbol": ("279=0|269=0|270=1|271=1|", {"unknown_symbol": 1}, []),
    "empty symbol": ("279=0|269=0|55=|270=1|271=1|", {"unknown_symbol": 1}, []),
    "long symbol": ("279=0|269=0|55=" + "E" * 5000 + "|270=1|271=1|", {"unknown_symbol": 1}, []),
    "unknown symbol is inherited": (
        "279=0|269=0|55=NOBODY|270=1|271=1|279=0|269=1|270=1|271=1|", {"unknown_symbol": 2}, []
    ),
    "unknown entry type": ("279=0|269=Z|55=EURUSD|270=1|271=1|", {"unknown_type": 1}, []),
    "long entry type": ("279=0|269=00|55=EURUSD|270=1|271=1|", {"unknown_type": 1}, []),
    "unknown action": ("279=9|269=0|55=EURUSD|270=1|271=1|", {"unknown_action": 1}, [BAD_BOOK]),
    "empty action": ("279=|269=0|55=EURUSD|270=1|271=1|", {"unknown_action": 1}, [BAD_BOOK]),
    "unknown action of a trade": ("279=9|269=2|55=EURUSD|270=1|271=1|", {"unknown_action": 1}, []),
    "repeated field": ("279=0|269=2|55=EURUSD|270=1|271=1|270=9|", {"repeated_field": 1}, [TRADE]),
    "venue sequence overflows": (
        "279=0|269=0|55=USDJPY|270=1|271=1|83=99999999999999999999999|", {"bad_number": 1}, [LEVEL]
    ),
    "field without tag": ("279=0|269=2|55=EURUSD|270=1|271=1|=5|", {"bad_field": 1}, [TRADE]),
    "field without equals": ("279=0|269=2|55=EURUSD|270=1|271=1|nonsense|", {"bad_field": 1}, [TRADE]),
    "field with letters": ("279=0|269=2|55=EURUSD|270=1|271=1|2x0=5|", {"bad_field": 1}, [TRADE]),
    "tag overflows": ("279=0|269=2|55=EURUSD|270=1|271=1|" + "9" * 30 + "=1|", {"bad_field": 1}, [TRADE]),
    "data too long": ("279=0|269=2|55=EURUSD|270=1|271=1|354=9999|355=x|", {"bad_field": 1}, [TRADE]),
    "data length no number": ("279=0|269=2|55=EURUSD|270=1|271=1|354=x|355=x|", {"bad_field": 1}, [TRADE]),
    "bad time": ("279=0|269=2|55=EURUSD|270=1|271=1|273=25:00:00|", {"bad_time": 1}, [TRADE]),
    "bad date": ("279=0|269=2|55=EURUSD|270=1|271=1|272=20260230|273=01:00:00|", {"bad_time": 1}, [TRADE]),
    "short date": ("279=0|269=2|55=EURUSD|270=1|271=1|272=2026|", {"bad_time": 1}, [TRADE]),
    "bad fraction": ("279=0|269=2|55=EURUSD|270=1|271=1|273=01:00:00.|", {"bad_time": 1}, [TRADE]),
}  # fmt: skip
HARMLESS = {
    "unknown tags": "279=0|269=2|55=EURUSD|270=1|271=1|9999=x|40000=y|1234567=z|58=free text|",
    "data with separators": "279=0|269=2|55=EURUSD|270=1|271=1|354=11|355=270=5|279=2|58=x|",
    "leading zeros": "279=0|269=2|55=EURUSD|270=0001.10|271=00001|",
    "tag repeated outside the profile": "279=0|269=2|55=EURUSD|270=1|271=1|969=1|969=2|",
}


@pytest.fixture
def line(tmp_path):
    return Line(tmp_path)


def count_of(entries: str) -> int:
    return entries.count("279=") - entries.count("355=270=5|279=")


@pytest.mark.parametrize("name", ENTRIES)
def test_a_bad_entry_is_counted_kept_and_the_rest_goes_through(line, name):
    bad, counts, records = ENTRIES[name]
    out = line.send("X", f"268={count_of(bad) + 1}|{bad}{GOOD}")
    assert shape(out) == [*records, LEVEL]
    expected = counts | {"quarantined": 1} | ({"damaged": 1} if BAD_BOOK in records else {})
    assert line.counts == expected
    ((ts_recv, why, total, kept),) = line.loop.take_quarantine(0)
    assert (ts_recv, why, total) == (NOW, next(iter(counts)), len(kept))
    assert kept.startswith(b"8=FIX.4.4\x01")
    assert line.loop.take_damaged(0) == ([1] if BAD_BOOK in records else [], False)
    assert out["flags"][-1] & Flag.LAST
    assert shape(line.send("X", f"268=1|{GOOD}")) == [LEVEL]


@pytest.mark.parametrize("name", HARMLESS)
def test_odd_but_right(line, name):
    text = HARMLESS[name]
    assert shape(line.send("X", f"268=2|{text}{GOOD}")) == [TRADE, LEVEL]
    assert line.counts == {}


def test_bad_times_flag_the_record_and_those_that_inherit(line):
    out = line.send("X", f"268=3|279=0|269=2|55=EURUSD|270=1|271=1|273=xx|{GOOD}279=0|269=2|270=1|271=1|273=11:00:00|")
    assert [bool(flags & Flag.BAD_TIME) for flags in out["flags"]] == [True, True, False]
    assert list(out["ts_event"][:2]) == [0, 0]
    assert line.counts == {"bad_time": 1, "quarantined": 1}


def test_a_bad_sending_time_is_a_bad_time_where_it_is_used(line):
    bad = "35=X|34=%d|49=SIM|56=FH|52=yesterday|268=1|" + GOOD
    (record,) = line.feed(message(bad % 1))
    assert record["flags"] & Flag.BAD_TIME
    assert line.counts == {"bad_time": 1, "quarantined": 1}
    (record,) = line.feed(message(bad % 2 + "272=20261121|273=11:00:00|"))
    assert not record["flags"] & Flag.BAD_TIME


def test_rounded_numbers_are_flagged(line):
    out = line.send("X", "268=2|279=0|269=0|55=EURUSD|270=0.12345678901234567890|271=1|" + GOOD)
    assert [bool(flags & Flag.ROUNDED) for flags in out["flags"]] == [True, False]
    assert line.counts == {"rounded": 1}


@pytest.mark.parametrize(
    ("group", "levels"),
    [
        (f"268=3|{GOOD}", 1),
        (f"268=1|{GOOD}{GOOD}", 2),
        (f"268=99999999999|{GOOD}", 1),
        (f"268=-1|{GOOD}", 1),
        (f"268=|{GOOD}", 1),
        (f"268=x|{GOOD}", 1),
        (f"268=1|268=1|{GOOD}", 1),
        (f"268=1|270=5|{GOOD}", 1),
    ],
)
def test_a_count_that_lies(line, group, levels):
    """The entries that are there go through; the book is marked, since one may be missing."""
    out = line.send("X", group)
    assert shape(out) == [LEVEL] * levels + [("state", 2, State.BAD_BOOK)]
    assert line.counts["bad_group"] == 1
    assert line.counts["quarantined"] == 1
    assert line.loop.take_damaged(0) == ([2], False)


def test_groups_that_are_not_there(line):
    assert len(line.send("X", "268=0|")) == 0
    assert line.counts == {"empty_group": 1}
    assert len(line.send("X", "55=EURUSD|")) == 1  # STATE bad_book
    assert len(line.send("X", "268=2|")) == 0
    assert line.counts == {"empty_group": 1, "bad_group": 2, "damaged": 1, "quarantined": 2}
    assert shape(line.send("W", "55=EURUSD|268=2|")) == [BAD_BOOK]
    assert len(line.send("W", "55=NOBODY|268=0|")) == 0
    assert line.counts["unknown_symbol"] == 1


def test_ids_that_say_nothing(tmp_path):
    line = Line(tmp_path, "id", entries_max=2)
    out = line.send("X", "268=2|279=2|269=0|278=ghost|55=EURUSD|279=0|269=0|270=1|271=1|")
    assert shape(out) == [("level", 1, 0), BAD_BOOK]
    assert line.counts == {"unknown_id": 1, "no_entry_id": 1, "damaged": 1, "quarantined": 1}
    out = line.send("X", "268=3|" + "".join(f"279=0|269=0|278={i}|55=EURUSD|270={i}|271=1|" for i in (1, 2, 3)))
    assert shape(out) == [("level", 1, 0), ("level", 1, 0), BAD_BOOK]
    assert line.counts["entry_table_full"] == 1


STREAMS = {
    "noise": (b"\x00\xffnoise", "bad_begin"),
    "wrong checksum": (message("35=0|34=1|")[:-2] + b"x\x01", "bad_checksum"),
    "length too small": (message("35=0|34=1|58=abc|").replace(b"\x019=", b"\x019=0", 1).replace(b"9=017", b"9=016"), "bad_length"),
    "length too large": (message("35=0|34=1|58=abc|").replace(b"9=17", b"9=18"), "bad_length"),
    "length no number": (b"8=FIX.4.4\x019=abc\x0135=0\x0110=000\x01", "bad_length"),
    "length overflows": (b"8=FIX.4.4\x019=99999999999999999999\x0135=0\x0110=000\x01", "bad_length"),
    "oversized": (b"8=FIX.4.4\x019=99999999\x0135=0\x01", "oversize"),
    "no type": (b"8=FIX.4.4\x019=5\x0134=1\x0110=000\x01", "bad_type"),
    "truncated": (message(f"35=X|34=1|{HEAD}268=1|{GOOD}")[:-30], "bad_length"),
    "version without end": (b"8=FIX.4.4.4.4.4.4.4.4.4.4", "bad_begin"),
}  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
def test_the_stream_goes_on_behind_what_is_no_message(line, name):
    """Cut at every byte: the same counts, and both messages behind the garbage are decoded."""
    garbage, why = STREAMS[name]
    good = b"".join(message(f"35=X|34={i}|{HEAD}268=1|{GOOD}") for i in (1, 2))
    stream = garbage + good
    for cut in range(len(garbage) + 1):
        line.loop.set_sequence(0, 1, True)
        line.loop.take_quarantine(0)
        before = line.counts
        records = [*line.feed(stream[:cut]), *line.feed(stream[cut:])]
        assert shape(records) == [LEVEL, LEVEL]
        after = line.counts
        assert after["garbled"] == before.get("garbled", 0) + 1
        assert after[why] == before.get(why, 0) + 1
        assert after["skipped_bytes"] == before.get("skipped_bytes", 0) + len(garbage)


def test_every_cut_of_a_message_gives_the_same_records(tmp_path):
    whole = message(f"35=W|34=1|{HEAD}55=EURUSD|95=3|96=\x01\x01\x01|268=2|269=0|270=1.5|271=2|269=1|270=1.6|271=3|")
    expected = None
    line = Line(tmp_path)
    for cut in range(len(whole) + 1):
        line.loop.set_sequence(0, 1, True)
        records = [*line.feed(whole[:cut]), *line.feed(whole[cut:])]
        shown = [(r["kind"], r["price"], r["size"], r["flags"]) for r in records if r["kind"] != Kind.BOOK_CLEAR]
        expected = expected or shown
        assert shown == expected
        assert len(shown) == 2
    assert line.counts == {}


def test_quarantine_and_damage_are_bounded(line):
    for _ in range(1000):
        line.send("X", "268=1|279=0|269=0|55=EURUSD|270=x|271=1|")
    counts = line.counts
    assert counts["quarantined"] + counts["quarantine_dropped"] == 1000
    assert counts["quarantine_dropped"] > 0
    assert len(line.loop.take_quarantine(0)) == counts["quarantined"]
    assert line.loop.take_damaged(0) == ([1], False)
