"""1181: every message of the session has the next number of the venue's own; where one is missing every book may be wrong."""

import pytest

from tests.support.dialects import Dialect

PROFILE = """
based_on = "fix44"
name = "counted"
sources = ["FIX 5.0 SP2, ApplSeqNum 1181"]
unverified = []
[book]
gap_check = "message"
[tags]
venue_sequence = 1181
"""
ENTRY = "268=1|279=0|269=0|55=A|270=1|271=1|"


@pytest.fixture
def counted(tmp_path):
    return Dialect(tmp_path, "counted", {"A": (2, 0), "B": (2, 0)}, text=PROFILE)


def test_a_missing_message_marks_every_book_in_the_event_that_shows_it(counted):
    counted.send("X", f"1181=5|{ENTRY}")
    counted.send("X", f"1181=6|{ENTRY}")
    assert counted.counts == {}
    found = counted.send("X", f"1181=8|{ENTRY}")
    assert sorted(found[:2]) == [("bad_book", 1), ("bad_book", 2)]
    assert found[2:] == [("new", 1, "bid", 1.0, 1.0, "last")]
    numbers, overflow = counted.loop.take_damaged(0)
    assert (sorted(numbers), overflow) == ([1, 2], False)
    counted.send("X", f"1181=9|{ENTRY}")
    assert counted.counts == {"sequence_gap": 1, "damaged": 2}


def test_the_marks_have_the_messages_time(counted):
    counted.send("X", f"1181=5|{ENTRY}")
    records = counted.feed(counted.message("X", f"1181=7|60=20261121-10:59:59.5|{ENTRY}"))
    assert set(records["ts_event"].tolist()) == {1_795_258_799_500_000_000}


def test_what_is_resent_is_no_gap(counted):
    counted.send("X", f"1181=5|{ENTRY}")
    assert len(counted.send("X", f"1181=4|{ENTRY}")) == 1
    counted.send("X", f"1181=6|{ENTRY}")
    counted.send("X", ENTRY)
    assert counted.counts == {}
