"""Print best bids and offers from the bridge: `websocket_client.py ws://127.0.0.1:8765 [SYMBOL ...] [--count N]`."""

import argparse
import asyncio
import json

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect


class Printer(WSListener):
    """Subscribes when connected, prints every datum, disconnects after `count` of them."""

    def __init__(self, symbols: list[str], count: int) -> None:
        super().__init__()
        self.symbols = symbols
        self.count = count
        self.seen = 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Ask for the data."""
        request = {"op": "subscribe", "channels": ["bbo"], "symbols": self.symbols, "id": 1}
        transport.send(WSMsgType.TEXT, json.dumps(request).encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Print what came: a snapshot or an update, or what the bridge has to say."""
        if frame.msg_type == WSMsgType.CLOSE:
            print("closed", int(frame.get_close_code()), frame.get_close_message(), flush=True)
            transport.disconnect()
            return
        message = json.loads(frame.get_payload_as_bytes())
        if message["type"] not in ("snapshot", "update"):
            print(message, flush=True)
            return
        for d in message["data"]:
            print(d["symbol"], d["source"], d["bid"], d["bid_size"], d["ask"], d["ask_size"], d["seq"], flush=True)
            self.seen += 1
        if self.count and self.seen >= self.count:
            transport.disconnect()


async def main() -> None:
    """Run until the connection ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("symbols", nargs="*", default=["*"])
    parser.add_argument("--count", type=int, default=0)
    args = parser.parse_args()
    transport, _ = await ws_connect(lambda: Printer(args.symbols, args.count), args.url)
    await transport.wait_disconnected()


asyncio.run(main())
