"""The venue's instruments, and the file that tells a handler about them."""

import csv
import io
import random
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument. `tick` and `lot` count units of the last decimal; a model's mid returns to `base_ticks`."""

    venue: str
    symbol: str
    price_decimals: int
    size_decimals: int
    tick: int
    lot: int
    base_ticks: int = 0
    currency: str = "USD"
    calendar: str = "24/7"


class _Class(msgspec.Struct, frozen=True):
    """A kind of instrument: decimals, tick, lot, and the range of base prices in ticks."""

    price_decimals: int
    size_decimals: int
    tick: int
    lot: int
    base_low: int
    base_high: int
    currency: str = "USD"


_FX: Final = _Class(5, 2, 1, 100_000, 60_000, 190_000)
_YEN: Final = _Class(3, 2, 1, 100_000, 90_000, 200_000, "JPY")
_COIN: Final = _Class(2, 5, 10, 100, 200_000, 700_000)
_SHARE: Final = _Class(2, 0, 1, 100, 2_000, 40_000)
_PENNY: Final = _Class(8, 0, 1, 1000, 1_200, 90_000)
_KNOWN: Final = (
    ("EUR", "USD", _FX), ("USD", "JPY", _YEN), ("GBP", "USD", _FX), ("AUD", "USD", _FX), ("EUR", "JPY", _YEN),
    ("BTC", "USD", _COIN), ("NZD", "USD", _FX), ("GBP", "JPY", _YEN), ("USD", "CAD", _FX), ("ETH", "USD", _COIN),
)  # fmt: skip
_OTHERS: Final = (_FX, _SHARE, _COIN, _SHARE, _PENNY)


def model_market(count: int, seed: int) -> list[Listing]:
    """`count` instruments of several kinds; the same seed gives the same market."""
    chance = random.Random(seed)  # noqa: S311 - a market, not a secret
    return [_listing(index, chance) for index in range(count)]


def _listing(index: int, chance: random.Random) -> Listing:
    if index < len(_KNOWN):
        base, quote, kind = _KNOWN[index]
    else:
        base, quote, kind = f"S{index:04d}", "USD", _OTHERS[index % len(_OTHERS)]
    return Listing(
        venue=base + quote,
        symbol=f"{base}/{quote}",
        price_decimals=kind.price_decimals,
        size_decimals=kind.size_decimals,
        tick=kind.tick,
        lot=kind.lot,
        base_ticks=chance.randint(kind.base_low, kind.base_high),
        currency=quote,
    )


def decimal_text(units: int, decimals: int) -> str:
    """`units` of the last of `decimals` digits as plain decimal text, all digits kept."""
    return format(Decimal(units).scaleb(-decimals), "f")


def instruments_csv(listings: Sequence[Listing]) -> str:
    """Return the `instruments_file` of a handler's configuration."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["venue", "symbol", "tick", "lot", "price_decimals", "size_decimals", "currency", "calendar"])
    for one in listings:
        tick = decimal_text(one.tick, one.price_decimals)
        lot = decimal_text(one.lot, one.size_decimals)
        writer.writerow(
            [one.venue, one.symbol, tick, lot, one.price_decimals, one.size_decimals, one.currency, one.calendar]
        )
    return out.getvalue()


def write_whole(path: Path, text: str) -> None:
    """Write a file that others wait for: it appears complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    partial.replace(path)
