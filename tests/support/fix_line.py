"""One decoder session without a socket: FIX text in, whole record arrays out."""

import itertools

import numpy as np

from feedhandler import _native
from feedhandler.tick import TICK
from feedhandler.wire import fix_profile

NOW = 1_795_258_800_000_000_000
HEAD = "49=SIM|56=FH|52=20261121-11:00:00.500|"
SYMBOLS = {"EURUSD": 1, "USDJPY": 2, "BTCUSDT": 3}
_names = itertools.count()


def message(text: str, begin: bytes = b"FIX.4.4") -> bytes:
    """`35=X|...` with right length and checksum."""
    body = text.encode("latin-1").replace(b"|", b"\x01")
    whole = b"8=%s\x019=%d\x01%s" % (begin, len(body), body)
    return whole + b"10=%03d\x01" % (sum(whole) % 256)


class Feed:
    """A ring, a loop without sessions, a reader: bytes in, whole record arrays out."""

    now_ns = NOW

    def __init__(self, folder, name: str, capacity: int):
        self.ring = _native.RingWriter(str(folder), str(folder), name, capacity)
        self.reader = _native.RingReader(str(folder), name)
        self.reader.attach(0, True)
        self.loop = _native.FixLoop(self.ring)
        self.seq = 0
        self.handed: list[bytes] = []

    def feed(self, data: bytes, now_ns: int | None = None) -> np.ndarray:
        """Feed bytes; return the records they made. What is for the session goes to `handed`."""
        now_ns = self.now_ns if now_ns is None else now_ns
        handed = self.loop.feed(0, data, now_ns)
        while handed is not None:
            self.handed.append(handed)
            handed = self.loop.feed(0, b"", now_ns)
        return self.read()

    def read(self) -> np.ndarray:
        out = np.zeros(1 << 14, TICK)
        count, lost = self.reader.read_into(out.view(np.uint8))
        assert lost == 0
        return out[:count]

    @property
    def counts(self) -> dict[str, int]:
        """What was counted, without zeros and without volumes."""
        volumes = ("reads", "bytes", "messages", "market_data", "snapshots", "ticks", "events", "admin")
        return {k: v for k, v in self.loop.counts(0).items() if v and k not in volumes}


class Line(Feed):
    """One session of plain FIX 4.4. `send` numbers the messages."""

    def __init__(
        self, folder, keying="price", message_max=1 << 20, entries_max=4096, capacity=1 << 14, id_scope="session"
    ):
        super().__init__(folder, f"r{next(_names)}", capacity)
        table = self.table = fix_profile.load("fix44").compile(keying)
        table.ids_per_instrument = id_scope == "instrument"
        self.loop.add_session(table, 9, 0, message_max, entries_max)
        for symbol, number in SYMBOLS.items():
            self.loop.add_symbol(0, symbol.encode(), number)
        self.loop.set_sequence(0, 1, True)

    def send(self, kind: str, rest: str) -> np.ndarray:
        """The next message in sequence: kind W or X, and everything behind the header."""
        self.seq += 1
        return self.feed(message(f"35={kind}|34={self.seq}|{HEAD}{rest}"))
