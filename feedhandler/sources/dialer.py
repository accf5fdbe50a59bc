"""Which of a source's endpoints is tried next, when, and how far the attempt is. No session, no clock.

    first endpoint -> its addresses -> next endpoint -> ... -> all failed: wait, longer each round -> first endpoint

An attempt looks the name up, connects and, with TLS, shakes hands, all within the source's time-out. The first endpoint
is preferred: after a session that had logged on it is tried first again.
"""

import random
from collections.abc import Callable
from typing import Protocol

from feedhandler.config_source import Endpoint
from feedhandler.sources.connection import Connection
from feedhandler.sources.resolve import Address, Resolver

Open = Callable[[Address, Endpoint], Connection]
NEVER_NS = 1 << 62


class Pace(Protocol):
    """The keys of a source that say how patient it is."""

    connect_timeout_s: float
    reconnect_min_s: float
    reconnect_max_s: float


class DialError(OSError):
    """An attempt that failed: why, and at which endpoint. What comes next stands in `Dialer.next_ns`."""


class Dialer:
    """Attempts to reach one venue, one at a time."""

    def __init__(self, endpoints: list[Endpoint], resolver: Resolver, open_: Open, pace: Pace) -> None:
        """Take at least one endpoint; `open_` begins a connection to an address of an endpoint."""
        self.endpoints = endpoints
        self.next_ns = 0
        """When `begin` may be called: not before."""
        self.dialing = False
        self._resolver = resolver
        self._open = open_
        self._pace = pace
        self._turn = 0  # of the endpoint that is tried, or was last
        self._untried: list[Address] | None = None  # further addresses of it; None: not looked up
        self._connection: Connection | None = None
        self._deadline_ns = 0
        self._rounds = 0  # in which no endpoint could be logged on to

    @property
    def endpoint(self) -> Endpoint:
        """The one that is tried or was reached."""
        return self.endpoints[self._turn]

    def begin(self, now_ns: int) -> None:
        """Begin an attempt at the endpoint whose turn it is."""
        self.dialing = True
        self._deadline_ns = now_ns + int(self._pace.connect_timeout_s * 1e9)

    def poll(self, now_ns: int) -> Connection | None:
        """Return the connection once it stands, it is the caller's then; None: not yet. Raises DialError."""
        try:
            if self._step(now_ns):
                connection, self._connection = self._connection, None
                self.dialing = False
                return connection
        except OSError as error:
            raise self._failed(error.strerror or str(error), now_ns) from None
        if now_ns >= self._deadline_ns:
            what = "its address is still looked up" if self._untried is None else "no answer"
            raise self._failed(f"{what} after {self._pace.connect_timeout_s:g} s", now_ns)
        return None

    def _step(self, now_ns: int) -> bool:
        if self._untried is None:
            found = self._resolver.addresses(self.endpoint, now_ns)
            if found is None:
                return False
            self._untried = list(found)
        if self._connection is None:
            self._connection = self._open(self._untried.pop(0), self.endpoint)
        return self._connection.opened()

    def _failed(self, why: str, now_ns: int) -> DialError:
        error = DialError(f"{self.endpoint}: {why}")
        self.cancel()
        if not self._untried:  # another address of the same name is tried first
            self._next_turn(now_ns)
        return error

    def _next_turn(self, now_ns: int) -> None:
        self._untried = None
        self._turn = (self._turn + 1) % len(self.endpoints)
        if self._turn == 0:
            self._back_off(now_ns)

    def lost(self, now_ns: int, *, logged_on: bool) -> None:
        """Note that a connection ended; `logged_on`: its session was, so begin at the first endpoint soon."""
        self._untried = None
        if logged_on:
            self._turn = self._rounds = 0
            self._back_off(now_ns)
        else:
            self._next_turn(now_ns)

    def _back_off(self, now_ns: int) -> None:
        """Wait longer after each round, up to the limit, and never in step with others."""
        pace = self._pace
        limit_s = min(pace.reconnect_max_s, pace.reconnect_min_s * 2 ** min(self._rounds, 30))
        self._rounds += 1
        self.next_ns = now_ns + int(limit_s * random.uniform(0.5, 1.0) * 1e9)  # noqa: S311

    def cancel(self) -> None:
        """Give an attempt up, if there is one."""
        self.dialing = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None
