"""The venue's control operations (docs/contracts/simulator.md)."""

import resource
from collections.abc import Iterable
from typing import Any, Final

from feedhandler import _native, clock
from feedhandler.control import ControlServer, Reply, Request
from feedhandler.sim.acceptor import Acceptor
from feedhandler.sim.market import Listing, decimal_text

FLOW_STATES: Final = ("waiting", "running", "paused", "done")


class Operations:
    """Answers about the venue and faults on demand. Called between native runs, so every answer is consistent."""

    def __init__(self, venue: _native.SimVenue, acceptor: Acceptor, listings: list[Listing], offset_ns: int) -> None:
        self._venue = venue
        self._acceptor = acceptor
        self._listings = listings
        self._offset_ns = offset_ns
        self.released = False  # `release` was asked: with --hold the flow may start
        self.extra: dict[str, Any] = {}  # what the process adds to `status`

    def register(self, control: ControlServer) -> None:
        """Serve everything on `control`."""
        control.status_fn = self.status
        for operation in (
            self.counts, self.books, self.messages, self.release, self.pause, self.resume,
            self.drop_connection, self.skip_seq, self.flush_log,
        ):  # fmt: skip
            control.register(operation.__name__, operation)

    def flow(self) -> str:
        """Where the flow stands."""
        return FLOW_STATES[self._venue.flow_state]

    def status(self) -> Reply:
        """Totals, sessions, pace."""
        elapsed_ns = self._venue.elapsed_ns(clock.monotonic_ns())
        totals = self._venue.totals()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "flow": self.flow(),
            "seconds": elapsed_ns / 1e9,
            "rate": totals["entries"] * 1e9 / elapsed_ns if elapsed_ns > 0 else 0.0,
            "instruments": len(self._listings),
            **totals,
            "late": self._venue.lateness(),
            "sessions": self._acceptor.sessions(),
            "connections": self._acceptor.connected,
            "refused_connections": self._acceptor.refused_connections,
            "refused_requests": self._acceptor.refused_requests,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "rss_peak_kb": usage.ru_maxrss,
            **self.extra,
        }

    def counts(self, _request: Request) -> Reply:
        """Per instrument: {"sent": {venue symbol: n}, "resent": ..., "skipped": ..., "cut": ..., "unsent": ...}."""
        result: dict[str, dict[str, int]] = {}
        for index, listing in enumerate(self._listings):
            for name, value in self._venue.counts(index).items():
                result.setdefault(name, {})[listing.venue] = value
        return dict(result)

    def books(self, request: Request) -> Reply:
        """Give the venue's own books, best first, as decimal text; `symbols` chooses some."""
        wanted = request.get("symbols")
        books = {}
        for index, listing in enumerate(self._listings):
            if wanted is None or listing.venue in wanted:
                bids, asks = self._venue.book(index)
                books[listing.venue] = {"bids": _text(listing, bids), "asks": _text(listing, asks)}
        return {"books": books}

    def messages(self, _request: Request) -> Reply:
        """Tell what the venue received: by 35, instruments asked for by 263, and the requests (the first thousand)."""
        acceptor = self._acceptor
        return {
            "by_type": dict(acceptor.by_type),
            "instruments": dict(acceptor.by_subscription),
            "requests": acceptor.requests,
        }

    def release(self, _request: Request) -> Reply:
        """Let a flow start that was held."""
        self.released = True
        return {"flow": self.flow()}

    def pause(self, _request: Request) -> Reply:
        """Stop the flow; sessions stay."""
        self._venue.pause(clock.monotonic_ns())
        return {"flow": self.flow()}

    def resume(self, _request: Request) -> Reply:
        """Go on; the schedule moves by the length of the pause."""
        self._venue.resume(clock.monotonic_ns())
        return {"flow": self.flow()}

    def drop_connection(self, request: Request) -> Reply:
        """Cut connections without a Logout: all, or those of `client`."""
        return {"dropped": self._acceptor.drop(request.get("client"), clock.monotonic_ns() + self._offset_ns)}

    def skip_seq(self, request: Request) -> Reply:
        """Drop the next `n` market data messages of every session, or of `client`, after numbering and storing them."""
        count = request.get("n", 1)
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 1_000_000:
            raise ValueError("n must be 1 to 1000000")
        return {"sessions": self._acceptor.skip_next(count, request.get("client"))}

    def flush_log(self, _request: Request) -> Reply:
        """Write the BBO log's rows to its file."""
        return {"rows": self._venue.flush_log()}


def _text(listing: Listing, levels: Iterable[tuple[int, int]]) -> list[list[str]]:
    return [
        [decimal_text(price, listing.price_decimals), decimal_text(size, listing.size_decimals)]
        for price, size in levels
    ]
