"""Programs as children, our session on a real socket, and a proxy that loses messages.

Nothing here sleeps for a fixed time: `until` waits for a condition, with a limit.
"""

import json
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from feedhandler.wire.fix_session import Disconnect, Session, SessionState

HERE = Path(__file__).parent
LIMIT_S = 30.0


def until(condition: Callable[[], object], what: str, limit_s: float = LIMIT_S):
    """The condition's first true value; AssertionError naming `what` when the limit passes."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {limit_s} s: {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Program:
    """A child that answers JSON lines; ends with its context."""

    def __init__(self, script: str, folder: Path, **options):
        folder.mkdir(parents=True, exist_ok=True)
        arguments = [str(item) for key, value in options.items() for item in (f"--{key}", value)]
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, HERE / script, "--folder", folder, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=(folder / "stderr").open("w"), text=True,
        )  # fmt: skip
        self.read()

    def read(self) -> dict:
        line = self.process.stdout.readline()
        assert line, f"{self.process.args[1]} ended: {(self.folder / 'stderr').read_text()}"
        answer = json.loads(line)
        assert answer["ok"], answer["error"]
        return answer

    def call(self, op: str, **request) -> dict:
        self.process.stdin.write(json.dumps({"op": op, **request}) + "\n")
        self.process.stdin.flush()
        return self.read()

    def status(self) -> dict:
        status = self.call("status")
        assert status["errors"] == []
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Endpoint:
    """Our session on a socket, run by a thread: an initiator connects, an acceptor takes one connection."""

    def __init__(self, session: Session, *, connect_to: int = 0):
        self.session = session
        self.lock = threading.RLock()
        self.events = []
        self.wanted = True
        self.listener = None
        if connect_to:
            self.port = connect_to
        else:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.failure = None

    def run(self):
        try:
            if self.listener is None:
                line = socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT_S)
            else:
                self.listener.settimeout(LIMIT_S)
                line, _ = self.listener.accept()
            with line:
                self.serve(line)
        except BaseException as error:
            self.failure = error
            raise

    def serve(self, line: socket.socket):
        with self.lock:
            self.session.connected(time.time_ns())
            self.flush(line)
        while self.wanted and self.session.state is not SessionState.DISCONNECTED:
            readable, _, _ = select.select([line], [], [], 0.01)
            data = line.recv(65536) if readable else None
            with self.lock:
                if data == b"":
                    self.session.disconnected(time.time_ns())
                elif data:
                    self.session.receive(data, time.time_ns())
                self.session.poll(time.time_ns())
                self.flush(line)

    def flush(self, line: socket.socket):
        line.sendall(self.session.take_output())
        self.events += self.session.take_events()

    def do(self, action: Callable[[Session, int], object]):
        """Run `action(session, now_ns)` between two steps of the thread."""
        with self.lock:
            return action(self.session, time.time_ns())

    def seen(self, kind) -> list:
        with self.lock:
            return [event for event in self.events if isinstance(event, kind)]

    def disconnects(self) -> list[str]:
        return [event.reason for event in self.seen(Disconnect)]

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.wanted = False
        self.thread.join(LIMIT_S)
        if self.listener is not None:
            self.listener.close()


class LossyProxy:
    """Between an initiator and an acceptor: passes whole messages on, and loses those it is told to.

    Frames by the trailer alone (`10=ddd`), on purpose not with the code under test.
    """

    def __init__(self, target_port: int):
        self.target_port = target_port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.to_lose = 0
        self.lost: list[bytes] = []
        self.stopping = False
        self.thread = threading.Thread(target=self.run, daemon=True)

    def lose(self, count: int):
        """Lose the next `count` messages of market data on their way to the initiator."""
        self.to_lose = count

    def run(self):
        self.listener.settimeout(0.1)
        while not self.stopping:
            try:
                near, _ = self.listener.accept()
            except TimeoutError:
                continue
            try:
                with near, socket.create_connection(("127.0.0.1", self.target_port), timeout=LIMIT_S) as far:
                    self.relay(near, far)
            except OSError:
                continue

    def relay(self, near: socket.socket, far: socket.socket):
        pending = b""
        while not self.stopping:
            readable, _, _ = select.select([near, far], [], [], 0.1)
            for line in readable:
                data = line.recv(65536)
                if not data:
                    return
                if line is near:
                    far.sendall(data)
                else:
                    pending = self.pass_on(near, pending + data)

    def pass_on(self, near: socket.socket, data: bytes) -> bytes:
        kept = []
        while (trailer := data.find(b"\x0110=")) >= 0 and len(data) >= trailer + 8:
            message, data = data[: trailer + 8], data[trailer + 8 :]
            if self.to_lose and (b"\x0135=X\x01" in message or b"\x0135=W\x01" in message):
                self.to_lose -= 1
                self.lost.append(message)
            else:
                kept.append(message)
        near.sendall(b"".join(kept))
        return data

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join(LIMIT_S)
        self.listener.close()
