"""Topic text and payloads, element by element as docs/contracts/topics.md has them."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedhandler import topics
from feedhandler.topics import Bbo, Book, Heartbeat, Refusal, State, Tick, Topic, Trade

HEAD = (1, 5, 100, 200, 300, "handler1", 9, 77)
WIRE = {
    "bbo": ([*HEAD, 1.5, 2.0, None, None, 128, 90], Bbo(*HEAD, 1.5, 2.0, None, None, 128, 90)),
    "book": ([*HEAD, 1, [[1.5, 0.0]], [], 128], Book(*HEAD, 1, [(1.5, 0.0)], [], 128)),
    "trade": ([*HEAD, 1.5, 3.0, 2, 2**64 - 1, 0], Trade(*HEAD, 1.5, 3.0, 2, 2**64 - 1, 0)),
    "state": ([*HEAD, 3, 0, 64], State(*HEAD, 3, 0, 64)),
    "tick": ([*HEAD, 12], Tick(*HEAD, 12)),
    "hb": ([*HEAD, 4, {"bbo|A|x": 5}], Heartbeat(*HEAD, 4, {"bbo|A|x": 5})),
}


@pytest.mark.parametrize("channel", WIRE)
def test_elements_stand_in_the_order_of_the_contract(channel):
    wire, value = WIRE[channel]
    assert topics.decode(channel, msgspec.msgpack.encode(wire)) == value
    assert msgspec.msgpack.decode(topics.encode_payload(value)) == wire
    assert tuple(WIRE) == topics.CHANNELS


@pytest.mark.parametrize("channel", WIRE)
def test_elements_that_a_later_version_appends_are_ignored(channel):
    wire, value = WIRE[channel]
    assert topics.decode(channel, msgspec.msgpack.encode([*wire, "new", {"x": 1}])) == value


@pytest.mark.parametrize("channel", WIRE)
def test_every_missing_element_is_malformed(channel):
    wire, _ = WIRE[channel]
    for size in range(len(wire)):
        assert topics.decode(channel, msgspec.msgpack.encode(wire[:size])) is Refusal.MALFORMED
    whole = msgspec.msgpack.encode(wire)
    for cut in range(len(whole)):
        assert topics.decode(channel, whole[:cut]) is Refusal.MALFORMED


@pytest.mark.parametrize("wire", [[2, "anything"], [2, *WIRE["bbo"][0][1:]], [0], [99, {}]])
def test_another_version_is_told_from_rubbish_whatever_follows(wire):
    assert topics.decode("bbo", msgspec.msgpack.encode(wire)) is Refusal.WRONG_VERSION


@given(st.binary(max_size=64), st.sampled_from(topics.CHANNELS))
def test_hostile_payloads_are_values(data, channel):
    assert topics.decode(channel, data) is not None


def test_an_unknown_channel_is_a_refusal():
    assert topics.decode("bar.1m", b"\x90") is Refusal.UNKNOWN_CHANNEL


def test_topic_text_round_trips():
    assert topics.format_topic("bbo", "EUR/USD", "*") == b"bbo|EUR/USD|*"
    assert topics.parse_topic(b"bbo|BTC/USDT:USDT|binance") == Topic("bbo", "BTC/USDT:USDT", "binance")
    assert Topic("bbo", "EUR/USD", "*").encode() == b"bbo|EUR/USD|*"


@pytest.mark.parametrize(
    "parts", [("", "A", "x"), ("bbo", "", "x"), ("bbo", "A", ""), ("bbo", "A|B", "x"), ("b", "A" * 600, "x")]
)
def test_what_is_not_a_topic_is_not_formatted(parts):
    with pytest.raises(ValueError, match="not a topic"):
        topics.format_topic(*parts)


@pytest.mark.parametrize(
    "frame", [b"", b"bbo", b"bbo|A", b"bbo|A|", b"|A|x", b"bbo|A|x|y", b"\xff|A|x", b"bbo|" + b"A" * 600 + b"|x"]
)
def test_what_is_not_a_topic_is_none(frame):
    assert topics.parse_topic(frame) is None
