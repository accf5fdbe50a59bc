"""A book put together from `book` payloads: one snapshot, then its changes in order."""

from heapq import nlargest, nsmallest

from feedhandler.topics import SNAPSHOT_KIND, Book, Level


class BookState:
    """Levels of one book topic's published window.

    `apply` must see every payload in `seq` order from a snapshot on (Subscriber and SubscriberState
    see to that). Prices are matched by exact binary64 value, as the publisher sends them.
    """

    __slots__ = ("_asks", "_bids", "latest")

    def __init__(self) -> None:
        self._bids: dict[float, float] = {}
        self._asks: dict[float, float] = {}
        self.latest: Book | None = None
        """The payload applied last: its seq, times and flags are the book's."""

    def apply(self, book: Book) -> None:
        """Replace by a snapshot, or change level by level."""
        if book.kind == SNAPSHOT_KIND:
            self._bids = {price: size for price, size in book.bids if size}
            self._asks = {price: size for price, size in book.asks if size}
        else:
            _change(self._bids, book.bids)
            _change(self._asks, book.asks)
        self.latest = book

    def bids(self, depth: int | None = None) -> list[Level]:
        """Return (price, size), best first; all levels or the best `depth`."""
        if depth is None:
            return sorted(self._bids.items(), reverse=True)
        return nlargest(depth, self._bids.items())

    def asks(self, depth: int | None = None) -> list[Level]:
        """Return (price, size), best first; all levels or the best `depth`."""
        if depth is None:
            return sorted(self._asks.items())
        return nsmallest(depth, self._asks.items())

    def snapshot(self) -> Book:
        """Return the whole window as a payload of kind 0 with the latest payload's seq and times."""
        last = self.latest
        if last is None:
            raise ValueError("no book payload was applied yet")
        head = (last.version, last.seq, last.ts_event, last.ts_recv, last.ts_pub)
        record = (last.ring, last.epoch, last.ring_seq)
        return Book(*head, *record, SNAPSHOT_KIND, self.bids(), self.asks(), last.flags)


def _change(side: dict[float, float], levels: list[Level]) -> None:
    for price, size in levels:
        if size:
            side[price] = size
        else:
            side.pop(price, None)
