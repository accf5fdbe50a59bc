"""One record for people, and one for programs."""

import math
from typing import Any

from feedhandler.ring_tool import text
from feedhandler.ring_tool.names import Names
from feedhandler.tick import TICK, Action, Flag, Kind, Side, State

_FIELDS = TICK.names or ()
_ENUMS: dict[str, Any] = {"kind": Kind, "side": Side, "action": Action}
_NAMES = {field: {member.value: member.name for member in enum} for field, enum in _ENUMS.items()}
_STATES = {state.value: state.name for state in State}


def as_json(row: tuple[Any, ...]) -> dict[str, Any]:
    """Return a record (a row's `item()`) by field names: NaN is null, kinds, sides and actions by name."""
    record = dict(zip(_FIELDS, row, strict=True))
    for field, names in _NAMES.items():
        record[field] = names.get(record[field], record[field])
    for field in ("price", "size"):
        if math.isnan(record[field]):
            record[field] = None
    return record


def named_json(row: tuple[Any, ...], ring: str, epoch: int, names: Names) -> dict[str, Any]:
    """As `as_json`, with ring and epoch before it and the names of instrument and source behind it."""
    record = as_json(row)
    symbol = names.symbol(record["instrument"])[0]
    return {"ring": ring, "epoch": epoch, **record, "symbol": symbol, "source_name": names.source(record["source"])}


def line(row: tuple[Any, ...], names: Names) -> str:
    """Return a record as one line: time of receipt, seq, source, symbol, kind, and what that kind says."""
    record = dict(zip(_FIELDS, row, strict=True))
    kind = _NAMES["kind"].get(record["kind"], str(record["kind"]))
    place = f"{names.source(record['source'])} {names.symbol(record['instrument'])[0]}"
    parts = [text.time_of(record["ts_recv"]), f"{record['seq']:>10}", place, kind, *_says(kind, record)]
    return "  ".join(part for part in parts if part)


def _says(kind: str, record: dict[str, Any]) -> list[str]:
    flags = "|".join(flag.name or "" for flag in Flag if record["flags"] & flag)
    if kind == "STATE":
        code = record["level"]
        says = [_STATES.get(code, str(code)), f"reason {record['ref']}" if record["ref"] else ""]
    elif kind == "SKIP":
        says = [f"{record['size']:.0f} records from {record['ref']} on were not written"]
    else:
        says = [_what(record)]
    return [*says, flags]


def _what(record: dict[str, Any]) -> str:
    words = [_NAMES[field].get(record[field], str(record[field])) for field in ("side", "action") if record[field]]
    if not math.isnan(record["price"]):
        words.append(repr(record["price"]))
    if not math.isnan(record["size"]):
        words.append(f"x {record['size']!r}")
    if record["level"]:
        words.append(f"at {record['level']}")
    if record["ref"]:
        words.append(f"ref {record['ref']}")
    return " ".join(words)
