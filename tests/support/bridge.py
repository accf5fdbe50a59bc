"""A real bridge process on a real publisher, and a small synchronous WebSocket client, for tests."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import picows

from feedhandler import control
from tests.support.publisher import PublisherThread

PATIENCE_S = 60


class WebSocket:
    """A WebSocket client whose loop runs in a thread; messages are decoded JSON, in order."""

    def __init__(self, port, headers=(), receive_buffer=None):
        self.messages = []
        self.close_code = None
        self.closed = threading.Event()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.call(self._connect(port, headers))

    async def _connect(self, port, headers):
        outer = self

        class Listener(picows.WSListener):
            def on_ws_frame(self, transport, frame):
                if frame.msg_type == picows.WSMsgType.TEXT:
                    outer.messages.append(json.loads(frame.get_payload_as_bytes()))
                elif frame.msg_type == picows.WSMsgType.CLOSE:
                    outer.close_code = int(frame.get_close_code())
                    transport.disconnect()

            def on_ws_disconnected(self, transport):
                outer.closed.set()

        self.transport, _ = await picows.ws_connect(
            Listener, f"ws://127.0.0.1:{port}/", extra_headers=list(headers), enable_auto_pong=True
        )

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(PATIENCE_S)

    def send(self, message):
        """Send a dict as JSON, or text or bytes as they are."""
        kind = picows.WSMsgType.BINARY if isinstance(message, bytes) else picows.WSMsgType.TEXT
        data = json.dumps(message) if isinstance(message, dict) else message

        async def go():
            self.transport.send(kind, data if isinstance(data, bytes) else data.encode())

        self.call(go())

    def send_frames(self, *parts):
        """Send one text message in fragments."""

        async def go():
            for i, part in enumerate(parts):
                kind = picows.WSMsgType.CONTINUATION if i else picows.WSMsgType.TEXT
                self.transport.send(kind, part, fin=i == len(parts) - 1)

        self.call(go())

    def read(self, on):
        """Stop or go on reading from the socket."""

        async def go():
            under = self.transport.underlying_transport
            (under.resume_reading if on else under.pause_reading)()

        self.call(go())

    def wait(self, until):
        """Wait for `until(messages)`; its value."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := until(self.messages)):
            assert time.monotonic() < deadline, self.messages[-5:]
            assert not self.closed.is_set() or until(self.messages), (self.close_code, self.messages[-5:])
            time.sleep(0.002)
        return found

    def of(self, kind):
        return [m for m in self.messages if m["type"] == kind]

    def ask(self, message):
        """Send a request with a fresh id; its answer."""
        identity = f"q{len(self.messages)}-{time.monotonic_ns()}"
        self.send(message | {"id": identity})
        return self.wait(lambda ms: next((m for m in list(ms) if m.get("id") == identity), None))

    def data(self, kind="update"):
        """All data of all messages of a kind, in order."""
        return [datum for m in list(self.messages) if m["type"] == kind for datum in m["data"]]

    def close(self):
        async def go():
            self.transport.disconnect(graceful=False)

        if not self.closed.is_set():
            self.call(go())
            self.closed.wait(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()


class Bridge:
    """`python -m feedhandler.bridge` with a publisher of its own; `options` are lines of [bridge]."""

    def __init__(self, folder: Path, options="", env=None, publisher=True):
        self.run_dir = folder / "run"
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self.endpoints = f"ipc://{self.run_dir}/publish.ipc", f"ipc://{self.run_dir}/snapshot.ipc"
        self.config = folder / "feedhandler.toml"
        self.config.write_text(
            f'[feedhandler]\nname = "bridge-test"\nshm_dir = "{folder}/shm"\nstate_dir = "{folder}/state"\n'
            f'run_dir = "{self.run_dir}"\n\n[bridge]\nport = 0\n{options}\n' + MINIMAL
        )
        self.publisher = PublisherThread(*self.endpoints, heartbeat_s=0.05) if publisher else None
        self.log = (folder / "bridge.log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "feedhandler.bridge", "--config", self.config],
            env={**os.environ, **(env or {})}, stderr=self.log,
        )  # fmt: skip
        self.sockets = []
        self.port = self._port()

    def _port(self):
        file = self.run_dir / "bridge.port"
        deadline = time.monotonic() + PATIENCE_S
        while not file.exists():
            assert self.process.poll() is None, self.text()
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.01)
        return int(file.read_text())

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def connect(self, **options):
        socket = WebSocket(self.port, **options)
        self.sockets.append(socket)
        return socket

    def call(self, job):
        return self.publisher.call(job)

    def status(self):
        return control.call(self.run_dir / "bridge.ctl", "status")

    def close(self):
        for socket in self.sockets:
            socket.close()
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(10)
        finally:
            self.process.kill()
            if self.publisher is not None:
                self.publisher.close()
        text = self.text()
        self.log.close()
        return code, text


MINIMAL = """
[[handler]]
name = "handler1"
[[handler.source]]
name = "sim"
profile = "fix44"
host = "127.0.0.1"
port = 9880
sender = "FH"
target = "SIM"
[[handler.source.instruments]]
venue = "EURUSD"
symbol = "EUR/USD"
tick = 0.00001
lot = 1.0
price_decimals = 5
size_decimals = 2
currency = "USD"
calendar = "24/7"
"""
