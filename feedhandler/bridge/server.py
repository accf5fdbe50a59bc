"""The WebSocket server: picows connections around a hub, and the timers that hub and upstream need."""

import asyncio
import gc
import socket
from http import HTTPStatus
from typing import Any

from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from feedhandler import clock, config
from feedhandler.bridge import protocol
from feedhandler.bridge.client import Client
from feedhandler.bridge.hub import Hub
from feedhandler.bridge.protocol import Fault
from feedhandler.bridge.requests import Desk
from feedhandler.bridge.upstream import Upstream

SEND_BUFFER_BYTES = 256 * 1024  # of the kernel: what is in there cannot be conflated any more
HIGH_WATER_BYTES = 256 * 1024  # of the transport: above it a client is slow
LOW_WATER_BYTES = 32 * 1024
REPLIES_BYTES_MAX = 8 << 20  # a client that asks and asks and never reads is cut here
FRAME_FACTOR = 16  # up to this many times max_message_bytes a message is answered with an error, above it closed
AUTH_TIMEOUT_NS = 10_000_000_000
CLOSE_GRACE_S = 2.0
TURN_S = 0.05
BUSY_TURN_S = 0.002
COLLECT_NS = 10_000_000_000


class Connection(WSListener):
    """One accepted WebSocket. All callbacks run on the loop's thread."""

    def __init__(self, server: "Server", *, authorised: bool) -> None:
        super().__init__()
        self._server = server
        self._authorised = authorised
        self._parts: list[bytes] = []
        self.transport: WSTransport | None = None
        self.client: Client | None = None
        self.opened_ns = 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Set the buffers and join the hub."""
        self.transport = transport
        self.opened_ns = clock.monotonic_ns()
        under = transport.underlying_transport
        under.set_write_buffer_limits(high=HIGH_WATER_BYTES, low=LOW_WATER_BYTES)
        sock = under.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.client = self._server.joined(self, authorised=self._authorised)

    def write(self, message: bytes) -> None:
        """Send one text message."""
        transport = self.transport
        if transport is not None and not transport.is_disconnected and not transport.is_close_frame_sent:
            transport.send(WSMsgType.TEXT, message)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a frame; whatever is in it, the connection's task survives."""
        try:
            self._frame(transport, frame)
        except Exception:  # noqa: BLE001 - the last line of defence: logged, counted, answered
            self._server.failed(self)

    def _frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif kind in (WSMsgType.TEXT, WSMsgType.CONTINUATION):
            self._text(frame)
        elif kind == WSMsgType.BINARY and self.client is not None:
            self._server.desk.refuse(self.client, Fault(protocol.TEXT_ONLY, "requests are text messages"))

    def _text(self, frame: WSFrame) -> None:
        if not frame.fin or self._parts:
            self._parts.append(frame.get_payload_as_bytes())
            if sum(map(len, self._parts)) > self._server.frame_bytes_max:
                self.close(protocol.CLOSE_TOO_BIG, "message too big")
            if not frame.fin:
                return
            data, self._parts = b"".join(self._parts), []
        else:
            data = frame.get_payload_as_bytes()
        self._server.request(self, data)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002
        """Leave the hub."""
        self._server.left(self)

    def pause_writing(self) -> None:
        """Note that the client does not keep up."""
        if self.client is not None:
            self.client.pause(clock.monotonic_ns())

    def resume_writing(self) -> None:
        """Send what has waited."""
        if self.client is not None:
            self.client.resume(clock.monotonic_ns())

    def buffered(self) -> int:
        """Return how many bytes the transport holds for a client."""
        if self.transport is None:
            return 0
        return int(self.transport.underlying_transport.get_write_buffer_size())

    def close(self, code: int, reason: str) -> None:
        """Close with a code, after what is buffered; a client that does not take that in time is cut off."""
        transport = self.transport
        self._server.quit(self)
        if transport is not None and not transport.is_disconnected:
            transport.send_close(code, reason.encode())  # type: ignore[arg-type]  # application codes are plain numbers
            transport.disconnect()
            asyncio.get_running_loop().call_later(CLOSE_GRACE_S, transport.underlying_transport.abort)


