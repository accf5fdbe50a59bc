"""The venue's FIX sessions: who may log on, what they may ask, and when they are let go.

The native venue owns the sockets and writes market data by itself; this side sees only what clients send.
Numbers are shared through the store: Python acts between native runs only.
"""

import re
from collections import Counter
from typing import Any, Final

import structlog

from feedhandler import _native
from feedhandler.sim import requests
from feedhandler.sim.requests import MarketDataRequest, Refusal
from feedhandler.sim.store import VenueStore
from feedhandler.wire.fix_events import App, Disconnect, LoggedOn, LoggedOut, Role, SessionConfig
from feedhandler.wire.fix_message import Field, Malformed, decode
from feedhandler.wire.fix_session import Session

_LOGON_BYTES_MAX: Final = 8192
_LOGON_TIMEOUT_NS: Final = 10_000_000_000
_LINGER_NS: Final = 1_000_000_000
_REQUESTS_KEPT: Final = 1000
_SENDER = re.compile(rb"\x0149=([^\x01]{1,64})\x01")
_COMPLETE = re.compile(rb"\x0110=\d{3}\x01")
_MESSAGE_TYPE = re.compile(rb"\x019=\d+\x0135=([^\x01]{1,3})\x01")


class _Connection:
    """One socket. `session` is None until the first message has said who is there."""

    def __init__(self, slot: int, now_ns: int) -> None:
        self.slot = slot
        self.opened_ns = now_ns
        self.client = ""
        self.session: Session | None = None
        self.first_bytes = b""
        self.type_tail = b""
        self.close_at_ns = 0  # set once it is to be closed, when its last bytes have left
        self.requested: dict[str, set[int]] = {}  # MDReqID -> instruments


