"""Heartbeats: when to send one, when to ask for one, when to give up. QuickFIX's factors."""

from enum import Enum
from typing import Final

from feedhandler.wire.fix_time import NS_PER_SECOND

NEVER_NS: Final = 2**63 - 1


class Due(Enum):
    """What the clock asks for."""

    NOTHING = 0
    HEARTBEAT = 1
    TEST_REQUEST = 2
    GIVE_UP = 3


class Liveness:
    """Silence on both directions of one connection. All times ns since the epoch, handed in.

    After 1.2 intervals without a byte from the peer a TestRequest is due, after 2.4 the end; while a
    TestRequest is open no Heartbeat is sent.
    """

    def __init__(self, heartbeat_s: int) -> None:
        """`heartbeat_s` 0 = never anything due."""
        self.interval_ns = heartbeat_s * NS_PER_SECOND
        self.last_sent_ns = 0
        self.last_heard_ns = 0
        self.tests_open = 0

    def start(self, now_ns: int) -> None:
        """Begin anew with a connection."""
        self.last_sent_ns = self.last_heard_ns = now_ns
        self.tests_open = 0

    def heard(self, now_ns: int) -> None:
        """Note a valid message from the peer."""
        self.last_heard_ns = now_ns
        self.tests_open = 0

    def sent(self, now_ns: int) -> None:
        """Note a message to the peer."""
        self.last_sent_ns = now_ns

    def _test_at_ns(self) -> int:
        return self.last_heard_ns + self.interval_ns * 6 * (self.tests_open + 1) // 5

    def _give_up_at_ns(self) -> int:
        return self.last_heard_ns + self.interval_ns * 12 // 5

    def due(self, now_ns: int) -> Due:
        """Most urgent thing at `now_ns`."""
        if self.interval_ns == 0:
            return Due.NOTHING
        if now_ns >= self._give_up_at_ns():
            return Due.GIVE_UP
        if now_ns >= self._test_at_ns():
            return Due.TEST_REQUEST
        if now_ns >= self.last_sent_ns + self.interval_ns and not self.tests_open:
            return Due.HEARTBEAT
        return Due.NOTHING

    def next_due_ns(self) -> int:
        """When `due` will next say something."""
        if self.interval_ns == 0:
            return NEVER_NS
        soonest = min(self._test_at_ns(), self._give_up_at_ns())
        return soonest if self.tests_open else min(soonest, self.last_sent_ns + self.interval_ns)
