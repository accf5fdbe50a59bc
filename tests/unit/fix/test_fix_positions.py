"""Books whose levels have numbers: whole records and books, and a long walk against a plain list."""

import random

import pytest

from feedhandler.tick import Action
from tests.support.dialects import Dialect

PROFILE = """
based_on = "fix44"
name = "numbered"
sources = ["FIX 5.0 SP2, MDPriceLevel 1023 and MDEntryPositionNo 290"]
unverified = []
[book]
keying = "{keying}"
[tags]
position = [1023, 290]
[update_actions]
"3" = "delete_through"
"4" = "delete_from"
"5" = "overlay"
"""
W = (
    "55=ES|268=5|269=0|1023=1|270=100|271=1|269=0|1023=2|270=99|271=2|269=0|1023=3|270=98|271=3|"
    "269=1|1023=1|270=101|271=4|269=1|1023=2|270=102|271=5|"
)


@pytest.fixture
def numbered(tmp_path):
    line = Dialect(tmp_path, "numbered", {"ES": (2, 0), "NQ": (2, 0)}, text=PROFILE.format(keying="position"), depth=3)
    line.send("W", W)
    return line


def x(*entries):
    return f"268={len(entries)}|" + "".join(entries)


def test_a_new_level_moves_the_others_down_and_the_last_one_out(numbered):
    assert numbered.send("X", x("279=0|269=0|55=ES|1023=2|270=99.5|271=7|")) == [
        ("new", 1, "bid", 99.5, 7.0), ("delete", 1, "bid", 98.0, 0.0, "last"),
    ]  # fmt: skip
    assert numbered.book() == ([(100.0, 1.0), (99.5, 7.0), (99.0, 2.0)], [(101.0, 4.0), (102.0, 5.0)])
    assert numbered.send("X", x("279=2|269=0|55=ES|1023=3|")) == [("delete", 1, "bid", 99.0, 0.0, "last")]


def test_a_delete_moves_the_others_up_and_a_new_one_fills_the_end(numbered):
    text = x("279=2|269=0|55=ES|1023=1|", "279=0|269=0|1023=3|270=97|271=9|", "279=1|269=0|1023=1|271=8|")
    assert numbered.send("X", text) == [
        ("delete", 1, "bid", 100.0, 0.0), ("new", 1, "bid", 97.0, 9.0), ("change", 1, "bid", 99.0, 8.0, "last"),
    ]  # fmt: skip
    assert numbered.book()[0] == [(99.0, 8.0), (98.0, 3.0), (97.0, 9.0)]


def test_290_serves_as_well(numbered):
    assert numbered.send("X", x("279=2|269=1|55=ES|290=1|")) == [("delete", 1, "ask", 101.0, 0.0, "last")]


def test_delete_through_delete_from_and_overlay(numbered):
    assert numbered.send("X", x("279=3|269=0|55=ES|1023=2|")) == [
        ("delete", 1, "bid", 100.0, 0.0), ("delete", 1, "bid", 99.0, 0.0, "last"),
    ]  # fmt: skip
    assert numbered.send("X", x("279=4|269=1|55=ES|1023=2|")) == [("delete", 1, "ask", 102.0, 0.0, "last")]
    assert numbered.send("X", x("279=5|269=1|55=ES|1023=1|270=101.5|271=6|")) == [
        ("delete", 1, "ask", 101.0, 0.0), ("new", 1, "ask", 101.5, 6.0, "last"),
    ]  # fmt: skip
    assert numbered.book() == ([(98.0, 3.0)], [(101.5, 6.0)])


def test_two_positions_at_one_price_are_the_level_that_stays(numbered):
    text = x("279=0|269=0|55=ES|1023=1|270=99|271=5|", "279=2|269=0|1023=3|")
    assert numbered.send("X", text) == [
        ("change", 1, "bid", 99.0, 5.0), ("delete", 1, "bid", 98.0, 0.0), ("change", 1, "bid", 99.0, 5.0, "last"),
    ]  # fmt: skip
    assert numbered.book()[0] == [(100.0, 1.0), (99.0, 5.0)]


