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
    request_id, kind = single.get(262, ""), single.get(263, "")
    if not 0 < len(request_id) <= _REQUEST_ID_MAX:
        return "", f"MDReqID must have 1 to {_REQUEST_ID_MAX} characters"
    if kind not in (SNAPSHOT, SUBSCRIBE, UNSUBSCRIBE):
        return UNSUPPORTED_SUBSCRIPTION, f"SubscriptionRequestType {kind!r} is not supported"
    if single.get(146, str(len(symbols))) != str(len(symbols)):
        return UNKNOWN_SYMBOL, f"NoRelatedSym {single[146]} but {len(symbols)} symbols"
    if kind == UNSUBSCRIBE:
        return "", ""
    if not symbols:
        return UNKNOWN_SYMBOL, "no symbol"
    if single.get(264, "0") != "0":
        return UNSUPPORTED_DEPTH, "only the full book (264=0) is published"
    if kind == SUBSCRIBE and single.get(265, "1") != "1":
        return UNSUPPORTED_UPDATE, "only incremental refresh (265=1) is published"
    if single.get(267, str(len(types))) != str(len(types)) or set(types) != {"0", "1", "2"}:
        return UNSUPPORTED_ENTRY, "bids, offers and trades (269=0, 1, 2) come together"
    return "", ""
