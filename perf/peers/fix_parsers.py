"""FIX parsers that a Python user has today: QuickFIX, simplefix, and splitting by hand.

Each reads action, side, symbol, price and size of every entry of X (of W: no action, the message's symbol) as values
that can be used.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Entry = tuple[bytes, bytes, bytes, float, float]
"""279 (empty for W), 269, 55, 270, 271."""
Parser = Callable[[Sequence[bytes]], list[Entry]]


def split(messages: Sequence[bytes]) -> list[Entry]:
    """Split at SOH and '='; no checksum, no validation."""
    found: list[Entry] = []
    for message in messages:
        entry: dict[bytes, bytes] | None = None  # none before the group begins
        first, symbol = (b"269", b"55") if b"\x0135=W\x01" in message else (b"279", b"")
        root: dict[bytes, bytes] = {}
        for field in message.split(b"\x01"):
            tag, _, value = field.partition(b"=")
            if tag == first:
                if entry is not None:
                    found.append(_entry(entry, root))
                entry = {}
            elif tag == symbol:
                root[tag] = value
            if entry is not None:
                entry[tag] = value
        if entry is not None:
            found.append(_entry(entry, root))
    return found


def _entry(fields: dict[bytes, bytes], root: dict[bytes, bytes]) -> Entry:
    symbol = fields.get(b"55") or root[b"55"]
    return fields.get(b"279", b""), fields[b"269"], symbol, float(fields[b"270"]), float(fields[b"271"])


def _simplefix(module: Any) -> Parser:
    def parse(messages: Sequence[bytes]) -> list[Entry]:
        found: list[Entry] = []
        parser = module.FixParser()
        for data in messages:
            parser.append_buffer(data)
            message = parser.get_message()
            full = message.get(35) == b"W"
            for nth in range(1, int(message.get(268)) + 1):
                action = b"" if full else message.get(279, nth)
                symbol = message.get(55, 1 if full else nth)
                side, price, size = (message.get(tag, nth) for tag in (269, 270, 271))
                found.append((action, side, symbol, float(price), float(size)))
        return found

    return parse


def _quickfix(module: Any) -> Parser:
    dictionary = Path(sys.prefix) / "share/quickfix/FIX44.xml"  # the wheel brings it
    if not dictionary.is_file():
        raise ImportError(f"{dictionary} is missing: QuickFIX cannot read groups without it")
    rules = module.DataDictionary(str(dictionary))
    import quickfix44  # noqa: PLC0415 - comes with quickfix

    def parse(messages: Sequence[bytes]) -> list[Entry]:
        found: list[Entry] = []
        for data in messages:
            message = module.Message(data.decode("latin-1"), rules, False)
            full = message.getHeader().getField(35) == "W"
            kind = quickfix44.MarketDataSnapshotFullRefresh if full else quickfix44.MarketDataIncrementalRefresh
            for nth in range(1, int(message.getField(268)) + 1):
                group = kind.NoMDEntries()
                message.getGroup(nth, group)
                action = b"" if full else group.getField(279).encode()
                symbol = message.getField(55) if full else group.getField(55)
                side, price, size = (group.getField(tag) for tag in (269, 270, 271))
                found.append((action, side.encode(), symbol.encode(), float(price), float(size)))
        return found

    return parse


def available() -> dict[str, Parser]:
    """Return the peers that are installed, and say which are not."""
    found: dict[str, Parser] = {"split": split}
    for package, make in (("quickfix", _quickfix), ("simplefix", _simplefix)):
        try:
            found[package] = make(__import__(package))
        except ImportError as error:
            print(f"no peer {package} ({error}): pip install --group perf", file=sys.stderr)
    return found
