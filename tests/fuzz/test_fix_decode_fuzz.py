"""The native FIX path against an independent decoder, mutations, arbitrary bytes and arbitrary cuts."""

import itertools
import math
import tempfile
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feedhandler import _native
from tests.support.fix_line import HEAD, NOW, SYMBOLS, Line, message
from tests.support.fix_reference import Reference, native

RELAXED = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))

digits = st.text("0123456789", min_size=1, max_size=12)
decimals = st.one_of(
    digits,
    st.builds("{}.{}".format, digits, digits),
    st.builds(".{}".format, digits),
    st.builds("{}.".format, digits),
)
prices = st.one_of(decimals, st.builds("-{}".format, decimals))
symbols = st.sampled_from([*SYMBOLS, "UNKNOWN"])
times = st.builds("{:02}:{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
fractions = st.one_of(st.just(""), st.builds(".{}".format, st.text("0123456789", min_size=1, max_size=9)))


@st.composite
def entries(draw, first, ids, *, need_symbol):
    """One entry as text; always enough for the profile to represent it."""
    kind = draw(st.sampled_from("012"))
    parts = [f"279={draw(st.sampled_from('012'))}|"] if first == 279 else []
    parts.append(f"269={kind}|")
    rest = [f"270={draw(prices)}|", f"271={draw(decimals)}|"]
    if kind == "2":
        rest.append(f"54={draw(st.sampled_from('127'))}|")
        rest.append(f"278={draw(st.one_of(digits, st.text('abcT-', min_size=1, max_size=9)))}|")
    elif ids:
        rest.append(f"278={draw(st.sampled_from(['1', '2', 'a', 'b', 'long-entry-id-0001', '77']))}|")
    if first == 279 and (need_symbol or draw(st.booleans())):
        rest.append(f"55={draw(symbols)}|")
    if draw(st.booleans()):
        rest.append(f"273={draw(times)}{draw(fractions)}|")
    if draw(st.booleans()):
        rest.append(f"83={draw(st.integers(0, 2**64 - 1))}|")
    if draw(st.booleans()):
        rest.append(draw(st.sampled_from(["58=free text|", "9999=x|", "346=3|", "37=order|"])))
    return "".join(parts + draw(st.permutations(rest)))


@st.composite
def conversations(draw, ids):
    """Messages in sequence, as bytes."""
    result = []
    for seq in range(1, draw(st.integers(1, 6)) + 1):
        kind = draw(st.sampled_from("WX"))
        first = 269 if kind == "W" else 279
        root = f"55={draw(st.sampled_from(list(SYMBOLS)))}|" if kind == "W" else ""
        count = draw(st.integers(0, 5)) if kind == "W" else draw(st.integers(1, 5))
        group = [draw(entries(first, ids, need_symbol=ids or i == 0)) for i in range(count)]
        transact = f"60=20261120-{draw(times)}|" if draw(st.booleans()) else ""
        dup = "43=Y|" if draw(st.booleans()) else ""
        text = f"35={kind}|34={seq}|{dup}{HEAD}{root}{transact}268={count}|{''.join(group)}"
        result.append(message(text))
    return result


def compare(keying, messages, cuts):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        line = Line(folder, keying)
        stream = b"".join(messages)
        places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
        records = []
        for begin, end in itertools.pairwise(places):
            records += list(line.feed(stream[begin:end]))
        reference = Reference(SYMBOLS, keying)
        expected = [record for one in messages for record in reference.decode(one, NOW)]
        assert native(records) == expected
        assert line.loop.next_in(0) == len(messages) + 1


@RELAXED
@given(conversations(ids=False), st.lists(st.integers(0, 10_000), max_size=5))
def test_price_keyed_equals_the_reference(messages, cuts):
    compare("price", messages, cuts)


@RELAXED
@given(conversations(ids=True), st.lists(st.integers(0, 10_000), max_size=5))
def test_id_keyed_equals_the_reference(messages, cuts):
    compare("id", messages, cuts)


@RELAXED
@given(st.from_regex(r"\A-?[0-9]{0,30}(\.[0-9]{0,30})?\Z"))
def test_decimals_are_correctly_rounded(text):
    status, value = _native.parse_decimal(text.encode())
    if not any(c.isdigit() for c in text):
        assert status == 2
        return
    assert value == float(text)
    assert math.copysign(1, value) == 1 or value < 0
    rounded = Decimal(repr(float(text))) != Decimal(text)
    assert status == int(rounded)


@RELAXED
@given(st.text("0123456789", min_size=1, max_size=15), st.integers(0, 15))
def test_fifteen_digits_come_back_by_shortest_printing(digits, point):
    text = digits[:point] + "." + digits[point:]
    status, value = _native.parse_decimal(text.encode())
    assert status == 0
    assert Decimal(repr(value)) == Decimal(text)


@RELAXED
@given(st.binary(max_size=30))
def test_any_bytes_are_a_number_or_not(data):
    status, value = _native.parse_decimal(data)
    assert status in (0, 1, 2, 3)
    assert math.isfinite(value)


def outcome(folder, keying, chunks):
    """Records, counts and what was handed out; without what depends on the number of reads."""
    line = Line(folder, keying, message_max=4096)
    records = [record for chunk in chunks for record in native(line.feed(chunk))]
    counts = {k: v for k, v in line.loop.counts(0).items() if k not in ("reads", "quarantined", "quarantine_dropped")}
    return records, counts, line.handed, line.loop.next_in(0)


@st.composite
def hostile_streams(draw):
    """Messages with bytes changed, dropped, doubled and inserted; lies about length and checksum among them."""
    stream = bytearray(b"".join(draw(conversations(ids=draw(st.booleans())))))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, max(0, len(stream) - 1)))
        match draw(st.integers(0, 4)):
            case 0:
                stream[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case 1:
                del stream[at : at + draw(st.integers(1, 40))]
            case 2:
                stream[at:at] = stream[at : at + draw(st.integers(1, 60))]
            case 3:
                stream[at:at] = draw(
                    st.sampled_from(
                        [b"8=FIX.4.4\x019=", b"8=FIX", b"\x01", b"10=000\x01", b"268=99\x01", b"9=99999\x01"]
                    )
                )
            case 4:  # a body changed with its checksum made right again
                stream += message("35=X|34=3|" + HEAD + draw(st.text("0123456789=|.-X", max_size=60)) + "|")
    return bytes(stream)


@RELAXED
@given(hostile_streams(), st.lists(st.integers(0, 20_000), max_size=8), st.sampled_from(["price", "id"]))
def test_cuts_change_nothing(stream, cuts, keying):
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    chunks = [stream[begin:end] for begin, end in itertools.pairwise(places)]
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        assert outcome(folder, keying, chunks) == outcome(folder, keying, [stream])


@RELAXED
@given(st.binary(max_size=300), st.sampled_from(["price", "id"]))
def test_arbitrary_bytes_make_no_records(data, keying):
    good = message(f"35=X|34=1|{HEAD}268=1|279=0|269=0|278=1|55=EURUSD|270=1|271=1|")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        records, counts, _, next_in = outcome(folder, keying, [data, good])
    if b"8=FIX" not in data and not any(data.endswith(b"8=FIX"[:n]) for n in range(1, 5)):
        assert len(records) == 1
        assert next_in == 2
        assert counts["skipped_bytes"] == len(data)
