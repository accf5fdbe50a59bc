"""The receive loop over a socket pair: what is read when."""

import socket

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
