"""What the bridge knows of one (channel, symbol, source), and its JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from feedhandler.topics import Bbo, Book, Level, Topic, Trade
from feedhandler.wire.book_state import BookState

if TYPE_CHECKING:
    from feedhandler.bridge.client import Client

_encode = msgspec.json.Encoder().encode


class _Bbo(msgspec.Struct, gc=False):
    """A bbo datum after channel, symbol and source; field names are the contract."""

    seq: int
    ts_event: int
    ts_recv: int
    ts_pub: int
    bid: float | None
    bid_size: float | None
    ask: float | None
    ask_size: float | None
    flags: int
    oldest: int


class _Book(msgspec.Struct, gc=False):
    seq: int
    ts_event: int
    ts_recv: int
    ts_pub: int
    kind: int
    bids: Sequence[Level]
    asks: Sequence[Level]
    flags: int


class _Trade(msgspec.Struct, gc=False):
    seq: int
    ts_event: int
    ts_recv: int
    ts_pub: int
    price: float | None
    size: float | None
    side: int
    ref: int
    flags: int


class Key:
    """One topic of the cache: its newest value and who takes it.

    `dirty`: a bbo value that the clients have not been handed yet; `oldest` is then the `oldest` of the
    first update since they were, because later ones replaced it.
    """

    __slots__ = ("book", "clients", "dirty", "oldest", "prefix", "quote", "topic", "value")

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.value: Any = None
        self.dirty = False
        self.oldest = 0
        self.clients: list[Client] = []
        self.quote: Key | None = None
        """For a trade: the bbo of the same symbol and source, which goes out first."""
        self.book = BookState() if topic.channel == "book" else None
        names = {"channel": topic.channel, "symbol": topic.symbol, "source": topic.source}
        self.prefix = _encode(names)[:-1] + b","

    def datum(self, oldest: int) -> bytes:
        """Return the newest value as JSON; a bbo with this `oldest`."""
        value = self.value
        if type(value) is Bbo:
            named: Any = _Bbo(
                value.seq, value.ts_event, value.ts_recv, value.ts_pub,
                value.bid, value.bid_size, value.ask, value.ask_size, value.flags, oldest,
            )  # fmt: skip
        elif type(value) is Trade:
            named = _Trade(
                value.seq, value.ts_event, value.ts_recv, value.ts_pub,
                value.price, value.size, value.side, value.ref, value.flags,
            )  # fmt: skip
        else:
            return self._book_datum(value)
        return self.prefix + _encode(named)[1:]

    def snapshot(self) -> bytes:
        """Return the state of the present as JSON: a book in whole, else the newest value."""
        if self.book is not None:
            return self._book_datum(self.book.snapshot())
        return self.datum(self.value.oldest if type(self.value) is Bbo else 0)

    def _book_datum(self, value: Book) -> bytes:
        named = _Book(
            value.seq, value.ts_event, value.ts_recv, value.ts_pub,
            value.kind, value.bids, value.asks, value.flags,
        )  # fmt: skip
        return self.prefix + _encode(named)[1:]


class Cache:
    """Every key, by topic, and the keys of each channel."""

    def __init__(self) -> None:
        self.keys: dict[str, dict[tuple[str, str], Key]] = {}

    def open(self, topic: Topic) -> Key:
        """Return the key of a topic, a new one if need be, joined with its quote or its trades."""
        channel = self.keys.setdefault(topic.channel, {})
        place = (topic.symbol, topic.source)
        key = channel.get(place)
        if key is None:
            key = channel[place] = Key(topic)
            if topic.channel == "trade":
                key.quote = self.keys.get("bbo", {}).get(place)
            elif topic.channel == "bbo":
                trade = self.keys.get("trade", {}).get(place)
                if trade is not None:
                    trade.quote = key
        return key

    def of(self, channel: str) -> list[Key]:
        """Return the keys of a channel that have a value."""
        return [key for key in self.keys.get(channel, {}).values() if key.value is not None]

    def drop(self, channel: str) -> None:
        """Forget a channel."""
        self.keys.pop(channel, None)
        if channel == "bbo":
            for key in self.keys.get("trade", {}).values():
                key.quote = None
