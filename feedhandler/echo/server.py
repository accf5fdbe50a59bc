"""The echo's sockets: bytes between them and the engine, one thread, nothing that blocks."""

import errno
import random
import selectors
import socket
from collections.abc import Callable
from typing import Final

from feedhandler import clock
from feedhandler.echo.engine import Engine, Line, Party
from feedhandler.echo.settings import Peer
from feedhandler.echo.store import LateStore
from feedhandler.wire.fix_events import Role
from feedhandler.wire.fix_time import NS_PER_SECOND

CONNECTIONS_MAX: Final = 1024  # more are closed as they come
READ_BYTES: Final = 64 * 1024
OUTPUT_HIGH: Final = 4 << 20  # a peer that does not read is not read from
POLL_S: Final = 0.02
LINGER_NS: Final = 2 * NS_PER_SECOND  # for the other side to read our last words
STOP_NS: Final = 3 * NS_PER_SECOND
BACKOFF_MAX_S: Final = 30.0


class _Socket:
    """A connection and its line; `party` while an initiator's is being opened."""

    def __init__(self, sock: socket.socket, line: Line | None, party: Party | None = None) -> None:
        self.sock = sock
        self.line = line
        self.party = party
        self.close_at_ns = 0  # our side is shut; what still comes is thrown away until then
        self.ends_at_ns = 0  # our last words have so long to leave


class _Dialer:
    """When and where an initiator tries next: endpoints in turn, waiting longer each time, never in step."""

    def __init__(self, party: Party) -> None:
        self.party = party
        self.at_ns = 0
        self._failures = 0

    def endpoint(self) -> tuple[str, int]:
        endpoints = self.party.peer.endpoints
        return endpoints[self._failures % len(endpoints)]

    def wait(self, now_ns: int, *, failed: bool) -> None:
        self._failures = self._failures + 1 if failed else 0
        limit_s = min(BACKOFF_MAX_S, self.party.peer.reconnect_s * 2 ** min(self._failures, 10))
        limit_s = max(limit_s, self.party.peer.reconnect_s)
        self.at_ns = now_ns + int(limit_s * random.uniform(0.5, 1.0) * NS_PER_SECOND)  # noqa: S311


