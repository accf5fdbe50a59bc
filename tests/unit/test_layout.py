"""The record as Python sees it, pinned whole. All bytes of all segments: test_layout_versions.py."""

import numpy as np

from feedhandler import _native
from feedhandler.tick import LAYOUT_VERSION, TICK, Action, Flag, Kind, Side, State

PINNED = {
    "version": 1,
    "record": {
        "seq": ("<u8", 0), "ts_event": ("<i8", 8), "ts_recv": ("<i8", 16), "price": ("<f8", 24), "size": ("<f8", 32),
        "ref": ("<u8", 40), "instrument": ("<u4", 48), "source": ("<u2", 52), "kind": ("|u1", 54), "side": ("|u1", 55),
        "action": ("|u1", 56), "flags": ("|u1", 57), "level": ("<u2", 58), "delay": ("<u4", 60),
    },
    "record_bytes": 64,
    "kinds": "NONE EVENT LEVEL TRADE BOOK_CLEAR STATUS STATE SKIP FUNDING OPEN_INTEREST MARK INDEX LIQUIDATION BAR QUALITY",
    "states": "NONE CONNECTED DISCONNECTED RECOVERING SYNCED STALE CLOCK_STEP EPOCH UNKNOWN_INTERVAL LAPPED BAD_BOOK",
    "actions": "NONE NEW CHANGE DELETE DELETE_THROUGH DELETE_FROM OVERLAY",
    "sides": "NONE BID ASK",
    "flags": {"LAST": 128, "GAP": 64, "SNAPSHOT": 32, "SUSPECT": 16, "BAD_TIME": 8, "MAYBE_BAD_BOOK": 4,
              "RECOVERED": 2, "ROUNDED": 1},
    "counter_slots": 64,
}  # fmt: skip


def names(enumeration: type) -> str:
    """Return the names of an enumeration whose values are 0, 1, 2, ..."""
    members = list(enumeration)  # type: ignore[call-overload]
    assert [int(member) for member in members] == list(range(len(members)))
    return " ".join(member.name for member in members)


def test_every_size_offset_and_code_is_the_pinned_one() -> None:
    assert TICK.fields is not None
    assert {
        "version": LAYOUT_VERSION,
        "record": {name: (TICK.fields[name][0].str, TICK.fields[name][1]) for name in TICK.names or ()},
        "record_bytes": TICK.itemsize,
        "kinds": names(Kind),
        "states": names(State),
        "actions": names(Action),
        "sides": names(Side),
        "flags": {flag.name: flag.value for flag in sorted(Flag, reverse=True)},
        "counter_slots": _native.COUNTER_SLOTS,
    } == PINNED, "a change of the layout is a change of LAYOUT_VERSION, of shm/README.md and of this table"


def test_files_begin_as_the_contract_draws_them(tmp_path) -> None:  # type: ignore[no-untyped-def]
    ring = _native.RingWriter(str(tmp_path), str(tmp_path), "r", 64)
    ring.append(np.zeros(1, TICK).view(np.uint8))
    ring.end_event()
    ring.note(1, 7)
    ring.publish(0)
    data = (tmp_path / f"r.{ring.epoch}").read_bytes()
    words = np.frombuffer(data[:4096], "<u8")
    assert data[:8] == b"\0FHRING1"
    assert np.frombuffer(data[8:16], "<u4").tolist() == [1, 64]
    assert (words[2], words[3], words[16]) == (64, ring.epoch, 1)  # capacity, epoch, published
    assert (words[8], data[256:258]) == (32, b"r\0")  # claimed, name
    assert words[(320 + 32) // 8 : (320 + 48) // 8].tolist() == [1, 7]  # first note of session 1
    assert len(data) == 4096 + 64 * 64
    assert (tmp_path / "r.wait").read_bytes()[:8] == b"\0FHWAIT1"
