"""Arbitrary bytes and fields never make the session raise nor lose its bounds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from feedhandler.wire.fix_message import Malformed, Message, decode, encode_resent, frame
from feedhandler.wire.fix_session import MemoryStore, Role, Session, SessionConfig, SessionState
from feedhandler.wire.fix_time import format_timestamp

T0 = 1_795_258_721_000_000_000
NOW = format_timestamp(T0)
HEAD = b"49=SIM\x0156=FH\x0152=" + NOW + b"\x01"
TAGS = [
    7,
    8,
    9,
    10,
    16,
    34,
    35,
    36,
    43,
    45,
    49,
    52,
    56,
    58,
    95,
    96,
    98,
    108,
    112,
    115,
    122,
    123,
    128,
    141,
    268,
    269,
]

value = st.one_of(
    st.sampled_from(
        [
            b"",
            b"Y",
            b"N",
            b"0",
            b"1",
            b"2",
            b"3",
            b"5",
            b"100",
            b"-1",
            b"A",
            b"SIM",
            b"FH",
            NOW,
            b"9" * 18,
            b"9" * 30,
        ]
    ),
    st.binary(max_size=8),
)
field = st.tuples(st.one_of(st.sampled_from(TAGS), st.integers(-2, 10**10)), value)
msg_type = st.sampled_from([b"0", b"1", b"2", b"3", b"4", b"5", b"A", b"W", b"X", b"", b"ABCD"])


@st.composite
def message(draw):
    """Well framed, otherwise anything; the header is often right so that the rules are reached."""
    body = b"35=%b\x01" % draw(msg_type)
    if draw(st.booleans()):
        body += HEAD + b"34=%d\x01" % draw(st.integers(0, 12))
    body += b"".join(b"%d=%b\x01" % pair for pair in draw(st.lists(field, max_size=6)))
    return frame(draw(st.sampled_from([b"FIX.4.4", b"FIX.4.4", b"FIX.4.4", b"FIX.4.2"])), body)


def session(role: Role, queue_max: int, resend: bool) -> Session:
    config = SessionConfig(
        role=role, sender="FH", target="SIM", queue_max=queue_max, resend_on_gap=resend,
        message_bytes_max=4096, output_bytes_max=100_000,
    )  # fmt: skip
    it = Session(config, MemoryStore(20))
    it.connected(T0)
    logon = b"35=A\x01" + HEAD + b"34=1\x0198=0\x01108=30\x01"
    it.receive(frame(b"FIX.4.4", logon), T0)
    assert it.state is SessionState.LOGGED_ON
    for _ in range(5):
        it.send(b"V", [(262, b"x")], T0)
    return it


stream = st.lists(
    st.one_of(
        message(),
        message(),
        st.binary(max_size=40),
        st.sampled_from([b"8=FIX.4.4\x01", b"9=5\x01", b"\x0110=000\x01"]),
    ),
    max_size=20,
)


@settings(max_examples=1500, deadline=None)
@given(
    st.sampled_from(Role),
    st.sampled_from([0, 5]),
    st.booleans(),
    stream,
    st.integers(1, 300),
    st.integers(0, 100),
)
def test_streams(role, queue_max, resend, pieces, size, seconds):
    it = session(role, queue_max, resend)
    data = b"".join(pieces)
    now_ns = T0
    for begin in range(0, len(data), size):
        before = it.next_out
        it.receive(data[begin : begin + size], now_ns)
        if not any(b"\x01141=Y" in piece for piece in pieces):
            assert it.next_out >= before
        it.poll(now_ns)
        assert it.next_in >= 1
        assert len(it._queue) <= queue_max
        assert it.next_timer_ns() > 0
    it.poll(now_ns + seconds * 10**9)
    it.take_events()
    it.take_output()
    it.logout("enough", now_ns)
    it.disconnected(now_ns)
    it.connected(now_ns)
    assert it.state in (SessionState.CONNECTED, SessionState.LOGON_SENT)


@settings(max_examples=1000, deadline=None)
@given(st.binary(max_size=200))
def test_on_message_takes_any_bytes(raw):
    it = session(Role.INITIATOR, 5, resend=True)
    it.on_message(raw, T0)
    assert it.next_in in (2, 3)


@settings(max_examples=1000, deadline=None)
@given(st.binary(max_size=200))
def test_decode_takes_any_bytes(raw):
    decoded = decode(raw)
    assert isinstance(decoded, Message | Malformed)
    if isinstance(decoded, Message):
        # Nothing between the first byte and the last is left out.
        assert sum(len(value) for _, value in decoded.fields) + raw.count(b"=") >= len(decoded.fields)
        assert b"".join(value for _, value in decoded.fields[-1:]) + b"\x01" == raw[-len(decoded.fields[-1][1]) - 1 :]
    encode_resent(raw, NOW)
