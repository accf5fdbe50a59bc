"""`python -m perf.micro.tls`: one FIX source over loopback, TLS 1.3 beside plain TCP, socket to ring.

A child process sends X messages of four entries, encoded beforehand. Throughput: as fast as the receiver takes them.
Latency: 2,000 messages a second, each by itself, from the call that sends it to its publication in the ring. Both
sides' encryption is in the figures, since both share this machine. The receiver is the handler's own code, asleep
between messages.
"""

import argparse
import mmap
import multiprocessing
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from feedhandler import _native, clock
from feedhandler.config_source import Endpoint, Tls
from feedhandler.sources.connection import Connection
from feedhandler.sources.resolve import Resolver
from feedhandler.sources.tls import RECEIVE_BYTES, TlsConnection, make_context
from feedhandler.tick import TICK
from feedhandler.wire import fix_profile
from perf import result
from perf.micro.fix_decode import ENTRIES, SYMBOLS, messages
from perf.result import Result, Timed

MESSAGES = 50_000  # of a throughput run
CHUNK = 200  # messages that the sender writes at once then
PACED = 2_000  # of a latency run
INTERVAL_NS = 500_000
WARM_UP = 100
LIMIT_NS = 60_000_000_000
HOST = "localhost"


def _certificate(folder: str) -> Path:
    path = Path(folder, "both.pem")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(path))
    name = ("-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}", "-days", "2", "-out", f"{path}.cert")
    subprocess.run(["openssl", "req", "-x509", *key, *name], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.cert").read_bytes())
    return path


def _send(listener: socket.socket, pem: Path | None, found: list[bytes], times: mmap.mmap | None) -> None:
    """Serve one connection: the child's work. With `times`, at a pace, and note when each message was sent."""
    connection: Any = listener.accept()[0]
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        connection = context.wrap_socket(connection, server_side=True)
    if times is None:
        for i in range(0, len(found), CHUNK):
            connection.sendall(b"".join(found[i : i + CHUNK]))
    else:
        sent = np.frombuffer(times, np.int64)
        due = clock.monotonic_ns() + 50 * INTERVAL_NS
        for i, message in enumerate(found):
            time.sleep(max(0, due - clock.monotonic_ns()) / 1e9)
            due += INTERVAL_NS
            sent[i] = clock.monotonic_ns()
            connection.sendall(message)
        del sent
    connection.recv(1)  # the receiver ends


class Receiver:
    """One session of the native loop over one connection, as the handler drives it."""

    def __init__(self, folder: str, name: str, pem: Path | None) -> None:
        self._ring = _native.RingWriter(folder, folder, name, 1 << 18)
        self._folder, self._name = folder, name
        self._loop = _native.FixLoop(self._ring)
        self._loop.add_session(fix_profile.load("fix44").compile("price"), 1, 0, 1 << 20, 1024)
        for number in range(SYMBOLS):
            self._loop.add_symbol(0, b"SYM%04d" % number, number + 1)
        self._loop.set_parties(0, "FH", "SIM")
        self._tls = Tls(ca_file=str(pem)) if pem is not None else None
        self._buffer = np.zeros(RECEIVE_BYTES, np.uint8)

    def _connect(self, port: int) -> Connection:
        found = Resolver().addresses(Endpoint("127.0.0.1", port), 0)
        assert found is not None
        (address,) = found
        if self._tls is None:
            return Connection(address)
        return TlsConnection(address, self._tls, make_context(self._tls), HOST)

    def take(self, port: int, count: int) -> int:
        """Receive `count` messages; return how long that took from the first bytes on, ns."""
        connection, loop = self._connect(port), self._loop
        while not connection.opened():
            pass
        loop.set_sequence(0, 1, True)
        loop.attach(0, connection.fileno(), connection.foreign)
        limit = clock.monotonic_ns() + LIMIT_NS
        began = 0
        while loop.next_in(0) <= count:
            code, _, _ = loop.run(1_000_000)
            if code == _native.LoopCode.READABLE:
                got = connection.receive(self._buffer.data)
                if got:
                    loop.feed(0, self._buffer[:got], loop.now_ns())
            began = began or (loop.ts_recv(0) if loop.next_in(0) > 1 else 0)
            if clock.monotonic_ns() > limit:
                raise RuntimeError(f"{loop.next_in(0) - 1} of {count} messages after {LIMIT_NS / 1e9:g} s")
        took = clock.monotonic_ns() - began
        loop.detach(0)
        connection.close()
        if loop.counts(0)["ticks"] != count * ENTRIES:
            raise RuntimeError(f"{count * ENTRIES} entries sent, decoded: {loop.counts(0)}")
        return took

    def published_ns(self, count: int) -> "np.ndarray[Any, Any]":
        """When each of the last `count` messages could be read from the ring."""
        records = np.zeros(count * ENTRIES, TICK)
        reader = _native.RingReader(self._folder, self._name)
        reader.attach(0, True)
        reader.seek(self._ring.published - len(records) + 1)
        got, lost = reader.read_into(records.view(np.uint8))
        if (got, lost) != (len(records), 0):
            raise RuntimeError(f"{got} of {len(records)} records read back, {lost} lost")
        last = records[ENTRIES - 1 :: ENTRIES]
        return np.asarray(last["ts_recv"] + last["delay"], np.int64)


def _serve(pem: Path | None, found: list[bytes], times: mmap.mmap | None) -> tuple[int, Any]:
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    child = multiprocessing.get_context("fork").Process(target=_send, args=(listener, pem, found, times), daemon=True)
    child.start()
    listener.close()
    return port, child


def _end(child: Any) -> None:
    child.join(10)
    if child.is_alive():
        child.kill()
        child.join()


def _one(
    pem: Path | None, found: list[bytes], times: mmap.mmap | None, count: int | None = None
) -> tuple[float, "np.ndarray[Any, Any]"]:
    """Return (ticks a second, latency of each message in us; none of them without times). RuntimeError: not `count`."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        receiver = Receiver(folder, "bench", pem)
        port, child = _serve(pem, found, times)
        try:
            took = receiver.take(port, len(found) if count is None else count)
        finally:
            _end(child)
        if times is None:
            return len(found) * ENTRIES / took * 1e9, np.zeros(0)
        sent = np.frombuffer(times, np.int64).copy()
        return 0.0, (receiver.published_ns(len(found)) - sent)[WARM_UP:] / 1e3


def throughput(options: argparse.Namespace) -> Iterator[Result]:
    """Entries a second, as fast as they come; both sides on this machine."""
    found = messages(MESSAGES)
    rates: dict[str, Timed] = {"tls": ([], []), "plain": ([], [])}
    with tempfile.TemporaryDirectory() as folder:
        pem = _certificate(folder)
        for _ in range(options.runs):
            for name, chosen in (("tls", pem), ("plain", None)):
                rates[name][0].append(_one(chosen, found, None)[0])
    yield result.result("tls/throughput", "ticks/s", rates["tls"], "plain TCP", rates["plain"])


def latency(options: argparse.Namespace) -> Iterator[Result]:
    """Microseconds from the sender's call to publication, message by message."""
    found = messages(PACED)
    timed: dict[str, Timed] = {"tls": ([], []), "plain": ([], [])}
    with tempfile.TemporaryDirectory() as folder:
        pem = _certificate(folder)
        for _ in range(options.runs):
            for name, chosen in (("tls", pem), ("plain", None)):
                _, took = _one(chosen, found, mmap.mmap(-1, PACED * 8))
                timed[name][0].append(float(np.median(took)))
                timed[name][1].append(float(np.quantile(took, 0.99)))
    yield result.result("tls/latency", "us", timed["tls"], "plain TCP", timed["plain"])
    tails: dict[str, Timed] = {name: (tail, []) for name, (_, tail) in timed.items()}
    yield result.result("tls/latency_p99", "us", tails["tls"], "plain TCP", tails["plain"])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = result.parser("perf.micro.tls", Path(__file__).stem).parse_args(argv)
    return result.run(options, (throughput, latency))


if __name__ == "__main__":
    sys.exit(main())