@pytest.mark.parametrize(
    "entry",
    ["279=0|269=0|55=ES|1023=9|270=1|271=1|", "279=1|269=0|55=ES|1023=4|270=1|271=1|", "279=2|269=0|55=ES|",
     "279=2|269=0|55=ES|1023=0|", "279=2|269=0|55=ES|1023=x|", "279=3|269=1|55=ES|1023=3|"],
)  # fmt: skip
def test_a_position_that_cannot_be_marks_the_book(numbered, entry):
    assert numbered.send("X", x(entry)) == [("bad_book", 1, "last")]
    assert numbered.counts == {"no_position": 1, "damaged": 1, "quarantined": 1}
    numbered.send("W", W)
    assert numbered.book()[0] == [(100.0, 1.0), (99.0, 2.0), (98.0, 3.0)]


def test_a_snapshot_without_positions_counts_by_its_order(numbered):
    numbered.send("W", "55=NQ|268=2|269=0|270=5|271=1|269=0|270=4|271=1|")
    assert numbered.send("X", x("279=2|269=0|55=NQ|1023=2|")) == [("delete", 2, "bid", 4.0, 0.0, "last")]


def test_a_walk_of_positions_is_the_venues_book(tmp_path):
    line = Dialect(tmp_path, "numbered", {"ES": (2, 0)}, text=PROFILE.format(keying="position"), depth=5)
    line.send("W", "55=ES|268=0|")
    rng = random.Random(1023)
    book: list[tuple[float, float]] = []
    for _ in range(2000):
        action = rng.choice("00012345")
        size = float(rng.randint(1, 99))
        position = rng.randint(1, max(1, len(book)))
        if action == "0" or not book:
            price = round(rng.uniform(1, 2000), 2)
            if any(price == known for known, _ in book):
                continue
            place = sum(known > price for known, _ in book)
            if place >= 5:
                continue
            book.insert(place, (price, size))
            del book[5:]
            text = f"279=0|269=0|55=ES|1023={place + 1}|270={price}|271={size}|"
        elif action in "15":
            price = book[position - 1][0]
            book[position - 1] = (price, size)
            text = f"279={action}|269=0|55=ES|1023={position}|270={price}|271={size}|"
        else:
            text = f"279={action}|269=0|55=ES|1023={position}|"
            gone = {"2": slice(position - 1, position), "3": slice(0, position), "4": slice(position - 1, None)}
            del book[gone[action]]
        line.send("X", x(text))
        assert line.book()[0] == book
    assert line.counts == {}


def test_of_a_book_by_price_the_ranges_are_the_readers(tmp_path):
    line = Dialect(tmp_path, "numbered", {"ES": (2, 0)}, text=PROFILE.format(keying="price"))
    line.send("W", W)
    records = line.feed(line.message("X", x("279=3|269=0|55=ES|1023=2|", "279=5|269=1|1023=2|270=103|271=8|")))
    assert [(int(r["action"]), int(r["level"])) for r in records] == [(Action.DELETE_THROUGH, 2), (Action.OVERLAY, 2)]
    assert line.book() == ([(98.0, 3.0)], [(101.0, 4.0), (103.0, 8.0)])
    assert line.send("X", x("279=4|269=1|55=ES|270=103|")) == [("bad_book", 1, "last")]
    assert line.counts == {"no_position": 1, "damaged": 1, "quarantined": 1}


def test_another_venue_numbers_the_actions_otherwise(tmp_path):
    """QST: 3 Append, 4 DeleteFrom, 5 DeleteUntil."""
    text = PROFILE.format(keying="position").replace('"3" = "delete_through"', '"3" = "new"').replace("overlay", "delete_through")  # fmt: skip
    line = Dialect(tmp_path, "numbered", {"ES": (2, 0)}, text=text)
    line.send("W", W)
    assert line.send("X", x("279=5|269=0|55=ES|1023=2|", "279=3|269=0|1023=2|270=97|271=6|")) == [
        ("delete", 1, "bid", 100.0, 0.0),
        ("delete", 1, "bid", 99.0, 0.0),
        ("new", 1, "bid", 97.0, 6.0, "last"),
    ]
    assert line.book()[0] == [(98.0, 3.0), (97.0, 6.0)]


def test_an_empty_book_inside_of_x_forgets_the_positions(numbered):
    """CQG: 269=J with 279=2; the instrument stands in the first entry only."""
    text = x("279=2|269=J|55=ES|", "279=0|269=0|1023=1|270=50|271=1|", "279=0|269=1|1023=1|270=51|271=2|")
    assert numbered.send("X", text) == [
        ("clear", 1),
        ("new", 1, "bid", 50.0, 1.0),
        ("new", 1, "ask", 51.0, 2.0, "last"),
    ]
    assert numbered.book() == ([(50.0, 1.0)], [(51.0, 2.0)])
    assert numbered.counts == {}
