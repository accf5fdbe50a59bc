"""Control: one ROUTER a process on an ipc socket, msgpack maps (docs/contracts/control.md).

A request is `{"op": "...", ...}`, a reply `{"ok": true, ...}` or `{"ok": false, "error": "..."}`.
The socket's file has mode 0600: whoever may open it may command the process.
"""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import msgspec
import structlog
import zmq

from feedhandler import limits
from feedhandler.errors import AlreadyRunningError, ControlError

Request = dict[str, Any]
Reply = dict[str, Any]
Operation = Callable[[Request], "Reply | None"]

_decode_map = msgspec.msgpack.Decoder(dict[str, Any]).decode
_encode = msgspec.msgpack.Encoder().encode


def endpoint_of(path: str | Path) -> str:
    """Return the ZeroMQ endpoint of a socket's path; an endpoint is returned as it is."""
    text = str(path)
    return text if "://" in text else f"ipc://{text}"


def readable(socket: "zmq.Socket[bytes]") -> bool:
    """Tell whether a receive would succeed: the common "no" without the price of an exception."""
    return bool(int(socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)


class ControlServer:
    """Answers control requests, one at a time, on the thread that calls `poll`.

    `status` and `stop` are built in: `facts` and `status_fn` add to the former, `stop` sets `stop_requested` and calls
    `stop_fn`. An operation that raises is answered with its error and logged: it never ends the process.
    `counted` is called after each request, when `served`, `malformed` and `failed` may have changed.
    Raises AlreadyRunningError where a living process serves the path already.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        name: str = "",
        log: Any = None,
        facts: Callable[[], Reply] | None = None,
        counted: Callable[[], None] | None = None,
    ) -> None:
        self.path = Path(str(path).removeprefix("ipc://"))
        self.name = name or self.path.stem
        self.status_fn: Callable[[], Reply] | None = None
        self.stop_fn: Callable[[], None] | None = None
        self.stop_requested = False
        self.served = 0
        self.malformed = 0
        self.failed = 0
        self._log = log if log is not None else structlog.get_logger(component="control")
        self._facts = facts
        self._counted = counted
        self._operations: dict[str, Operation] = {}
        self._builtin: dict[str, Operation] = {"status": self._status, "stop": self._stop}
        self._context = zmq.Context()
        self.socket: zmq.Socket[bytes] = self._context.socket(zmq.ROUTER)
        try:
            self._bind()
        except BaseException:
            self._context.destroy(linger=0)
            raise

    def _bind(self) -> None:
        if len(os.fsencode(self.path)) > limits.UNIX_SOCKET_PATH_BYTES_MAX:
            raise ControlError(f"{self.path}: a socket's path has at most {limits.UNIX_SOCKET_PATH_BYTES_MAX} bytes")
        # libzmq takes over the file of a living server without a word, so ask first.
        if _is_served(self.path):
            raise AlreadyRunningError(f"{self.path}: another process serves this socket")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.socket.setsockopt(zmq.LINGER, limits.CONTROL_LINGER_MS)
        self.socket.setsockopt(zmq.MAXMSGSIZE, limits.CONTROL_REQUEST_BYTES_MAX)
        # Never open to others, not even between bind and chmod.
        before = os.umask(0o177)
        try:
            self.socket.bind(f"ipc://{self.path}")
        except zmq.ZMQError as error:
            raise ControlError(f"{self.path}: {error}") from error
        finally:
            os.umask(before)
        self.path.chmod(0o600)

    def register(self, op: str, operation: Operation) -> None:
        """Serve `op` by `operation(request) -> reply`, called on the thread that polls: it must return soon.

        A process may replace `status` and `stop`; any other operation is registered once.
        """
        if op in self._operations:
            raise ValueError(f"control operation {op!r} is registered already")
        self._operations[op] = operation

    def poll(self, limit: int = limits.CONTROL_REQUESTS_PER_POLL) -> int:
        """Serve what is pending, at most `limit` requests; return how many. Never blocks."""
        if not readable(self.socket):
            return 0
        for count in range(limit):
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return count
            self._serve(frames)
        return limit

    def _serve(self, frames: list[bytes]) -> None:
        # A REQ or our client sends an empty frame first; a bare DEALER may leave it out.
        enveloped = len(frames) == 3 and frames[1] == b""
        if enveloped or len(frames) == 2:
            reply = self._answer(frames[-1])
        else:
            self.malformed += 1
            reply = _refusal("a request is one frame")
        if self._counted is not None:
            self._counted()
        envelope = [frames[0], b""] if enveloped else [frames[0]]
        try:
            self.socket.send_multipart([*envelope, reply], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            self._log.warning("control reply dropped", error=str(error))

    def _answer(self, payload: bytes) -> bytes:
        try:
            request = _decode_map(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self.malformed += 1
            return _refusal(f"a request is a msgpack map with text keys: {error}")
        op = request.get("op")
        if not isinstance(op, str):
            self.malformed += 1
            return _refusal("a request has a text 'op'")
        operation = self._operations.get(op) or self._builtin.get(op)
        if operation is None:
            self.malformed += 1
            known = ", ".join(sorted({*self._operations, *self._builtin}))
            return _refusal(f"unknown op {op[:64]!r}; {self.name} knows {known}")
        try:
            result = operation(request)
            encoded = _encode({"ok": True, **(result or {})})
        except Exception as error:  # noqa: BLE001
            # The border of a foreign callback: whatever it raises is its caller's answer, not our end.
            self.failed += 1
            self._log.exception("control operation failed", op=op)
            return _refusal(f"{type(error).__name__}: {error}")
        self.served += 1
        return encoded

    def _status(self, _request: Request) -> Reply:
        own = {"name": self.name, "pid": os.getpid(), **(self._facts() if self._facts else {})}
        control = {"served": self.served, "malformed": self.malformed, "failed": self.failed}
        return {**own, "control": control, **(self.status_fn() if self.status_fn else {})}

    def _stop(self, _request: Request) -> Reply:
        self.stop_requested = True
        if self.stop_fn:
            self.stop_fn()
        return {"stopping": True}

    def close(self) -> None:
        """Stop serving; replies on their way get a moment to leave. Safe to call twice."""
        if not self.socket.closed:
            self.socket.close()
            self._context.term()
            self.path.unlink(missing_ok=True)
        # Operations refer to what they operate on, which often refers to us: end the circle.
        self._operations.clear()
        self.status_fn = self.stop_fn = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def call(path: str | Path, op: str, timeout_s: float = 5.0, **fields: Any) -> Reply:
    """Ask the process behind `path` for `op` and return its reply, without `ok`.

    Waits up to `timeout_s` for a server that is still starting. Raises ControlError where the server
    refuses (its error text) or does not answer in time.
    """
    client: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    try:
        client.setsockopt(zmq.LINGER, 0)
        client.setsockopt(zmq.RECONNECT_IVL, limits.CONTROL_RECONNECT_MS)
        client.setsockopt(zmq.SNDTIMEO, max(1, int(timeout_s * 1000)))
        client.setsockopt(zmq.RCVTIMEO, max(1, int(timeout_s * 1000)))
        client.connect(endpoint_of(path))
        client.send_multipart([b"", _encode({"op": op, **fields})])
        reply = _decode_map(client.recv_multipart()[-1])
    except zmq.Again:
        raise ControlError(f"{path}: no answer to {op!r} within {timeout_s:g} s") from None
    except (zmq.ZMQError, msgspec.MsgspecError) as error:
        raise ControlError(f"{path}: {error}") from error
    finally:
        client.close()
    if reply.pop("ok", False) is not True:
        raise ControlError(str(reply.get("error", "refused without a reason")))
    return reply


def _refusal(error: str) -> bytes:
    return _encode({"ok": False, "error": error})


def _is_served(path: Path) -> bool:
    probe = socket.socket(socket.AF_UNIX)
    try:
        probe.settimeout(0.2)
        probe.connect(str(path))
    except OSError:
        return False
    else:
        return True
    finally:
        probe.close()
