"""A TLS server in threads: what it saw of each handshake, and what a test's function does with each connection."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import NamedTuple, Self

from tests.support.certificates import Signed


class Seen(NamedTuple):
    """One handshake as the server saw it."""

    server_name: str | None
    version: str | None
    peer: str  # commonName of the client's certificate, "" without one
    error: str


class TlsServer:
    """Listens on loopback; `serve(connection)` runs in a thread for each connection that shook hands."""

    def __init__(
        self, signed: Signed, serve: Callable[[ssl.SSLSocket], None], *, clients: str = "", only: str = ""
    ) -> None:
        """`clients`: the authority of client certificates, which are wanted then. `only`: the one TLS version."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(signed.certificate, signed.key)
        if clients:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(clients)
        if only:
            version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[only]
            self.context.minimum_version = self.context.maximum_version = version
        self.context.sni_callback = self._on_name
        self.seen: list[Seen] = []
        self._names: dict[int, str | None] = {}
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]

    def _on_name(self, connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        self._names[threading.get_ident()] = name

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._shake, args=(plain,))
            self._threads.append(thread)
            thread.start()

    def _shake(self, plain: socket.socket) -> None:
        plain.settimeout(20)
        try:
            connection = self.context.wrap_socket(plain, server_side=True)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            self.seen.append(Seen(self._names.get(threading.get_ident()), None, "", str(error)))
            plain.close()
            return
        subject = dict(pair for part in (connection.getpeercert() or {}).get("subject", ()) for pair in part)
        name = self._names.get(threading.get_ident())
        self.seen.append(Seen(name, connection.version(), subject.get("commonName", ""), ""))
        with connection, contextlib.suppress(OSError):
            self._serve(connection)

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(20)


def forward_to(port: Callable[[], int]) -> Callable[[ssl.SSLSocket], None]:
    """Return a `serve` that joins each connection to a plain one to a port of this host, as a TLS terminator does."""

    def serve(connection: ssl.SSLSocket) -> None:
        with socket.create_connection(("127.0.0.1", port())) as plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            lock = threading.Lock()  # an SSLSocket is for one thread at a time
            connection.settimeout(0.002)

            def outward() -> None:
                while data := plain.recv(1 << 16):
                    with lock:
                        connection.settimeout(20)
                        connection.sendall(data)
                        connection.settimeout(0.002)
                with contextlib.suppress(OSError):
                    connection.close()

            thread = threading.Thread(target=outward)
            thread.start()
            try:
                while True:
                    try:
                        with lock:
                            data = connection.recv(1 << 16)
                    except TimeoutError:
                        threading.Event().wait(0.001)
                        continue
                    if not data:
                        break
                    plain.sendall(data)
            finally:
                with contextlib.suppress(OSError):
                    plain.shutdown(socket.SHUT_RDWR)
                thread.join(20)

    return serve
