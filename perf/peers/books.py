"""Books that a Python user has today: `order_book` (C), sortedcontainers, and a dict with max() at each look."""

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

Updates = Sequence[tuple[int, float, float]]
State = list[tuple[int, float]]


class Peer(Protocol):
    """Applies updates to an empty book, reads the best after each, returns (levels, sum of sizes) of bids and asks."""

    def run(self, updates: Updates) -> State:
        """Do it once."""


class OrderBook(NamedTuple):
    """The `order_book` package."""

    module: Any

    def run(self, updates: Updates) -> State:
        """Do it once."""
        book = self.module.OrderBook()
        sides = {1: book.bids, 2: book.asks}
        for number, price, size in updates:
            side = sides[number]
            if size:
                side[price] = size
            else:
                del side[price]
            if len(side):
                side.index(0)
        return [(len(side), sum(side.to_dict().values())) for side in sides.values()]


class Sorted(NamedTuple):
    """SortedDict of the `sortedcontainers` package; bids under negative prices."""

    module: Any

    def run(self, updates: Updates) -> State:
        """Do it once."""
        sides = {1: self.module.SortedDict(), 2: self.module.SortedDict()}
        for number, price, size in updates:
            side = sides[number]
            key = -price if number == 1 else price
            if size:
                side[key] = size
            else:
                del side[key]
            if side:
                side.peekitem(0)
        return [(len(side), sum(side.values())) for side in sides.values()]


class Plain:
    """A dict; the best is searched."""

    def run(self, updates: Updates) -> State:
        """Do it once."""
        sides: dict[int, dict[float, float]] = {1: {}, 2: {}}
        for number, price, size in updates:
            side = sides[number]
            if size:
                side[price] = size
            else:
                del side[price]
            if side:
                side[max(side) if number == 1 else min(side)]
        return [(len(side), sum(side.values())) for side in sides.values()]


def available() -> dict[str, Peer]:
    """Return the peers that are installed, and say which are not."""
    found: dict[str, Peer] = {"dict": Plain()}
    for package, kind in (("order_book", OrderBook), ("sortedcontainers", Sorted)):
        try:
            found[package] = kind(__import__(package))
        except ImportError:
            print(f"no peer {package}: pip install --group perf", file=sys.stderr)
    return found
