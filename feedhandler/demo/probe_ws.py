"""A measuring WebSocket client, as a process: `python -m feedhandler.demo.probe_ws`.

It takes `bbo`, notes when each update was decoded, and writes what it saw when it is told to end. It connects
again where the bridge went away, as any client would.
"""

import argparse
import asyncio
import gc
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import picows
import uvloop

from feedhandler.clock import Clock
from feedhandler.demo.deliveries import Deliveries, Stop

RETRY_S = 0.05
NONE = float("nan")


class Datum(msgspec.Struct):
    """One update of the `bbo` channel."""

    symbol: str
    source: str
    seq: int
    ts_event: int
    bid: float | None
    bid_size: float | None
    ask: float | None
    ask_size: float | None
    oldest: int


class Frame(msgspec.Struct):
    """A message of the bridge; `data` where it carries updates."""

    type: str
    data: list[Datum] = []
    code: str = ""
    message: str = ""


_decode = msgspec.json.Decoder(Frame).decode


class Probe(picows.WSListener):
    """One connection's listener."""

    def __init__(self, clock: Clock, deliveries: Deliveries, options: argparse.Namespace) -> None:
        self._now_ns = clock.now_ns
        self._deliveries = deliveries
        self._symbols = _symbols(options.symbols)
        self._record = not options.no_record
        self._out = options.out
        self._values = options.values
        self.closed = asyncio.get_running_loop().create_future()

    def on_ws_connected(self, transport: Any) -> None:
        """Subscribe."""
        request = {"op": "subscribe", "channels": ["bbo"], "symbols": self._symbols, "id": 1}
        transport.send(picows.WSMsgType.TEXT, json.dumps(request).encode())

    def on_ws_disconnected(self, _transport: Any) -> None:
        """Let the owner connect again."""
        if not self.closed.done():
            self.closed.set_result(None)

    def on_ws_frame(self, _transport: Any, frame: Any) -> None:
        """Decode first, then read the clock: a delivery counts when its values can be used."""
        if frame.msg_type != picows.WSMsgType.TEXT:
            return
        message = _decode(frame.get_payload_as_memoryview())
        arrival = self._now_ns()
        if message.type == "error":
            raise SystemExit(f"the bridge refused: {message.code}: {message.message}")
        if message.type == "ack":
            self._deliveries.ready(self._out)
        if message.type == "gap":
            self._deliveries.gaps += 1
        kept = self._deliveries
        for datum in message.data:
            number = kept.number(datum.symbol, datum.source)
            kept.last[number] = (datum.bid, datum.bid_size, datum.ask, datum.ask_size)
            if self._record:
                kept.key.append(number)
                kept.ts_event.append(datum.ts_event)
                kept.arrival.append(arrival)
                if self._values:
                    kept.values.extend(NONE if value is None else value for value in kept.last[number])
            if message.type == "update":
                kept.updates += 1


def _port(path: str) -> int:
    return int(Path(path).read_text())


def _symbols(option: str) -> list[str]:
    return list(json.loads(Path(option).read_text())) if option != "*" else ["*"]


async def _connect(options: argparse.Namespace, clock: Clock, deliveries: Deliveries, stop: Stop) -> None:
    while not stop.asked:
        try:
            _, listener = await picows.ws_connect(
                lambda: Probe(clock, deliveries, options),
                f"ws://127.0.0.1:{_port(options.port_file)}/",
            )
        except (OSError, ValueError, picows.WSError):
            await asyncio.sleep(RETRY_S)
            continue
        if listener is None:  # picows: the connection ended between the handshake and this task's turn
            await asyncio.sleep(RETRY_S)
            continue
        probe = cast("Probe", listener)
        while not probe.closed.done() and not stop.asked:
            await asyncio.wait([probe.closed], timeout=0.1)


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM."""
    parse = argparse.ArgumentParser(prog="python -m feedhandler.demo.probe_ws")
    parse.add_argument("--port-file", required=True, help="where the bridge writes its port")
    parse.add_argument("--shm-dir", required=True, help="for the shared clock")
    parse.add_argument("--out", required=True, type=Path, help="the .npz to write")
    parse.add_argument("--symbols", default="*", help="* or a JSON file with a list of symbols")
    parse.add_argument("--no-record", action="store_true", help="count, and keep no row per update")
    parse.add_argument("--values", action="store_true", help="keep the values of every row, too")
    options = parse.parse_args(argv)
    stop, deliveries = Stop(), Deliveries()
    gc.disable()
    uvloop.run(_connect(options, Clock(options.shm_dir), deliveries, stop))
    deliveries.save(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
