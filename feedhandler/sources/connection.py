"""A non-blocking TCP connection to a venue: opening and writing. Reading is the native loop's."""

import errno
import os
import select
import socket

OUTPUT_BYTES_MAX = 64 * 1024 * 1024
"""More than this unread by the venue: the connection is given up."""


class Connection:
    """Begins to connect at construction. Raises OSError where that fails at once."""

    def __init__(self, host: str, port: int) -> None:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        self._socket = socket.socket(family, kind, protocol)
        self._output = bytearray()
        self.opening = True
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        error = self._socket.connect_ex(address)
        if error not in (0, errno.EINPROGRESS):
            self._socket.close()
            raise OSError(error, os.strerror(error))

    def opened(self) -> bool:
        """Tell whether the connection stands now. Raises OSError where it failed."""
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        if not poll.poll(0):
            return False
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        self.opening = False
        return True

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    @property
    def backlog(self) -> int:
        """Bytes that the socket has not taken yet."""
        return len(self._output)

    def send(self, data: bytes) -> None:
        """Write what the socket takes and keep the rest for the next call. Raises OSError where it is broken."""
        self._output += data
        if self.opening or not self._output:
            return
        try:
            sent = self._socket.send(self._output)
        except (BlockingIOError, InterruptedError):
            sent = 0
        del self._output[:sent]
        if len(self._output) > OUTPUT_BYTES_MAX:
            raise OSError("the venue does not read what we send")

    def close(self) -> None:
        """Close at once; unsent bytes are lost."""
        self._socket.close()
