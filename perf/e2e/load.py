"""The load at the far end: who subscribes to what, and when all of them hold their first values."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from feedhandler import clock
from feedhandler.demo.report import listed_symbols
from feedhandler.demo.rig import Rig, RigError
from feedhandler.errors import ControlError

PARTIAL_CLIENTS = 9
PARTIAL_SYMBOLS = 50
READY_TIMEOUT_S = 60.0


def symbol_sets(symbols: list[str]) -> Iterator[list[str]]:
    """Give the nine clients 50 symbols each, spread over the list so that busy and quiet ones are among each."""
    count = min(PARTIAL_SYMBOLS, len(symbols))
    for client in range(PARTIAL_CLIENTS):
        step = max(1, len(symbols) // count)
        yield [symbols[(client + step * i) % len(symbols)] for i in range(count)]


def start(rig: Rig) -> None:
    """Start the eleven clients and the control. Their files: websocket.npz, zmq.npz, ws1..ws9.npz, control.npz."""
    rig.zmq_client("zmq", "--topics", "")
    rig.websocket_client("websocket")
    for number, symbols in enumerate(symbol_sets(list(listed_symbols(rig.folder / "instruments.csv").values())), 1):
        path = rig.folder / f"ws{number}.symbols"
        path.write_text(json.dumps(symbols))
        rig.websocket_client(f"ws{number}", "--symbols", str(path), "--no-record")
    rig.client("control", "perf.e2e.control_probe")


def wait_ready(rig: Rig) -> None:
    """Poll the rig until the flow runs and every WebSocket client is subscribed. RigError where that takes too long."""
    deadline = clock.monotonic_ns() + int(READY_TIMEOUT_S * 1e9)
    bridge: dict[str, Any] = {}
    flow = ""
    while True:
        rig.poll(0.1)
        for name, process in rig.clients.items():
            if process.poll() is not None:
                raise RigError(f"client {name} ended with code {process.returncode}; see {rig.folder / 'logs'}")
        with contextlib.suppress(ControlError):  # busy or not there yet: asked again until the deadline
            bridge, flow = rig.ask("bridge", "status"), rig.venue("status")["flow"]
        subscribed = sum(client["subscriptions"] > 0 for client in bridge.get("per_client", []))
        if subscribed > PARTIAL_CLIENTS and flow == "running":
            return
        if flow == "done":
            raise RigError("the flow was over before every client was subscribed")
        if clock.monotonic_ns() > deadline:
            raise RigError(f"{subscribed} of {PARTIAL_CLIENTS + 1} WebSocket clients subscribed, flow {flow!r}")
