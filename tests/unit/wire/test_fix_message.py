"""Fields in, bytes out, and back."""

import pytest
from fix_text import wire

from feedhandler.wire.fix_message import (
    Header,
    Malformed,
    decode,
    encode,
    encode_resent,
    parse_int,
)

HEADER = Header(b"FIX.4.4", b"FH", b"SIM")


def test_encode_is_this_text():
    message = encode(HEADER, b"0", 2, b"20261121-10:58:41", [(112, b"TEST")])
    body = b"35=0|34=2|49=FH|52=20261121-10:58:41|56=SIM|112=TEST|".replace(b"|", b"\x01")
    head = b"8=FIX.4.4\x019=%d\x01" % len(body)
    assert message == head + body + b"10=%03d\x01" % (sum(head + body) % 256)


def test_frame_equals_quickfix():
    """What QuickFIX 1.15.1 prints for the same fields."""
    assert (
        wire("35=0|34=2|49=TW|52=20261121-10:58:41.000|56=ISLD").replace(b"\x01", b"|")
        == b"8=FIX.4.4|9=49|35=0|34=2|49=TW|52=20261121-10:58:41.000|56=ISLD|10=163|"
    )


def test_poss_dup_and_extra_header_fields():
    header = HEADER._replace(extra=((57, b"QUOTE"),))
    message = encode(header, b"4", 3, b"T2", [(36, b"9"), (123, b"Y")], orig_sending_time=b"T1")
    assert b"|34=3|43=Y|49=FH|52=T2|56=SIM|57=QUOTE|122=T1|36=9|123=Y|10=" in message.replace(b"\x01", b"|")


def test_decode_gives_fields_in_wire_order():
    message = decode(wire("35=X|34=5|268=2|279=0|270=1.5|279=1|270=1.6"))
    assert [f for f in message.fields if f[0] not in (8, 9, 10)] == [
        (35, b"X"), (34, b"5"), (268, b"2"), (279, b"0"), (270, b"1.5"), (279, b"1"), (270, b"1.6"),
    ]  # fmt: skip
    assert (message.msg_type, message.integer(34), message.get(270), message.get(55)) == (
        b"X",
        5,
        b"1.5",
        None,
    )


@pytest.mark.parametrize(
    ("data", "value"),
    [(b"95=5|96=a|b=c|58=x|", b"a|b=c"), (b"95=99|96=abc|58=x|", b"abc"), (b"95=x|96=abc|58=x|", b"abc")],
)
def test_data_length_rules_only_where_it_fits(data, value):
    message = decode(b"8=FIX.4.4\x0135=A\x01" + data.replace(b"|", b"\x01"))
    assert message.get(96) == value.replace(b"|", b"\x01")
    assert message.get(58) == b"x"


@pytest.mark.parametrize(
    "raw",
    [
        b"8=FIX.4.4\x0135=0",
        b"8=FIX\x01abc\x01",
        b"\x01",
        b"",
        b"1=1\x01\x01",
    ],
)
def test_not_fields(raw):
    assert isinstance(decode(raw), Malformed)


@pytest.mark.parametrize(
    ("text", "value"), [(b"0", 0), (b"007", 7), (b"9223372036854775807", 2**63 - 1), (b"0" * 60 + b"12", 12)]
)
def test_numbers(text, value):
    assert parse_int(text) == value


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"-1",
        b"+1",
        b"1.0",
        b" 1",
        b"1 ",
        b"9223372036854775808",
        b"1" * 20,
        b"0" * 100,
        b"1_0",
        "\uff11".encode(),
    ],
)
def test_not_numbers(text):
    assert parse_int(text) is None


def test_resent_message_keeps_all_but_the_stamps():
    stored = encode(HEADER, b"X", 7, b"T1", [(268, b"1"), (279, b"0"), (270, b"1.25")])
    assert encode_resent(stored, b"T2") == encode(
        HEADER, b"X", 7, b"T2", [(268, b"1"), (279, b"0"), (270, b"1.25")], orig_sending_time=b"T1"
    )


@pytest.mark.parametrize("raw", [b"", b"garbage", b"8=FIX.4.4\x019=5\x0135=0\x0110=000\x01", b"8=F\x019=1\x0152=\x01"])
def test_damaged_store_content_is_none(raw):
    assert encode_resent(raw, b"T2") is None
