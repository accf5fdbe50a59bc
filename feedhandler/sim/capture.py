"""A Binance capture (../shared/captures/README.md) as a script: the venue's own rules, applied once at load.

The snapshot is joined as Binance tells clients to: updates older than it are dropped, the first one that
spans it must exist, and from there on the chain may not break. A deletion of a level that the book does not
have is not sent (counted): there is nothing to delete at the receiver either.
"""

import gzip
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from feedhandler.sim.market import Listing
from feedhandler.sim.script import ASK, BID, CHANGE, DELETE, ENTRY, EVENT, NEW, SNAPSHOT, TRADE, UPDATE

_DECIMALS_MAX: Final = 18
_FIRST_QUOTE_ID: Final = 1_000_000_000

Json = dict[str, Any]
Row = tuple[int, int, int, int, int, int]  # as script.ENTRY


class CaptureError(Exception):
    """The capture cannot be used; the message names file, line and reason."""


class Capture(msgspec.Struct, frozen=True):
    """One instrument's script. `counts` tells what was taken and what was left out, and why."""

    listing: Listing
    events: np.ndarray[Any, np.dtype[Any]]
    entries: np.ndarray[Any, np.dtype[Any]]
    counts: dict[str, int]


def load(path: Path, *, by_id: bool = False) -> Capture:
    """Read and convert a `.jsonl` or `.jsonl.gz` capture. Raises CaptureError."""
    lines = list(_lines(path))
    if not lines:
        raise CaptureError(f"{path}: no depth, trade or snapshot line")
    builder = _Builder(path, lines, by_id=by_id)
    for number, received_ns, kind, message in lines:
        try:
            builder.take(received_ns, kind, message)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CaptureError(f"{path}, line {number}: {type(error).__name__}: {error}") from error
    return builder.finish()


