"""pyzmq's sockets for the data path: many messages a call, none of pyzmq's price a frame.

Python opens, configures and closes a socket; libzmq's own functions send and receive. Both by one thread, and only
while the socket is open.
"""

from typing import TYPE_CHECKING

from zmq.backend.cython import _zmq

from feedhandler import _native

if TYPE_CHECKING:
    import zmq

_MODULE = str(_zmq.__file__)


def sender(socket: "zmq.Socket[bytes]") -> _native.ZmqSocket:
    """Return the sending side of a socket. RuntimeError where pyzmq's libzmq is not as expected."""
    return _native.ZmqSocket(_MODULE, socket.underlying)


def receiver(socket: "zmq.Socket[bytes]") -> _native.ZmqInbound:
    """Return the receiving side of a socket whose messages have two or three frames. RuntimeError as for `sender`."""
    return _native.ZmqInbound(_MODULE, socket.underlying)
