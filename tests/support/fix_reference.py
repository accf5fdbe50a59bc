"""An independent decoder in plain Python, slow and obvious: what the native one is compared with.

It shares no code with feedhandler: split at SOH, datetime, Decimal, dict. It knows the plain FIX 4.4 profile and
follows docs/contracts/fix-decoding.md.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

NAN = None
DAY = 86_400 * 10**9
SIDES = {"0": 1, "1": 2}
ACTIONS = {"0": 1, "1": 2, "2": 3}


def fnv(text: str) -> int:
    value = 0xCBF29CE484222325
    for byte in text.encode("latin-1"):
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return value


def time_of_day(text: str) -> int:
    whole, _, fraction = text.partition(".")
    moment = datetime.strptime(whole, "%H:%M:%S")  # noqa: DTZ007 - a time of day
    return (moment.hour * 3600 + moment.minute * 60 + moment.second) * 10**9 + int(fraction.ljust(9, "0")[:9] or 0)


def midnight(text: str) -> int:
    day = datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC)
    return (day - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(days=1) * DAY


def stamp(text: str) -> int:
    return midnight(text[:8]) + time_of_day(text[9:])


def number(text: str) -> tuple[float, bool]:
    value = float(text)
    return (value + 0.0 if value else 0.0), Decimal(repr(value)) != Decimal(text)


class Reference:
    """Books' worth of state: entry ids of id-keyed books."""

    def __init__(self, symbols: dict[str, int], keying: str = "price") -> None:
        self.symbols = symbols
        self.by_id = keying == "id"
        self.entries: dict[tuple[int, str], tuple[int, float, float]] = {}

    def decode(self, raw: bytes, ts_recv: int) -> list[tuple]:
        fields = [part.split("=", 1) for part in raw.decode("latin-1").rstrip("\x01").split("\x01")]
        body = [(int(tag), value) for tag, value in fields]
        at = next(i for i, (tag, _) in enumerate(body) if tag == 268)
        root = dict(reversed(body[:at]))
        first = 269 if root[35] == "W" else 279
        groups: list[dict[int, str]] = []
        for tag, value in body[at + 1 : -1]:
            if tag == first:
                groups.append({})
            if groups:
                groups[-1].setdefault(tag, value)
        records = self._records(root, groups, ts_recv)
        if records:
            records[-1][8] |= 0x80
        return [tuple(record) for record in records]

    def _records(self, root, groups, ts_recv):
        snapshot = root[35] == "W"
        base = 0x20 if snapshot else 0
        if root.get(43) == "Y":
            base |= 0x02
        sent = stamp(root[52])
        ts, day, dated = (stamp(root[60]) if 60 in root else sent), sent // DAY * DAY, False
        symbol = root.get(55)
        seq = int(root.get(83, root[34]))
        records = []

        def add(kind, side=0, action=0, price=NAN, size=NAN, ref=seq, flags=0):
            records.append([ts, ts_recv, price, size, ref, self.symbols[symbol], kind, side, base | flags, action])

        cleared = False
        if snapshot and not groups:
            self._forget(self.symbols[symbol])
            add(4)
        for entry in groups:
            symbol = entry.get(55, symbol)
            if 272 in entry:
                day, dated = midnight(entry[272]), True
            if 273 in entry:
                ts = day + time_of_day(entry[273])
                if not dated and abs(ts - sent) > DAY // 2:
                    ts += DAY if ts < sent else -DAY
            if symbol not in self.symbols:
                continue
            instrument = self.symbols[symbol]
            action = 1 if snapshot else ACTIONS[entry[279]]
            kind = entry.get(269)
            price, price_rounded = number(entry[270]) if 270 in entry else (NAN, False)
            size, size_rounded = number(entry[271]) if 271 in entry else (NAN, False)
            rounded = int(price_rounded or size_rounded)
            if kind == "2":
                trade_id = entry.get(1003, entry.get(278))
                ref = 0 if trade_id is None else int(trade_id) if trade_id.isdecimal() else fnv(trade_id)
                side = {"1": 1, "2": 2}.get(entry.get(54), 0)
                add(3, side, action, price, size, ref, rounded)
                continue
            if snapshot and not cleared:
                cleared = True
                self._forget(instrument)
                add(4)
            if self.by_id:
                self._by_id(add, instrument, entry, SIDES.get(kind, 0), action, price, size, rounded, snapshot)
                continue
            ref = int(entry.get(83, seq))
            if action == 3 or (size == 0 and not snapshot):
                add(2, SIDES[kind], 3, price, 0.0, ref, rounded)
            else:
                add(2, SIDES[kind], action, price, size, ref, rounded)
        return records

    def _forget(self, instrument):
        for key in [key for key in self.entries if key[0] == instrument]:
            del self.entries[key]

    def _by_id(self, add, instrument, entry, side, action, price, size, rounded, snapshot):
        key = (instrument, entry[278])
        old = self.entries.get(key)
        if action == 3:
            if old is None:
                add(2, side, 3, price, 0.0, fnv(entry[278]), 0x04)
            else:
                add(2, old[0], 3, old[1], 0.0, fnv(entry[278]))
                del self.entries[key]
            return
        if old is not None:
            side = side or old[0]
            price = old[1] if price is None else price
            size = old[2] if size is None else size
            if old[0] != side or (size == 0 and not snapshot):
                add(2, old[0], 3, old[1], 0.0, fnv(entry[278]))
                del self.entries[key]
                if size == 0 and not snapshot:
                    return
                old, action = None, 1
        if old is not None:
            action = 2
        elif action == 2:
            rounded |= 0x04
        if size == 0 and not snapshot:
            add(2, side, 3, price, 0.0, fnv(entry[278]), rounded)
            return
        self.entries[key] = (side, price, size)
        add(2, side, action, price, size, fnv(entry[278]), rounded)


def native(records) -> list[tuple]:
    """Native records in the reference's shape."""

    def value(x):
        return None if x != x else float(x)

    return [
        (int(r["ts_event"]), int(r["ts_recv"]), value(r["price"]), value(r["size"]), int(r["ref"]),
         int(r["instrument"]), int(r["kind"]), int(r["side"]), int(r["flags"]), int(r["action"]))
        for r in records
    ]  # fmt: skip