def _lines(path: Path) -> Iterator[tuple[int, int, str, Json]]:
    """(line number, receive time, depth | trade | snapshot, message) of the lines that matter, in order."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            for number, line in enumerate(file, 1):
                received, _, text = line.partition(b" ")
                if b"@bookTicker" in text[:80]:
                    continue
                try:
                    received_ns = int(received)
                    kind, message = _classify(msgspec.json.decode(text))
                except (ValueError, msgspec.MsgspecError, AttributeError) as error:
                    raise CaptureError(f"{path}, line {number}: {error}") from error
                if kind:
                    yield number, received_ns, kind, message
    except (OSError, EOFError) as error:
        raise CaptureError(f"{path}: {error}") from error


def _classify(line: Json) -> tuple[str, Json]:
    if "lastUpdateId" in line:
        return "snapshot", line
    message: Json = line.get("data", line)
    kind = {"depthUpdate": "depth", "trade": "trade"}.get(message.get("e", ""), "")
    return kind, message


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


class _Scale:
    """Decimal text to integers with one number of decimals, and the step they all are multiples of."""

    def __init__(self, texts: Iterator[str]) -> None:
        self.decimals = max((_decimals(text) for text in set(texts)), default=0)
        if self.decimals > _DECIMALS_MAX:
            raise ValueError(f"more than {_DECIMALS_MAX} decimals")
        self.step = 0

    def __call__(self, text: str) -> int:
        whole, _, fraction = text.partition(".")
        value = int(whole + fraction.ljust(self.decimals, "0"))
        self.step = math.gcd(self.step, value)
        return value


def _texts(lines: list[tuple[int, int, str, Json]], column: int) -> Iterator[str]:
    for _, _, kind, message in lines:
        if kind == "trade":
            yield message["p" if column == 0 else "q"]
            continue
        names = ("bids", "asks") if kind == "snapshot" else ("b", "a")
        for name in names:
            for level in message[name]:
                yield level[column]


class _Builder:
    """Follows the venue's book while it writes the script."""

    def __init__(self, path: Path, lines: list[tuple[int, int, str, Json]], *, by_id: bool) -> None:
        self._path = path
        self._by_id = by_id
        try:
            self._price = _Scale(_texts(lines, 0))
            self._size = _Scale(_texts(lines, 1))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise CaptureError(f"{path}: {error!r}") from error
        self._first_ns = self._last_ns = lines[0][1]
        self._book: tuple[dict[int, int], dict[int, int]] = ({}, {})  # price -> quote id (0 when price-keyed)
        self._next_id = _FIRST_QUOTE_ID
        self._events: list[tuple[int, int, int, int, int, int]] = []
        self._entries: list[Row] = []
        self._early: list[Json] = []
        self._last_update: int | None = None  # of the book; None before the snapshot
        self._joined = False
        self._symbol = ""
        self._futures = False
        self.counts: Counter[str] = Counter()

    def take(self, received_ns: int, kind: str, message: Json) -> None:
        """Add one line to the script."""
        received_ns = max(received_ns, self._last_ns)  # arrival order is the order; a clock may step back
        self._last_ns = received_ns
        self.counts[f"{kind}_lines"] += 1
        if kind == "snapshot":
            self._take_snapshot(received_ns, message)
        elif kind == "trade":
            self._take_trade(received_ns, message)
        else:
            self._futures = self._futures or "pu" in message
            self._note_symbol(message)
            if self._last_update is None:
                self._early.append(message)
            else:
                self._take_depth(received_ns, message)

    def _note_symbol(self, message: Json) -> None:
        symbol: str = message["s"]
        if self._symbol and symbol != self._symbol:
            raise ValueError(f"a second symbol, {symbol}; this capture began with {self._symbol}")
        self._symbol = symbol

    def _take_snapshot(self, received_ns: int, message: Json) -> None:
        if self._last_update is not None:
            raise ValueError("a second snapshot")
        self._last_update = int(message["lastUpdateId"])
        first = len(self._entries)
        for side, levels in ((BID, message["bids"]), (ASK, message["asks"])):
            for price_text, size_text in levels:
                price, size = self._price(price_text), self._size(size_text)
                if size == 0 or price in self._book[side]:
                    raise ValueError(f"snapshot level {price_text} is empty or repeated")
                self._entries.append((price, size, self._new_quote(side, price), side, NEW, 0))
        self._close_event(received_ns, first, SNAPSHOT, self._last_update)
        for early in self._early:
            self._take_depth(received_ns, early)
        self._early.clear()

    def _take_depth(self, received_ns: int, message: Json) -> None:
        begin, end = int(message["U"]), int(message["u"])
        last = self._last_update or 0
        if not self._joined:
            if end < last + (0 if self._futures else 1):
                self.counts["depth_older_than_snapshot"] += 1
                return
            if begin > last + (0 if self._futures else 1):
                raise ValueError(f"update {begin} leaves a hole after snapshot {last}")
            self._joined = True
        elif (message["pu"] if self._futures else begin - 1) != last:
            raise ValueError(f"update {begin} does not follow {last}")
        self._last_update = end
        first = len(self._entries)
        for side, levels in ((BID, message["b"]), (ASK, message["a"])):
            for price_text, size_text in levels:
                self._take_level(side, self._price(price_text), self._size(size_text))
        self.counts["depth_applied"] += 1
        self._close_event(received_ns, first, UPDATE, end)

    def _take_level(self, side: int, price: int, size: int) -> None:
        book = self._book[side]
        if size > 0:
            known = price in book
            quote = book[price] if known else self._new_quote(side, price)
            self._entries.append((price, size, quote, side, CHANGE if known else NEW, 0))
        elif price in book:
            self._entries.append((price, 0, book.pop(price), side, DELETE, 0))
        else:
            self.counts["absent_deletes"] += 1

    def _new_quote(self, side: int, price: int) -> int:
        quote = self._next_id if self._by_id else 0
        self._next_id += 1
        self._book[side][price] = quote
        return quote

    def _take_trade(self, received_ns: int, message: Json) -> None:
        self._note_symbol(message)
        if message.get("X", "MARKET") != "MARKET":
            self.counts["other_trades"] += 1
            return
        first = len(self._entries)
        aggressor = 2 if message["m"] else 1  # m: the buyer was the maker
        price, size = self._price(message["p"]), self._size(message["q"])
        self._entries.append((price, size, int(message["t"]), TRADE, NEW, aggressor))
        self.counts["trades"] += 1
        self._close_event(received_ns, first, UPDATE, 0)

    def _close_event(self, received_ns: int, first: int, kind: int, rpt_seq: int) -> None:
        count = len(self._entries) - first
        if count == 0 and kind == UPDATE:
            self.counts["empty_updates"] += 1
            return
        self._events.append((received_ns - self._first_ns, rpt_seq, first, 0, count, kind))

    def finish(self) -> Capture:
        """Return the script; a capture without a joined snapshot is none."""
        if self._last_update is None or not self._joined:
            missing = "snapshot" if self._last_update is None else "depth update after the snapshot"
            raise CaptureError(f"{self._path}: no {missing}")
        base, quote = self._symbol, ""
        for currency in ("USDT", "USDC", "BUSD", "BTC", "ETH", "EUR", "USD"):
            if self._symbol.endswith(currency) and len(self._symbol) > len(currency):
                base, quote = self._symbol.removesuffix(currency), currency
                break
        symbol = f"{base}/{quote}" if quote else base
        listing = Listing(
            venue=self._symbol,
            symbol=f"{symbol}:{quote}" if self._futures and quote else symbol,
            price_decimals=self._price.decimals,
            size_decimals=self._size.decimals,
            tick=self._price.step or 1,
            lot=self._size.step or 1,
            currency=quote or "USD",
        )
        return Capture(
            listing, np.array(self._events, EVENT), np.array(self._entries, ENTRY), dict(sorted(self.counts.items()))
        )
