"""An initiator against an acceptor in memory: cut at random, messages lost at random, connections dropped.

Whatever happens, once the line is good again both ends agree and every application message arrived once.
"""

from fix_text import SECOND, T0
from hypothesis import given, settings
from hypothesis import strategies as st

from feedhandler.wire.fix_frame import Framer
from feedhandler.wire.fix_session import (
    App,
    Disconnect,
    MemoryStore,
    Role,
    Session,
    SessionConfig,
    SessionState,
)


class Line:
    """Both sessions, the bytes under way in each direction, and a clock."""

    def __init__(self, draw, queue_max):
        settings_ = {"heartbeat_s": 30, "resend_timeout_s": 5, "queue_max": queue_max}
        self.ends = [
            Session(SessionConfig(role=Role.INITIATOR, sender="A", target="B", **settings_), MemoryStore()),
            Session(SessionConfig(role=Role.ACCEPTOR, sender="B", target="A", **settings_), MemoryStore()),
        ]
        self.under_way = [bytearray(), bytearray()]
        self.received = [[], []]
        self.sent = [[], []]
        self.draw = draw
        self.now_ns = T0

    def up(self):
        return all(end.state is SessionState.LOGGED_ON for end in self.ends)

    def reconnect(self):
        for end, data in zip(self.ends, self.under_way, strict=True):
            end.disconnected(self.now_ns)
            data.clear()
        for end in reversed(self.ends):
            end.connected(self.now_ns)

    def send(self, side):
        number = len(self.sent[side])
        if self.ends[side].send(b"X", [(58, b"%d" % number)], self.now_ns):
            self.sent[side].append(number)

    def lose_one(self, side):
        """Drop one whole message out of what is under way from `side`."""
        self.collect(side)
        messages = [raw for raw, _ in Framer().feed(bytes(self.under_way[side]))]
        whole = len(b"".join(messages))
        if messages:
            del messages[self.draw(st.integers(0, len(messages) - 1))]
            self.under_way[side][:whole] = b"".join(messages)

    def collect(self, side):
        self.under_way[side] += self.ends[side].take_output()

    def deliver(self, side, size):
        """Up to `size` bytes from `side` to the other."""
        self.collect(side)
        other = 1 - side
        data = bytes(self.under_way[side][:size])
        del self.under_way[side][:size]
        self.ends[other].receive(data, self.now_ns)
        self.note(other)

    def note(self, side):
        for event in self.ends[side].take_events():
            if isinstance(event, App):
                self.received[side].append(int(event.raw.split(b"\x0158=")[1].split(b"\x01")[0]))
            elif isinstance(event, Disconnect):
                self.collect(side)
                self.ends[1 - side].receive(bytes(self.under_way[side]), self.now_ns)
                self.under_way[side].clear()

    def settle(self):
        """A good line for as long as it takes: reconnects and heartbeats reveal what was lost."""
        for _ in range(40):
            if any(end.state is SessionState.DISCONNECTED for end in self.ends):
                self.reconnect()
            self.now_ns += 6 * SECOND
            for side, end in enumerate(self.ends):
                end.poll(self.now_ns)
                self.note(side)
            for _ in range(60):
                self.deliver(0, 1 << 20)
                self.deliver(1, 1 << 20)

    def agree(self):
        first, second = self.ends
        return (first.next_in, first.next_out) == (second.next_out, second.next_in)


STEPS = st.sampled_from(
    [
        "send0",
        "send0",
        "send1",
        "send1",
        "send1",
        "deliver0",
        "deliver1",
        "deliver1",
        "lose0",
        "lose1",
        "wait",
        "drop",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from([0, 100]))
def test_two_sessions_converge(data, queue_max):
    line = Line(data.draw, queue_max)
    line.reconnect()
    line.settle()
    assert line.up()
    for step in data.draw(st.lists(STEPS, max_size=60)):
        side = int(step[-1]) if step[-1].isdigit() else 0
        match step.rstrip("01"):
            case "send":
                line.send(side)
            case "deliver":
                line.deliver(side, data.draw(st.integers(1, 400)))
            case "lose":
                line.lose_one(side)
            case "wait":
                line.now_ns += SECOND
            case "drop":
                line.reconnect()
    line.settle()
    assert line.up()
    assert line.agree()
    assert line.received[0] == line.sent[1]
    assert line.received[1] == line.sent[0]


def test_plain_exchange_byte_by_byte():
    line = Line(None, 0)
    line.reconnect()
    for _ in range(300):
        line.deliver(0, 1)
        line.deliver(1, 1)
    assert line.up()
    for _ in range(5):
        line.send(0)
        line.send(1)
    for _ in range(2000):
        line.deliver(0, 1)
        line.deliver(1, 1)
    assert line.received == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]
    assert line.agree()
