"""MarketDataRequest (35=V): what this venue takes, and with which code it refuses the rest."""

from collections.abc import Sequence
from typing import Final

import msgspec

SNAPSHOT: Final = "0"
SUBSCRIBE: Final = "1"
UNSUBSCRIBE: Final = "2"
_REQUEST_ID_MAX: Final = 64

# 281 MDReqRejReason
UNKNOWN_SYMBOL: Final = "0"
UNSUPPORTED_SUBSCRIPTION: Final = "4"
UNSUPPORTED_DEPTH: Final = "5"
UNSUPPORTED_UPDATE: Final = "6"
UNSUPPORTED_ENTRY: Final = "8"


class MarketDataRequest(msgspec.Struct, frozen=True):
    """A valid request. No symbols with UNSUBSCRIBE means: all that this id asked for."""

    request_id: str
    kind: str
    symbols: tuple[str, ...]


class Refusal(msgspec.Struct, frozen=True):
    """Goes out as 35=Y. `code` is tag 281, or "" where the standard has none for it."""

    request_id: str
    code: str
    text: str


def parse(fields: Sequence[tuple[int, bytes]]) -> MarketDataRequest | Refusal:
    """Read the request's fields, in wire order."""
    single: dict[int, str] = {}
    symbols: list[str] = []
    types: list[str] = []
    for tag, raw in fields:
        value = raw.decode("ascii", "replace")
        if tag == 55:
            symbols.append(value)
        elif tag == 269:
            types.append(value)
        else:
            single.setdefault(tag, value)
    request_id = single.get(262, "")
    code, text = _problem(single, symbols, types)
    if text:
        return Refusal(request_id[:_REQUEST_ID_MAX] or "NONE", code, text)
    return MarketDataRequest(request_id, single[263], tuple(symbols))


def _problem(single: dict[int, str], symbols: list[str], types: list[str]) -> tuple[str, str]:
    """Return code and text of the first thing wrong; two empty texts when all is right."""
    request_id, kind = single.get(262, ""), single.get(263, "")
    counted = single.get(146, str(len(symbols))) == str(len(symbols))
    typed = single.get(267, str(len(types))) == str(len(types)) and set(types) == {"0", "1", "2"}
    asking = kind in (SNAPSHOT, SUBSCRIBE)
    checks = (
        (0 < len(request_id) <= _REQUEST_ID_MAX, "", f"MDReqID must have 1 to {_REQUEST_ID_MAX} characters"),
        (asking or kind == UNSUBSCRIBE, UNSUPPORTED_SUBSCRIPTION, f"263={kind[:8]} is not supported"),
        (counted, UNKNOWN_SYMBOL, f"146={single.get(146, '')[:8]} but {len(symbols)} symbols"),
        (symbols or not asking, UNKNOWN_SYMBOL, "no symbol"),
        (not asking or single.get(264, "0") == "0", UNSUPPORTED_DEPTH, "only the full book (264=0) is published"),
        (kind != SUBSCRIBE or single.get(265, "1") == "1", UNSUPPORTED_UPDATE, "only 265=1 is published"),
        (not asking or typed, UNSUPPORTED_ENTRY, "bids, offers and trades (269=0, 1, 2) come together"),
    )
    return next(((code, text) for fine, code, text in checks if not fine), ("", ""))
