"""Where messages begin and end, whatever the transport cut and the peer broke."""

import pytest
from fix_text import wire
from hypothesis import given, settings
from hypothesis import strategies as st

from feedhandler.wire.fix_frame import Framer, Garbled, Ok, Partial, scan

ONE = wire("35=0|34=2|49=SIM|56=FH")
TWO = wire("35=1|34=3|49=SIM|56=FH|112=x")
SWAPPED = ONE.replace(b"\x0110=", b"\x0110=9")[:-2] + b"\x01"


def frames(data: bytes, *, size: int = 0) -> tuple[list[bytes], list[str]]:
    framer = Framer()
    pieces = [data] if not size else [data[i : i + size] for i in range(0, len(data), size)]
    found = [item for piece in pieces for item in framer.feed(piece)]
    return [raw for raw, why in found if not why], [why for _, why in found if why]


def test_every_prefix_is_partial():
    for end in range(len(ONE)):
        assert scan(ONE[:end]) == Partial(0), ONE[:end]
    assert scan(ONE) == Ok(0, len(ONE))


def test_cut_anywhere():
    for size in range(1, len(ONE + TWO)):
        assert frames(ONE + TWO, size=size) == ([ONE, TWO], [])


def test_zero_padded_length():
    data = b"8=FIX.4.4\x019=0000005\x0135=0\x01"
    data += b"10=%03d\x01" % (sum(data) % 256)
    assert scan(data) == Ok(0, len(data))


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (ONE[:-4] + b"%03d\x01" % ((int(ONE[-4:-1]) + 1) % 256), "CheckSum is wrong"),
        (ONE.replace(b"34=2", b"34=3"), "CheckSum is wrong"),
        (ONE[:-4] + b"1x1\x01", "BodyLength is wrong"),
        (ONE.replace(b"\x019=23", b"\x019=20"), "BodyLength is wrong"),
        (ONE.replace(b"\x019=23", b"\x01x=25"), "BodyLength is not second"),
        (ONE.replace(b"\x019=23", b"\x019="), "BodyLength is not a number or too large"),
        (ONE.replace(b"\x019=23", b"\x019=-1"), "BodyLength is not a number or too large"),
        (ONE.replace(b"\x019=23", b"\x019=99999999"), "BodyLength is not a number or too large"),
        (ONE.replace(b"\x019=23", b"\x019=00000000000023"), "BodyLength too long"),
        (b"8=FIX" + b"4" * 40 + ONE[9:], "BeginString too long"),
        (b"hello", "no BeginString"),
        (b"\x00" * 100, "no BeginString"),
        (wire("34=2|35=0"), "MsgType is not third"),
    ],
)
def test_garbled_is_reported_once_and_the_next_message_is_found(bad, why):
    good, garbled = frames(bad + TWO)
    assert good == [TWO]
    assert garbled[0] == why


def test_length_too_long_swallows_the_next_message_as_quickfix_does():
    too_long = ONE.replace(b"\x019=23", b"\x019=50")
    assert frames(too_long + TWO + ONE) == ([ONE], ["BodyLength is wrong"])


def test_a_run_of_garbage_is_one_defect_however_it_is_cut():
    for size in (1, 3, 7, 1000):
        framer = Framer()
        data = b"\xff" * 50 + ONE + b"zzzz" + TWO
        good = []
        for i in range(0, len(data), size):
            good += [raw for raw, why in framer.feed(data[i : i + size]) if not why]
        assert (good, framer.garbled_count) == ([ONE, TWO], 2)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_between_good_messages(noise, size):
    """Noise never raises, and a stream that is quiet long enough comes back to good messages."""
    good, _ = frames(noise + ONE * 40, size=size)
    assert good[-1:] == [ONE]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([ONE, TWO, b"8=FIX", b"\x0110=", b"9=5\x01", b"junk"]), max_size=12),
    st.integers(1, 64),
)
def test_result_does_not_depend_on_the_cuts(pieces, size):
    data = b"".join(pieces)
    assert frames(data, size=size)[0] == frames(data)[0]


def test_memory_is_bounded():
    framer = Framer(bytes_max=1000)
    kept = 0
    for _ in range(100):
        list(framer.feed(b"8=FIX.4.4\x019=999\x0135=0\x01" + b"x" * 500))
        kept = max(kept, len(framer._data))
    assert kept <= 2 * 1000 + 600


def test_scan_is_pure():
    assert scan(b"xx" + ONE, 0) == Garbled(0, 2, "no BeginString")
    assert scan(b"xx" + ONE, 2) == Ok(2, 2 + len(ONE))
