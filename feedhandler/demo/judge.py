"""The end check: board and WebSocket client against the simulated venue's own books."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import picows

from feedhandler.board import Board
from feedhandler.instruments import Directory

Levels = list[list[float]]
Book = tuple[Levels, Levels]
BOOK_TIMEOUT_S = 20.0


def venue_books(reply: dict[str, Any]) -> dict[str, Book]:
    """Return {venue symbol: (bids, asks)} of the venue's `books` reply, text parsed."""
    return {symbol: (_numbers(sides["bids"]), _numbers(sides["asks"])) for symbol, sides in reply["books"].items()}


def _numbers(levels: list[list[str]]) -> Levels:
    return [[float(price), float(size)] for price, size in levels]


def board_books(shm_dir: Path, state_dir: Path) -> tuple[dict[str, Book], int]:
    """Return {venue symbol: (bids, asks)} of the board, and its depth."""
    board = Board(shm_dir)
    names = {entry.id: entry.venue_symbol for entry in Directory(state_dir / "instruments.dir").all()}
    books = {}
    for row in board.rows():
        sides = [side[~np.isnan(side[:, 0])].tolist() for side in (row["bids"], row["asks"])]
        books[names[int(row["instrument"])]] = (sides[0], sides[1])
    return books, board.depth


def websocket_books(port: int) -> dict[str, Book]:
    """Return {symbol: (bids, asks)} as a new WebSocket client gets them: the `book` snapshot of everything."""
    return asyncio.run(asyncio.wait_for(_websocket_books(port), BOOK_TIMEOUT_S))


async def _websocket_books(port: int) -> dict[str, Book]:
    books: dict[str, Book] = {}
    done = asyncio.get_running_loop().create_future()

    class Listener(picows.WSListener):
        def on_ws_connected(self, transport: Any) -> None:
            for op in ({"op": "subscribe", "channels": ["book"], "symbols": ["*"], "id": 1}, {"op": "ping", "id": 2}):
                transport.send(picows.WSMsgType.TEXT, json.dumps(op).encode())

        def on_ws_frame(self, _transport: Any, frame: Any) -> None:
            message = json.loads(frame.get_payload_as_bytes())
            for datum in message.get("data", []) if message["type"] in ("snapshot", "update") else []:
                _apply(books, datum)
            if message["type"] == "pong":
                asyncio.get_running_loop().call_later(1.0, done.set_result, None)

        def on_ws_disconnected(self, _transport: Any) -> None:
            if not done.done():
                done.set_exception(ConnectionError("the bridge closed the connection"))

    transport, _ = await picows.ws_connect(Listener, f"ws://127.0.0.1:{port}/", max_frame_size=1 << 28)
    await done
    transport.disconnect()
    return books


def _apply(books: dict[str, Book], datum: dict[str, Any]) -> None:
    if datum["kind"] == 0:
        books[datum["symbol"]] = (datum["bids"], datum["asks"])
        return
    for held, changes, sign in zip(books[datum["symbol"]], (datum["bids"], datum["asks"]), (-1, 1), strict=True):
        levels = dict((*held, *changes))  # type: ignore[arg-type] # pairs as lists, from JSON
        held[:] = [[p, levels[p]] for p in sorted(levels, key=lambda p: sign * p) if levels[p] != 0]


def differing(books: dict[str, Book], truth: dict[str, Book], depth: int) -> list[str]:
    """Return the symbols whose best `depth` levels are not the venue's, and those missing on either side."""
    wrong = []
    for symbol, (bids, asks) in truth.items():
        expected = (bids[:depth], asks[:depth])
        if books.get(symbol, ([], [])) != expected:
            wrong.append(symbol)
    return wrong + sorted(set(books) - set(truth))


def differing_bbos(keys: list[str], last: "np.ndarray[Any, np.dtype[Any]]", truth: dict[str, Book]) -> list[str]:
    """Return the symbols whose last best bid and ask at a client are not the venue's. Keys are 'symbol|source'."""
    seen = {key.split("|")[0]: row for key, row in zip(keys, last, strict=True)}
    wrong = []
    for symbol, (bids, asks) in truth.items():
        best = [*(bids[0] if bids else (np.nan, np.nan)), *(asks[0] if asks else (np.nan, np.nan))]
        if not np.array_equal(seen.get(symbol, np.full(4, np.nan)), best, equal_nan=True):
            wrong.append(symbol)
    return wrong
