"""UTCTimestamp text and nanoseconds, exactly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedhandler.wire.fix_time import format_timestamp, parse_timestamp

NS = 1_795_258_721_123_456_789


@pytest.mark.parametrize(
    ("precision", "text"),
    [
        ("s", b"20261121-10:58:41"),
        ("ms", b"20261121-10:58:41.123"),
        ("us", b"20261121-10:58:41.123456"),
        ("ns", b"20261121-10:58:41.123456789"),
    ],
)
def test_format(precision, text):
    assert format_timestamp(NS, precision) == text


@given(st.integers(0, 253_402_300_799_999_999_999))
def test_nanoseconds_come_back(time_ns):
    assert parse_timestamp(format_timestamp(time_ns, "ns")) == time_ns


@given(st.integers(0, 253_402_300_799_999_999_999), st.sampled_from([("s", 10**9), ("ms", 10**6), ("us", 10**3)]))
def test_coarse_stamps_are_cut(time_ns, precision):
    name, unit_ns = precision
    assert parse_timestamp(format_timestamp(time_ns, name)) == time_ns // unit_ns * unit_ns


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        (b"19700101-00:00:00", 0),
        (b"19700101-00:00:00.5", 500_000_000),
        (b"20240229-23:59:59.999", 1_709_251_199_999_000_000),
        (b"20161231-23:59:60", 1_483_228_800_000_000_000),
    ],
)
def test_parse(text, time_ns):
    assert parse_timestamp(text) == time_ns


@pytest.mark.parametrize(
    "text",
    [
        b"", b"20261121", b"2026-11-21 10:58:41", b"20261121-10:58", b"20261321-10:58:41",
        b"20260230-10:58:41", b"20261121-24:00:00", b"20261121-10:60:00", b"20261121-10:58:61",
        b"20261121-10:58:41.", b"00000101-00:00:00", b"20261121-10:58:41.1234567890", b" 20261121-10:58:41",
        b"20261121-10:58:41\n",
        "\uff120261121-10:58:41".encode(),
    ],
)  # fmt: skip
def test_bad_text_is_none(text):
    assert parse_timestamp(text) is None
