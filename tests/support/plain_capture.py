"""A Binance capture read with the standard library alone: what the venue said, independent of the product.

The venue's own rules for joining the snapshot (../shared/captures/README.md), a book of two dicts, floats parsed
from the venue's decimal text. Nothing of `feedhandler` is used here.
"""

import gzip
import json
from pathlib import Path
from typing import NamedTuple

Level = tuple[float, float]


class Best(NamedTuple):
    """Best bid and ask, price and size."""

    bid: float
    bid_size: float
    ask: float
    ask_size: float


class Plain:
    """The whole capture, applied. `best` is the rebuilt book, `ticker` the venue's own bookTicker, by update id."""

    def __init__(self, path: Path) -> None:
        with gzip.open(path, "rb") as file:
            lines = [json.loads(line.split(b" ", 1)[1]) for line in file]
        snapshot = next(line for line in lines if "lastUpdateId" in line)
        messages = [line["data"] for line in lines if "data" in line]
        self.futures = any("pu" in message for message in messages)
        self.ticker = {
            m["u"]: Best(float(m["b"]), float(m["B"]), float(m["a"]), float(m["A"]))
            for m in messages
            if "A" in m and m.get("e") in (None, "bookTicker")
        }
        self.trades = [
            (float(m["p"]), float(m["q"]), 2 if m["m"] else 1, m["t"])
            for m in messages
            if m.get("e") == "trade" and m.get("X", "MARKET") == "MARKET"
        ]
        self.book: tuple[dict[float, float], dict[float, float]] = tuple(
            {float(price): float(size) for price, size in snapshot[side]} for side in ("bids", "asks")
        )
        self.best: dict[int, Best] = {}
        self._last = snapshot["lastUpdateId"]
        self.applied = 0
        for message in messages:
            if message.get("e") == "depthUpdate":
                self._apply(message)

    def _apply(self, message: dict) -> None:
        ahead = 0 if self.futures else 1
        if self.applied == 0:
            if message["u"] < self._last + ahead:
                return
            assert message["U"] <= self._last + ahead
        else:
            assert (message["pu"] if self.futures else message["U"] - 1) == self._last
        self._last = message["u"]
        self.applied += 1
        for held, changes in zip(self.book, (message["b"], message["a"]), strict=True):
            for price, size in changes:
                held.pop(float(price), None)
                if float(size):
                    held[float(price)] = float(size)
        if self._last in self.ticker:
            bids, asks = self.book
            bid, ask = max(bids), min(asks)
            self.best[self._last] = Best(bid, bids[bid], ask, asks[ask])

    def levels(self) -> tuple[list[Level], list[Level]]:
        """Both sides at the end, best first."""
        bids, asks = self.book
        return sorted(bids.items(), reverse=True), sorted(asks.items())