class Acceptor:
    """All sessions of the venue. `now_ns` is realtime, ns. One thread."""

    def __init__(self, venue: _native.SimVenue, symbols: list[str], comp_id: str, log: Any = None) -> None:
        self._venue = venue
        self._index = {symbol: index for index, symbol in enumerate(symbols)}
        self._comp_id = comp_id
        self._log = log if log is not None else structlog.get_logger(component="sim")
        self._stores: dict[str, VenueStore] = {}
        self._connections: dict[int, _Connection] = {}
        self.by_type: Counter[str] = Counter()
        self.by_subscription: Counter[str] = Counter()  # instruments asked for, by 263
        self.requests: list[dict[str, Any]] = []
        self.refused_connections = 0
        self.refused_requests = 0

    # ---- connections ----

    def accept(self, fd: int, now_ns: int) -> None:
        """Take over a connected, non-blocking socket by its descriptor."""
        slot = self._venue.attach(fd)
        self._connections[slot] = _Connection(slot, now_ns)

    def arrived(self, slot: int, closed: bool, data: bytes, now_ns: int) -> None:
        """Handle what the native venue read: bytes, or the end of a connection and why."""
        connection = self._connections[slot]
        if closed:
            self._log.info("disconnected", client=connection.client, why=data.decode())
            self._forget(connection, now_ns)
            return
        self._count_types(connection, data)
        if connection.session is None:
            connection.first_bytes += data
            data = b""
            if _COMPLETE.search(connection.first_bytes):
                data, connection.first_bytes = connection.first_bytes, b""
                self._identify(connection, data, now_ns)
            elif len(connection.first_bytes) > _LOGON_BYTES_MAX:
                self._refuse(connection, "no Logon", now_ns)
        if connection.session is not None and data:
            connection.session.receive(data, now_ns)
            self._settle(connection, now_ns)

    def _identify(self, connection: _Connection, data: bytes, now_ns: int) -> None:
        sender = _SENDER.search(data)
        client = sender[1].decode("ascii", "replace") if sender else ""
        if not client or b"\x0135=A\x01" not in data[:64]:
            self._refuse(connection, "the first message is no Logon", now_ns)
        elif any(other.client == client and not other.close_at_ns for other in self._connections.values()):
            self._refuse(connection, f"{client} is connected already", now_ns)
        else:
            connection.client = client
            store = self._stores.get(client)
            if store is None:
                store = self._stores[client] = VenueStore(self._venue.add_resent)
            config = SessionConfig(
                role=Role.ACCEPTOR, sender=self._comp_id, target=client, heartbeat_s=30, time_precision="ns"
            )
            connection.session = Session(config, store)
            connection.session.connected(now_ns)

    def _refuse(self, connection: _Connection, why: str, now_ns: int) -> None:
        self.refused_connections += 1
        self._log.warning("connection refused", why=why)
        self._forget(connection, now_ns)

    def _forget(self, connection: _Connection, now_ns: int) -> None:
        if connection.session is not None:
            connection.session.disconnected(now_ns)
        self._venue.detach(connection.slot)
        del self._connections[connection.slot]

    def _count_types(self, connection: _Connection, data: bytes) -> None:
        data = connection.type_tail + data
        end = 0
        for found in _MESSAGE_TYPE.finditer(data):
            self.by_type[found[1].decode("ascii", "replace")] += 1
            end = found.end()
        connection.type_tail = data[max(end, len(data) - 32) :]  # a header may be cut by the read

    # ---- time ----

    def poll(self, now_ns: int) -> None:
        """Serve timers: heartbeats, time-outs, closings."""
        for connection in list(self._connections.values()):
            if connection.close_at_ns:
                if now_ns >= connection.close_at_ns or self._venue.backlog(connection.slot) == 0:
                    self._forget(connection, now_ns)
            elif connection.session is not None:
                connection.session.poll(now_ns)
                self._settle(connection, now_ns)
            elif now_ns - connection.opened_ns > _LOGON_TIMEOUT_NS:
                self._refuse(connection, "no Logon in time", now_ns)

    def drop(self, client: str | None, now_ns: int) -> int:
        """Cut connections without a word; `client` None means all. Returns how many."""
        chosen = [one for one in self._connections.values() if client is None or one.client == client]
        for connection in chosen:
            self._forget(connection, now_ns)
        return len(chosen)

    def logout(self, text: str, now_ns: int) -> None:
        """Begin to end all sessions properly."""
        for connection in list(self._connections.values()):
            if connection.session is not None:
                connection.session.logout(text, now_ns)
                self._settle(connection, now_ns)
            else:
                self._forget(connection, now_ns)

    def skip_next(self, count: int, client: str | None) -> int:
        """Make the next `count` messages numbered and stored, but not written; return of how many sessions."""
        chosen = [store for name, store in self._stores.items() if client is None or name == client]
        for store in chosen:
            store.native.skip_next += count
        return len(chosen)

    # ---- sessions ----

    @property
    def connected(self) -> int:
        """Open sockets."""
        return len(self._connections)

    def _settle(self, connection: _Connection, now_ns: int) -> None:
        """Act on a session's events in order; what it wrote leaves before market data that follows."""
        session = connection.session
        if session is None:
            return
        self._write(connection)
        for event in session.take_events():
            match event:
                case LoggedOn():
                    native = self._stores[connection.client].native
                    self._venue.log_on(connection.slot, native, connection.client)
                    self._log.info("logged on", client=connection.client, next_out=native.next_out)
                case LoggedOut(text=text):
                    self._venue.log_off(connection.slot)
                    self._log.info("logged out", client=connection.client, text=text)
                case App():
                    self._on_application(connection, event, now_ns)
                case Disconnect(reason=reason):
                    self._log.info("disconnecting", client=connection.client, why=reason)
                    connection.close_at_ns = now_ns + _LINGER_NS
                case _:
                    pass
        self._write(connection)

    def _write(self, connection: _Connection) -> None:
        if connection.session is not None and connection.session.has_output:
            self._venue.write(connection.slot, connection.session.take_output())

    def _on_application(self, connection: _Connection, event: App, now_ns: int) -> None:
        session = connection.session
        message = decode(event.raw)
        if session is None or isinstance(message, Malformed):
            return
        if event.msg_type != b"V":
            fields: list[Field] = [(45, b"%d" % event.seq), (372, event.msg_type), (380, b"3")]
            session.send(b"j", [*fields, (58, b"Unsupported Message Type")], now_ns)
            return
        request = requests.parse(message.fields)
        if isinstance(request, MarketDataRequest):
            unknown = [symbol for symbol in request.symbols if symbol not in self._index]
            if unknown:
                text = f"unknown symbol {unknown[0][:64]}"
                request = Refusal(request.request_id, requests.UNKNOWN_SYMBOL, text)
        if isinstance(request, Refusal):
            self.refused_requests += 1
            code = [(281, request.code.encode())] if request.code else []
            identity: list[Field] = [(262, request.request_id.encode("ascii", "replace"))]
            session.send(b"Y", [*identity, *code, (58, request.text.encode("ascii", "replace"))], now_ns)
            return
        self._write(connection)
        self._serve(connection, request, now_ns)

    def _serve(self, connection: _Connection, request: MarketDataRequest, now_ns: int) -> None:
        instruments = [self._index[symbol] for symbol in request.symbols]
        if request.kind == requests.UNSUBSCRIBE and not instruments:
            instruments = sorted(connection.requested.get(request.request_id, ()))
        self.by_subscription[request.kind] += len(instruments)
        if len(self.requests) < _REQUESTS_KEPT:
            self.requests.append(
                {
                    "client": connection.client, "at_ns": now_ns, "id": request.request_id,
                    "type": request.kind, "instruments": len(instruments),
                }
            )  # fmt: skip
        for index in instruments:
            if request.kind == requests.UNSUBSCRIBE:
                self._venue.subscribe(connection.slot, index, on=False)
                continue
            if request.kind == requests.SUBSCRIBE:
                self._venue.subscribe(connection.slot, index, on=True)
                connection.requested.setdefault(request.request_id, set()).add(index)
            self._venue.send_snapshot(connection.slot, index, request.request_id)
        if request.kind == requests.UNSUBSCRIBE:
            connection.requested.pop(request.request_id, None)

    def sessions(self) -> list[dict[str, Any]]:
        """One entry a client ever seen, for `status`."""
        slots = {one.client: one for one in self._connections.values() if one.client}
        return [self._session(client, store, slots.get(client)) for client, store in self._stores.items()]

    def _session(self, client: str, store: VenueStore, connection: _Connection | None) -> dict[str, Any]:
        session = connection.session if connection else None
        return {
            "client": client,
            "state": session.state.value if session else "disconnected",
            "next_in": store.next_in,
            "next_out": store.next_out,
            "last_seq_sent": store.native.last_seq_sent,
            "ticks_sent": store.native.entries_sent,
            "messages_sent": store.native.messages_sent,
            "backlog_bytes": self._venue.backlog(connection.slot) if connection else 0,
            "subscriptions": self._venue.subscriptions(connection.slot) if connection else 0,
        }
