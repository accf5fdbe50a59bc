"""A small deterministic market: price-keyed books and trades for a few symbols, from a seed.

Prices are whole ticks of 0.00001, sizes whole hundredths, so that decimal text is exact. Bids stay below the
symbol's mid and asks above it: never crossed.
"""

import random

DEPTH_TICKS = 30


def price_text(ticks: int) -> str:
    return f"{ticks // 100_000}.{ticks % 100_000:05}"


def size_text(hundredths: int) -> str:
    return f"{hundredths // 100}.{hundredths % 100:02}"


class Flow:
    """Books by symbol and side (`"0"` bid, `"1"` ask): price in ticks -> size in hundredths."""

    def __init__(self, symbols: list[str], seed: int):
        self.random = random.Random(seed)
        self.symbols = symbols
        self.mids = {symbol: 100_000 + 10_000 * index for index, symbol in enumerate(symbols)}
        self.books = {symbol: {"0": {}, "1": {}} for symbol in symbols}
        self.trade_id = 0
        for symbol in symbols:
            for side in "01":
                for _ in range(10):
                    self.books[symbol][side][self.some_price(symbol, side)] = self.some_size()

    def some_price(self, symbol: str, side: str) -> int:
        distance = self.random.randint(1, DEPTH_TICKS)
        return self.mids[symbol] + (-distance if side == "0" else distance)

    def some_size(self) -> int:
        return self.random.randint(1, 1_000_000)

    def snapshot(self, symbol: str) -> list[list[tuple[int, str]]]:
        """Entries of a W."""
        return [
            [(269, side), (270, price_text(price)), (271, size_text(size))]
            for side, levels in self.books[symbol].items()
            for price, size in sorted(levels.items(), reverse=side == "0")
        ]

    def step(self, symbols: list[str]) -> tuple[list[list[tuple[int, str]]], list[tuple[str, str]]]:
        """Entries of one X, for one to three symbols; and (symbol, "level" or "trade") of each entry."""
        entries, kinds = [], []
        for _ in range(self.random.randint(1, 6)):
            symbol = self.random.choice(symbols)
            if self.random.random() < 0.15:
                entries.append(self.trade(symbol))
                kinds.append((symbol, "trade"))
            else:
                entries.append(self.level(symbol))
                kinds.append((symbol, "level"))
        return entries, kinds

    def trade(self, symbol: str) -> list[tuple[int, str]]:
        # Without 54: stock FIX44.xml has no such field in this group, and QuickFIX, which parses a message again
        # before resending it, would end the group there and put the fields of the rest in order of their tags.
        self.trade_id += 1
        price = self.some_price(symbol, self.random.choice("01"))
        return [
            (279, "0"), (269, "2"), (278, str(self.trade_id)), (55, symbol), (270, price_text(price)),
            (271, size_text(self.some_size())),
        ]  # fmt: skip

    def level(self, symbol: str) -> list[tuple[int, str]]:
        side = self.random.choice("01")
        levels = self.books[symbol][side]
        if len(levels) > 5 and self.random.random() < 0.4:
            price = self.random.choice(sorted(levels))
            del levels[price]
            return [(279, "2"), (269, side), (55, symbol), (270, price_text(price))]
        price = self.some_price(symbol, side)
        action = "1" if price in levels else "0"
        levels[price] = self.some_size()
        return [
            (279, action), (269, side), (55, symbol), (270, price_text(price)), (271, size_text(levels[price])),
        ]  # fmt: skip

    def books_text(self) -> dict:
        """Books as decimal text, best first."""
        return {
            symbol: {
                name: [[price_text(p), size_text(sides[side][p])] for p in sorted(sides[side], reverse=side == "0")]
                for side, name in (("0", "bids"), ("1", "asks"))
            }
            for symbol, sides in self.books.items()
        }