class Server:
    """Accepts WebSockets and runs the turns of the hub. Owned by the loop it was started on."""

    def __init__(self, section: config.Bridge, publish: str, snapshot: str, log: Any) -> None:
        self.hub = Hub(section.client_queue_max)
        self.desk = Desk(self.hub, section.tokens, section.max_subscriptions, section.max_message_bytes)
        self.frame_bytes_max = FRAME_FACTOR * section.max_message_bytes
        self.connections: dict[Connection, None] = {}
        self.port = 0
        self.clients_total = self.refused = self.slow_closed = self.failures = 0
        self._section = section
        self._endpoints = (publish, snapshot)
        self._log = log
        self._upstream: Upstream | None = None
        self._server: Any = None
        self._collect_ns = 0

    async def start(self) -> None:
        """Listen and connect upstream. Raises OSError where the address is taken."""
        loop = asyncio.get_running_loop()
        section = self._section
        self._server = await ws_create_server(
            self._accept,
            section.host,
            section.port,
            max_frame_size=self.frame_bytes_max,
            enable_auto_ping=True,
            disconnect_on_exception=False,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._upstream = Upstream(self.hub, *self._endpoints, loop, section.flush_interval_us)
        # Nothing here makes cycles at the rate of the data; a collection on the hot path would cost milliseconds.
        gc.collect()
        gc.freeze()
        gc.disable()

    async def stop(self) -> None:
        """Close every connection as going away."""
        self.hub.flush()
        self._server.close()
        for connection in list(self.connections):
            connection.close(protocol.CLOSE_GOING_AWAY, "bridge stops")
        for _ in range(100):
            if not self.connections:
                break
            await asyncio.sleep(0.01)
        if self._upstream is not None:
            self._upstream.close()
        gc.unfreeze()
        gc.enable()

    def turn(self) -> float:
        """Do what time demands; return when to come again, s."""
        now_ns = self.hub.now_ns = clock.monotonic_ns()
        if self._upstream is not None:
            self._upstream.work()
        self.hub.tick()
        for connection in list(self.connections):
            self._check(connection, now_ns)
        if now_ns - self._collect_ns > COLLECT_NS:
            self._collect_ns = now_ns
            gc.collect()
        soon = self.hub.state.next_timer_ns() - now_ns < TURN_S * 1e9
        return BUSY_TURN_S if self.hub.busy or soon else TURN_S

    def _check(self, connection: Connection, now_ns: int) -> None:
        client = connection.client
        if client is None:
            return
        slow_ns = int(self._section.slow_close_s * 1e9)
        if client.slow and now_ns - client.slow_since_ns >= slow_ns:
            self.slow_closed += 1
            self._log.warning("slow client closed", client=client.name, held=len(client.held), queued=len(client.queue))
            connection.close(protocol.CLOSE_SLOW, "too slow")
        elif not client.authorised and now_ns - connection.opened_ns >= AUTH_TIMEOUT_NS:
            connection.close(protocol.CLOSE_NOT_AUTHORISED, "no token came")

    def _accept(self, request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
        if len(self.connections) >= self._section.max_clients:
            self.refused += 1
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, b"too many clients\n")
        header = request.headers.get("Authorization")
        if self.desk.open or header is None:
            return Connection(self, authorised=self.desk.open)
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not self.desk.accepts(token.strip()):
            self.refused += 1
            return _error(HTTPStatus.UNAUTHORIZED, b"unknown token\n")
        return Connection(self, authorised=True)

    # -- what connections call ---------------------------------------------------------------------

    def joined(self, connection: Connection, *, authorised: bool) -> Client:
        """Give a new connection its client."""
        self.connections[connection] = None
        self.clients_total += 1
        transport = connection.transport
        peer = transport.underlying_transport.get_extra_info("peername") if transport is not None else None
        name = f"{peer[0]}:{peer[1]}" if peer else f"client {self.clients_total}"
        return self.hub.connect(name, connection.write, authorised=authorised)

    def left(self, connection: Connection) -> None:
        """Forget a connection."""
        self.connections.pop(connection, None)
        self.quit(connection)

    def quit(self, connection: Connection) -> None:
        """Take a connection's client out of the hub."""
        if connection.client is not None:
            self.hub.disconnect(connection.client)
            connection.client = None

    def request(self, connection: Connection, data: bytes) -> None:
        """Answer one text message."""
        client = connection.client
        if client is None:
            return
        self.hub.now_ns = clock.monotonic_ns()
        if not self.desk.handle(client, data):
            connection.close(protocol.CLOSE_NOT_AUTHORISED, "unknown token")
        elif client.slow and connection.buffered() > REPLIES_BYTES_MAX:
            self.slow_closed += 1
            connection.close(protocol.CLOSE_SLOW, "replies are not read")
        if self._upstream is not None and self.hub.state.has_actions:
            self._upstream.work()

    def failed(self, connection: Connection) -> None:
        """Survive a fault of ours in one connection's request."""
        self.failures += 1
        self._log.exception("a request failed", client=connection.client.name if connection.client else "")
        if connection.client is not None:
            self.desk.refuse(connection.client, Fault(protocol.INTERNAL, "the request failed; it was logged"))


def _error(status: HTTPStatus, body: bytes) -> WSUpgradeResponseWithListener:
    return WSUpgradeResponseWithListener(WSUpgradeResponse.create_error_response(status, body), None)
