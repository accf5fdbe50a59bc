"""FIX parsers that a Python user has today: QuickFIX, simplefix, and splitting by hand.

Each reads side, action, symbol, price and size of every entry of an incremental refresh as values that can be used.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Entry = tuple[bytes, bytes, bytes, float, float]
"""279, 269, 55, 270, 271."""
Parser = Callable[[Sequence[bytes]], list[Entry]]
TAGS = (279, 269, 55, 270, 271)


def split(messages: Sequence[bytes]) -> list[Entry]:
    """Split at SOH and '='; no checksum, no validation."""
    found: list[Entry] = []
    for message in messages:
        entry: dict[bytes, bytes] = {}
        for field in message.split(b"\x01"):
            tag, _, value = field.partition(b"=")
            if tag == b"279" and entry.get(b"279"):
                found.append(_entry(entry))
                entry = {}
            entry[tag] = value
        found.append(_entry(entry))
    return found


def _entry(fields: dict[bytes, bytes]) -> Entry:
    return fields[b"279"], fields[b"269"], fields[b"55"], float(fields[b"270"]), float(fields[b"271"])


def _simplefix(module: Any) -> Parser:
    def parse(messages: Sequence[bytes]) -> list[Entry]:
        found: list[Entry] = []
        parser = module.FixParser()
        for data in messages:
            parser.append_buffer(data)
            message = parser.get_message()
            for nth in range(1, int(message.get(268)) + 1):
                action, side, symbol, price, size = (message.get(tag, nth) for tag in TAGS)
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
            for nth in range(1, int(message.getField(268)) + 1):
                group = quickfix44.MarketDataIncrementalRefresh.NoMDEntries()
                message.getGroup(nth, group)
                action, side, symbol, price, size = (group.getField(tag) for tag in TAGS)
                found.append((action.encode(), side.encode(), symbol.encode(), float(price), float(size)))
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
