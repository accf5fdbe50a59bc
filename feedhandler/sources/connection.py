"""A non-blocking TCP connection to a venue: opening and writing. Reading is the native loop's."""

import errno
import os
import select
import socket

from feedhandler.sources.resolve import Address

OUTPUT_BYTES_MAX = 64 * 1024 * 1024
"""More than this unread by the venue: the connection is given up."""


class Connection:
    """Begins to connect at construction. Raises OSError where that fails at once."""

    foreign = False
    """Whether the native loop leaves reading to us (`receive`); tls.py's connections are read here."""

    def __init__(self, address: Address) -> None:
        self._socket = socket.socket(address.family, address.kind, address.protocol)
        self._output = bytearray()
        self._connecting = True
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        error = self._socket.connect_ex(address.address)
        if error not in (0, errno.EINPROGRESS):
            self._socket.close()
            raise OSError(error, os.strerror(error))

    def opened(self) -> bool:
        """Tell whether the connection stands now. Raises OSError where it failed."""
        return self._connected()

    def _connected(self) -> bool:
        if not self._connecting:
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        if not poll.poll(0):
            return False
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        self._connecting = False
        return True

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    @property
    def description(self) -> str:
        """What an operator should know of the connection: nothing more than TCP."""
        return "tcp"

    @property
    def backlog(self) -> int:
        """Bytes that the socket has not taken yet."""
        return len(self._output)

    def send(self, data: bytes) -> None:
        """Write what the socket takes and keep the rest for the next call. Raises OSError where it is broken."""
        self._output += data
        if not self._output:
            return
        del self._output[: self._write()]
        if len(self._output) > OUTPUT_BYTES_MAX:
            raise OSError("the venue does not read what we send")

    def _write(self) -> int:
        """Give the output to the socket; return how many bytes it took."""
        try:
            return self._socket.send(self._output)
        except (BlockingIOError, InterruptedError):
            return 0

    def receive(self, into: memoryview) -> int | None:
        """Read (only where `foreign`); None: nothing yet; 0: the venue closed. Raises OSError where it is broken."""
        raise NotImplementedError

    def close(self) -> None:
        """Close at once; unsent bytes are lost."""
        self._socket.close()
