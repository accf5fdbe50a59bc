"""The measuring WebSocket client outlives any end of the bridge, one right behind the handshake included."""

import argparse
import asyncio
import base64
import hashlib
from pathlib import Path

import pytest
import uvloop

from feedhandler.clock import Clock
from feedhandler.demo import probe_ws
from feedhandler.demo.deliveries import Deliveries

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONNECTIONS = 20


class Asked:
    asked = False


async def meet_a_dying_server(folder: Path, answer: bool) -> int:
    """Run the client against a server that ends every connection, with or without the handshake's answer."""
    seen, stop = 0, Asked()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        request = await reader.readuntil(b"\r\n\r\n")
        key = next(
            line.split(b": ")[1] for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
        )
        if answer:
            accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
            head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            writer.write(head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        writer.close()
        seen += 1
        stop.asked = seen >= CONNECTIONS

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    (folder / "port").write_text(str(server.sockets[0].getsockname()[1]))
    options = argparse.Namespace(
        port_file=str(folder / "port"), symbols="*", no_record=False, values=False, out=folder / "out.npz"
    )
    async with server:
        await asyncio.wait_for(probe_ws._connect(options, Clock(folder), Deliveries(), stop), 30)
    return seen


@pytest.mark.parametrize("answer", [True, False])
def test_a_connection_that_ends_at_once_is_tried_again(tmp_path: Path, answer: bool) -> None:
    assert uvloop.run(meet_a_dying_server(tmp_path, answer)) >= CONNECTIONS
