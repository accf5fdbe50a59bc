"""pyzmq's sockets through libzmq's own functions: whole messages in order, odd ones counted, refusals raised."""

import _ctypes
from collections.abc import Iterator

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from feedhandler import _native, zmq_native

FRAMES = st.lists(st.binary(max_size=300), min_size=1, max_size=5)


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple["zmq.Socket[bytes]", "zmq.Socket[bytes]"]]:
    """Two sockets in one thread that hand messages over at once."""
    context = zmq.Context()
    left, right = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    left.bind("inproc://pair")
    right.connect("inproc://pair")
    yield left, right
    context.destroy(linger=0)


def triples(frames: list) -> list[tuple]:
    turns = iter(frames)
    return list(zip(turns, turns, turns, strict=True))


@given(messages=st.lists(FRAMES, max_size=20))
def test_receives_what_pyzmq_sends(pair, messages):
    left, right = pair
    inbound = zmq_native.receiver(right)
    for message in messages:
        left.send_multipart(message)
    got = triples(inbound.receive(1000))
    ours = [message for message in messages if len(message) in (2, 3)]
    assert got == [(m[0], m[1], m[2] if len(m) == 3 else None) for m in ours]
    assert (inbound.emptied, inbound.odd) == (True, len(messages) - len(ours))


@given(messages=st.lists(st.lists(st.binary(max_size=300), min_size=2, max_size=3), max_size=20))
def test_pyzmq_receives_what_we_send(pair, messages):
    left, right = pair
    frames = [frame for message in messages for frame in (*message, None)[:3]]
    assert zmq_native.sender(left).send(frames) == sum(len(frame) for message in messages for frame in message[1:])
    assert [right.recv_multipart(zmq.NOBLOCK) for _ in messages] == messages
    with pytest.raises(zmq.Again):
        right.recv(zmq.NOBLOCK)


def test_a_bound_leaves_the_rest_for_the_next_call(pair):
    left, right = pair
    inbound = zmq_native.receiver(right)
    for number in range(5):
        left.send_multipart([b"t", b"%d" % number])
    left.send(b"odd")
    assert triples(inbound.receive(3)) == [(b"t", b"0", None), (b"t", b"1", None), (b"t", b"2", None)]
    assert not inbound.emptied
    # An odd message counts towards the bound: a flood of them cannot keep the call from returning.
    assert triples(inbound.receive(3)) == [(b"t", b"3", None), (b"t", b"4", None)]
    assert not inbound.emptied
    assert inbound.receive(3) == []
    assert (inbound.emptied, inbound.odd) == (True, 1)


def test_what_libzmq_refuses_is_an_os_error():
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        with pytest.raises(OSError, match="zmq_msg_recv"):
            zmq_native.receiver(push).receive(1)
        with pytest.raises(OSError, match="zmq_send"):
            zmq_native.sender(push).send([b"nobody", b"takes it", None])


def test_frames_come_three_a_message(pair):
    with pytest.raises(ValueError, match="three"):
        zmq_native.sender(pair[0]).send([b"topic", b"payload"])


def test_a_module_that_is_not_loaded_is_named():
    with pytest.raises(RuntimeError, match="not loaded: /no/such/module"):
        _native.ZmqSocket("/no/such/module", 0)


def test_a_module_without_libzmq_is_told_apart():
    with pytest.raises(RuntimeError, match="has no zmq_send"):
        _native.ZmqSocket(_ctypes.__file__, 0)