class Server:
    """Listens, connects, moves bytes. Raises OSError where a port cannot be had."""

    def __init__(self, peers: list[Peer], open_store: Callable[[Peer], LateStore], note: Callable[[str], None]) -> None:
        self._selector = selectors.DefaultSelector()
        self._listeners = self._listen(peers)
        self._engine = Engine(peers, open_store, note)
        self._sockets: list[_Socket] = []
        initiators = [party for party in self._engine.parties if party.peer.config.role is Role.INITIATOR]
        self._dialers = {id(party): _Dialer(party) for party in initiators}
        self._stop_at_ns = 0
        self._stopping = False
        self.overflow_count = 0

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where we listen."""
        return [listener.getsockname()[:2] for listener in self._listeners]

    def stop(self) -> None:
        """End soon; may be called from a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Serve until `stop`, then log out and wait a little for the answers."""
        try:
            while not self._is_over(clock.now_ns()):
                ready = self._selector.select(POLL_S)
                now_ns = clock.now_ns()
                for key, mask in ready:
                    self._serve(key, mask, now_ns)
                self._engine.poll(now_ns)
                if not self._stopping:
                    self._dial(now_ns)
                self._flush(now_ns)
        finally:
            self._close()

    def _is_over(self, now_ns: int) -> bool:
        if not self._stopping:
            return False
        if not self._stop_at_ns:
            self._stop_at_ns = now_ns + STOP_NS
            self._engine.logout(now_ns)
            self._flush(now_ns)
        return not self._sockets or now_ns >= self._stop_at_ns

    def _close(self) -> None:
        for one in self._sockets:
            one.sock.close()
        for listener in self._listeners:
            listener.close()
        self._selector.close()
        self._engine.close()

    # ---- opening ----

    def _listen(self, peers: list[Peer]) -> list[socket.socket]:
        places = sorted({(one.host, one.port) for one in peers if one.config.role is Role.ACCEPTOR})
        listeners = []
        for place in places:
            listener = socket.create_server(place, backlog=128)
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ, None)
            listeners.append(listener)
        return listeners

    def _serve(self, key: selectors.SelectorKey, mask: int, now_ns: int) -> None:
        one = key.data
        if one is None:
            assert isinstance(key.fileobj, socket.socket)
            self._accept(key.fileobj, now_ns)
        elif one.line is None:
            self._opened(one, now_ns)
        elif mask & selectors.EVENT_READ and one in self._sockets:
            self._read(one, now_ns)

    def _accept(self, listener: socket.socket, now_ns: int) -> None:
        try:
            sock, _ = listener.accept()
        except OSError:  # gone again, or no descriptor left: the next one may be luckier
            return
        if len(self._sockets) >= CONNECTIONS_MAX or self._stopping:
            self.overflow_count += 1
            sock.close()
            return
        self._add(sock, _Socket(sock, self._engine.accepted(now_ns)), selectors.EVENT_READ)

    def _add(self, sock: socket.socket, one: _Socket, events: int) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets.append(one)
        self._selector.register(sock, events, one)

    def _dial(self, now_ns: int) -> None:
        for dialer in self._dialers.values():
            party = dialer.party
            busy = party.line is not None or any(one.party is party for one in self._sockets)
            if busy or now_ns < dialer.at_ns or not party.session.may_connect(now_ns):
                continue
            try:
                family, kind, protocol, _, address = socket.getaddrinfo(*dialer.endpoint(), type=socket.SOCK_STREAM)[0]
                sock = socket.socket(family, kind, protocol)
            except OSError:
                dialer.wait(now_ns, failed=True)
                continue
            self._add(sock, _Socket(sock, None, party), selectors.EVENT_WRITE)
            if sock.connect_ex(address) not in (0, errno.EINPROGRESS):
                self._drop(self._sockets[-1], now_ns)

    def _opened(self, one: _Socket, now_ns: int) -> None:
        assert one.party is not None
        if one.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._drop(one, now_ns)
            return
        one.line = self._engine.connected(one.party, now_ns)
        self._selector.modify(one.sock, selectors.EVENT_READ, one)

    # ---- moving bytes ----

    def _read(self, one: _Socket, now_ns: int) -> None:
        assert one.line is not None
        try:
            data = one.sock.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._drop(one, now_ns)
        elif not one.close_at_ns:
            self._engine.received(one.line, data, now_ns)
            self._write(one, now_ns)

    def _flush(self, now_ns: int) -> None:
        for one in list(self._sockets):
            if one.line is None:
                continue
            self._write(one, now_ns)
            ends_at_ns = one.close_at_ns or one.ends_at_ns
            if ends_at_ns and now_ns >= ends_at_ns:
                self._drop(one, now_ns)

    def _write(self, one: _Socket, now_ns: int) -> None:
        line = one.line
        if line is None or one not in self._sockets:
            return
        try:
            if line.output:
                del line.output[: one.sock.send(line.output)]
            if line.closing and not line.output and not one.close_at_ns:
                one.close_at_ns = now_ns + LINGER_NS
                self._engine.forget(line)
                one.sock.shutdown(socket.SHUT_WR)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self._drop(one, now_ns)
            return
        if line.closing and not one.ends_at_ns:
            one.ends_at_ns = now_ns + LINGER_NS
        events = selectors.EVENT_READ if len(line.output) < OUTPUT_HIGH else selectors.EVENT_WRITE
        self._selector.modify(one.sock, events, one)

    def _drop(self, one: _Socket, now_ns: int) -> None:
        self._sockets.remove(one)
        self._selector.unregister(one.sock)
        one.sock.close()
        party = one.party or (one.line.party if one.line is not None else None)
        logged_on = one.line is not None
        if one.line is not None and not one.close_at_ns:
            self._engine.lost(one.line, now_ns)
        if party is not None and (dialer := self._dialers.get(id(party))) is not None:
            dialer.wait(now_ns, failed=not logged_on)
