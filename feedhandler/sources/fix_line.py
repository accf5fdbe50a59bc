"""The line of one FIX source to its venue: dialling, the connection, and its place in the native loop. No session."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from feedhandler import _native
from feedhandler.sources.dialer import Dialer
from feedhandler.sources.fix_log import SourceLog
from feedhandler.sources.tls import RECEIVE_BYTES

if TYPE_CHECKING:
    from feedhandler.sources.connection import Connection


class Line:
    """One connection at a time, attached to session `index` of the loop while it stands."""

    def __init__(self, loop: _native.FixLoop, index: int, dialer: Dialer, log: SourceLog) -> None:
        self.dialer = dialer
        self._loop = loop
        self._index = index
        self._log = log
        self._connection: Connection | None = None
        self._buffer = np.zeros(0, np.uint8)  # for what the native loop cannot read; made when it is needed

    @property
    def up(self) -> bool:
        """There is a connection."""
        return self._connection is not None

    @property
    def busy(self) -> bool:
        """A connection is being opened, or output waits for the socket: look again soon."""
        return self.dialer.dialing or (self._connection is not None and self._connection.backlog > 0)

    @property
    def description(self) -> str:
        """How the venue is reached; "" where it is not."""
        return self._connection.description if self._connection is not None else ""

    def dial(self, now_ns: int) -> bool:
        """Go on with an attempt, or begin one; True once the line is up. Raises OSError where the attempt failed."""
        if not self.dialer.dialing:
            self.dialer.begin(now_ns)
        connection = self.dialer.poll(now_ns)
        if connection is None:
            return False
        self._connection = connection
        if connection.foreign and not len(self._buffer):
            self._buffer = np.zeros(RECEIVE_BYTES, np.uint8)
        self._loop.attach(self._index, connection.fileno(), connection.foreign)
        self._log.info("connected", endpoint=str(self.dialer.endpoint), by=connection.description)
        return True

    def read(self) -> tuple[bool, bytes | None]:
        """Read what the native loop cannot, which is TLS, and let it decode that.

        Returns (False, None) where the venue closed, else a message for the session, if one came; what stands behind
        it the next run of the loop works off. Raises OSError where the connection is broken.
        """
        if self._connection is None:
            return True, None
        count = self._connection.receive(self._buffer.data)
        if count is None:
            return True, None
        if count == 0:
            return False, None
        message: Any = self._loop.feed(self._index, self._buffer[:count], self._loop.now_ns())
        return True, message

    def send(self, data: bytes) -> None:
        """Write now what the socket takes, the rest later; nothing where the line is down. Raises OSError."""
        if self._connection is None:
            return
        if data:
            self._log.sent(data)
        self._connection.send(data)

    def hang_up(self, last: bytes, now_ns: int, *, logged_on: bool) -> None:
        """Close, with last words where they can be written; when to dial again depends on how far this came."""
        with suppress(OSError):  # it may be broken, which is why it is given up
            self.send(last)
        self._loop.detach(self._index)
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self.dialer.lost(now_ns, logged_on=logged_on)
