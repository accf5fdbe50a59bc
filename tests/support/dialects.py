"""A dialect from wire to book: its session's bytes, its decoder, and a conflation engine behind it."""

from pathlib import Path

import msgspec
import numpy as np

from feedhandler import _native
from feedhandler.config import Source
from feedhandler.counters import Counters
from feedhandler.instruments import Directory, Instrument
from feedhandler.sources.fix_config import session_config
from feedhandler.sources.fix_subscription import Subscription
from feedhandler.tick import Action, Flag, Kind, Side, State
from feedhandler.wire import fix_profile
from feedhandler.wire.fix_message import frame
from feedhandler.wire.fix_session import MemoryStore, Session
from tests.support.conflating import PARK, messages
from tests.support.fix_line import Feed

NOW = 1_795_258_800_250_000_000  # 20261121-11:00:00.250
DEPTH = 10


def wire(text: str, begin: str = "FIX.4.4") -> bytes:
    """`35=W|34=1|...|` to a whole message; `^` stands for a SOH inside of data."""
    return frame(begin.encode(), text.replace("|", "\x01").replace("^", "\x01").encode("latin-1"))


def plain(data: bytes, begin: str = "FIX.4.4") -> list[str]:
    """Every message of `data` without 8, 9 and 10, which are checked here."""
    texts = []
    for part in data.split(f"8={begin}\x01".encode())[1:]:
        body = part[part.index(b"\x01") + 1 : part.rindex(b"10=")]
        assert f"8={begin}\x01".encode() + part == frame(begin.encode(), body)
        texts.append(body.decode("latin-1").rstrip("\x01").replace("\x01", "|"))
    return texts


class Client:
    """A source's session of a dialect, without a socket: what it says at logon and how it subscribes."""

    def __init__(self, profile: str, symbols: list[str], *, depth: int = 0, **source: object) -> None:
        self.profile = fix_profile.load(profile)
        settings = {
            "name": "venue",
            "profile": profile,
            "host": "h",
            "port": 1,
            "sender": "FH",
            "target": "SIM",
        } | source
        self.config = msgspec.convert(settings, Source)
        self.session = Session(session_config(self.config, self.profile), MemoryStore())
        instruments = [
            Instrument(id=i, source=1, venue_symbol=symbol, symbol=symbol) for i, symbol in enumerate(symbols, 1)
        ]
        self.subscription = Subscription(self.profile, instruments, prefix="p", depth=depth, per_message=50, per_s=1e6)

    def logon(self) -> str:
        """The Logon, readable."""
        self.session.connected(NOW)
        (text,) = plain(self.session.take_output(), self.profile.begin_string)
        return text

    def logged_on(self, logon: str) -> None:
        """The venue answers: `logon` behind the header."""
        head = f"35=A|34=1|49={self.config.target}|52=20261121-11:00:00.250|56={self.config.sender}|"
        self.session.on_message(wire(head + logon, self.profile.begin_string), NOW)

    def requests(self) -> list[str]:
        """All of the subscription, readable from 262 on."""
        return [readable(request) for request in self.subscription.all()]

    def renewals(self, instrument: int) -> list[str]:
        """What asks for a fresh book of one instrument."""
        self.subscription.want([instrument])
        return [readable(request) for request in self.subscription.due(NOW)]


def readable(request: list) -> str:
    return "|".join(f"{tag}={value.decode()}" for tag, value in request)


class Dialect(Feed):
    """FIX text in; records, books and published messages out. Instruments by venue symbol, numbered from 1."""

    now_ns = NOW

    def __init__(
        self, folder: Path, profile: str, symbols: dict[str, tuple[int, int]], *, keying: str | None = None,
        depth: int = 0, capacity: int = 1 << 14, text: str | None = None,
    ) -> None:  # fmt: skip
        """`symbols`: venue symbol -> decimals of price and size. `text`: a profile that is in no file of ours."""
        folder = Path(folder)
        if text is not None:
            path = folder / f"{profile}.toml"
            path.write_text(text)
        self.profile = fix_profile.load(path if text is not None else profile)
        directory = Directory(folder / "instruments.dir", writable=True)
        source = directory.add_source("venue")
        super().__init__(folder, "h", capacity)
        self.loop.add_session(self.profile.compile(keying, depth), source, 0, 1 << 20, 4096)
        for symbol, (price_decimals, size_decimals) in symbols.items():
            number = directory.add(
                Instrument(
                    source=source, venue_symbol=symbol, symbol=symbol, price_decimals=price_decimals,
                    size_decimals=size_decimals, keying=self.profile.record_keying(keying),
                )
            )  # fmt: skip
            self.loop.add_symbol(0, symbol.encode(), number)
            self.loop.set_decimals(0, number, price_decimals, size_decimals)
        self.loop.set_sequence(0, 1, True)
        self.counters = Counters(str(folder), "conflator")
        self.engine = _native.Conflator(
            str(folder), str(folder), str(folder / "instruments.dir"), ["h"], [["venue"]], DEPTH, 4096,
            max(16, 2 * len(symbols)), self.counters.native,
        )  # fmt: skip

    def message(self, kind: str, rest: str) -> bytes:
        """The next message in sequence; `rest` stands behind the header."""
        self.seq += 1
        head = f"35={kind}|34={self.seq}|49=SIM|52=20261121-11:00:00.123|56=FH|"
        return wire(head + rest, self.profile.begin_string)

    def send(self, kind: str, rest: str) -> list[tuple]:
        """Send the next message; its records as `brief` shows them."""
        return brief(self.feed(self.message(kind, rest)))

    def published(self) -> list[tuple[str, list]]:
        """Run the conflator over everything; (topic, payload) of what it published."""
        while self.engine.run(PARK, 0, 0, 0):
            pass
        return messages(self.engine.take())

    def book(self, instrument: int = 1) -> tuple[list, list]:
        """Bids and asks of an instrument as the conflator has them, best first."""
        self.published()
        return self.engine.book(instrument)


def brief(records: np.ndarray) -> list[tuple]:
    """Records as people read them: (what, instrument, side, price, size), with `last` where an event ends."""
    return [_brief(record) for record in records]


def _brief(record: np.void) -> tuple:
    kind = Kind(int(record["kind"]))
    last = ("last",) if record["flags"] & Flag.LAST else ()
    instrument = int(record["instrument"])
    if kind is Kind.STATE:
        return (State(int(record["level"])).name.lower(), instrument, *last)
    if kind is Kind.BOOK_CLEAR:
        return ("clear", instrument, *last)
    what = "trade" if kind is Kind.TRADE else Action(int(record["action"])).name.lower()
    side = Side(int(record["side"])).name.lower()
    price, size = (None if np.isnan(record[field]) else float(record[field]) for field in ("price", "size"))
    return (what, instrument, side, price, size, *last)
