"""The receive loop over a socket pair: what is read when."""

import socket

import pytest

from feedhandler import _native
from tests.support.fix_line import HEAD, Line, message

SECOND = 1_000_000_000


def line_over_a_socket(folder, coalesce_ns):
    line = Line(folder)
    line.loop = loop = _native.FixLoop(line.ring, False, coalesce_ns)
    loop.add_session(line.table, 9, 0, 1 << 20, 4096)
    loop.add_symbol(0, b"EURUSD", 1)
    loop.set_sequence(0, 1, True)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    loop.attach(0, ours.fileno())
    return line, ours, theirs


def trade(seq):
    return message(f"35=X|34={seq}|{HEAD}268=1|279=0|269=2|55=EURUSD|270=1.{seq}|271=1|")


def test_messages_behind_a_read_share_the_next_one(tmp_path):
    """Read at once after a pause; then not again until the interval is over, and then all in one batch."""
    line, ours, theirs = line_over_a_socket(tmp_path, coalesce_ns=SECOND // 5)
    with ours, theirs:
        theirs.sendall(trade(1))
        line.loop.run(SECOND // 10)
        assert list(line.read()["price"]) == [1.1]
        theirs.sendall(trade(2))
        theirs.sendall(trade(3))
        line.loop.run(0)
        assert list(line.read()["price"]) == []
        reads = line.loop.counts(0)["reads"]
        line.loop.run(SECOND)
        assert list(line.read()["price"]) == [1.2, 1.3]
        assert line.loop.counts(0)["reads"] == reads + 1


def test_without_an_interval_everything_is_read_at_once(tmp_path):
    line, ours, theirs = line_over_a_socket(tmp_path, coalesce_ns=0)
    with ours, theirs:
        for seq in (1, 2, 3):
            theirs.sendall(trade(seq))
            line.loop.run(0)
            assert list(line.read()["price"]) == [float(f"1.{seq}")]


def test_a_removed_symbol_is_nobodys_and_the_others_are_found(tmp_path):
    line = Line(tmp_path)
    names = [f"SYM{i}" for i in range(200)]  # enough to collide and to grow
    for number, name in enumerate(names, 10):
        line.loop.add_symbol(0, name.encode(), number)
    assert all(line.loop.remove_symbol(0, name.encode()) for name in names[::2])
    assert not line.loop.remove_symbol(0, names[0].encode())
    for name in names:
        line.send("X", f"268=1|279=0|269=2|55={name}|270=1.5|271=1|")
    assert line.loop.counts(0)["unknown_symbol"] == 100
    line.loop.add_symbol(0, names[0].encode(), 10)
    (record,) = line.send("X", f"268=1|279=0|269=2|55={names[0]}|270=1.5|271=1|")
    assert record["instrument"] == 10


def test_a_removed_session_leaves_its_place_and_the_others_alone(tmp_path):
    line, ours, theirs = line_over_a_socket(tmp_path, coalesce_ns=0)
    loop = line.loop
    with ours, theirs:
        other = loop.add_session(line.table, 10, 1, 1 << 20, 4096)
        theirs.sendall(trade(1) + trade(2)[:20])
        loop.run(0)
        loop.remove_session(other)
        for call in (loop.counts, loop.next_in, loop.remove_session):
            with pytest.raises(IndexError):
                call(other)
        theirs.sendall(trade(2)[20:])  # half a message was buffered
        loop.run(0)
        assert list(line.read()["price"]) == [1.1, 1.2]
        assert loop.next_in(0) == 3
        assert loop.add_session(line.table, 11, 2, 1 << 20, 4096) == other
        assert loop.next_in(other) == 0


def test_a_socket_that_its_owner_reads_is_only_told_of(tmp_path):
    line, ours, theirs = line_over_a_socket(tmp_path, coalesce_ns=0)
    with ours, theirs:
        line.loop.attach(0, ours.fileno(), foreign=True)
        assert line.loop.run(0)[0] == _native.LoopCode.IDLE
        theirs.sendall(trade(1) + message(f"35=0|34=2|{HEAD}") + trade(3))
        assert line.loop.run(SECOND)[:2] == (_native.LoopCode.READABLE, 0)
        handed = line.loop.feed(0, bytearray(ours.recv(4096)), 5)
        assert b"35=0" in handed
        line.loop.set_sequence(0, 3, True)
        assert line.loop.run(0)[0] == _native.LoopCode.IDLE, "run works off what stands behind the message"
        assert list(line.read()["price"]) == [1.1, 1.3]
        theirs.close()
        assert line.loop.run(SECOND)[0] == _native.LoopCode.READABLE, "the end is the owner's to read, too"
