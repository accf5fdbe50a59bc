"""MarketDataRequests of one FIX source: what to ask for, when, and what a refusal means. No sockets, no clock.

At a logon all instruments are subscribed. A fresh book of single instruments is asked for at a configured pace,
as the profile says: by a snapshot request beside the subscription, or by ending and renewing the request that
has the instrument.
"""

from collections.abc import Iterable
from typing import NamedTuple

from feedhandler.instruments import Instrument
from feedhandler.wire.fix_message import Field
from feedhandler.wire.fix_profile import Profile, fields_of

REPEAT_NS = 5_000_000_000
"""A damaged book is asked for at most this often; requests over control are not held back by it."""


class Request(NamedTuple):
    """What one living request asks for."""

    ids: list[int]
    entry_types: tuple[str, ...]


class Subscription:
    """The requests of one session. Instruments by directory id."""

    def __init__(
        self,
        profile: Profile,
        instruments: list[Instrument],
        *,
        prefix: str,
        depth: int,
        per_message: int,
        per_s: float,
    ) -> None:
        self._profile = profile
        self._entry_types = self._streams(profile)
        self._instruments = {instrument.id: instrument for instrument in instruments}
        self._prefix = prefix
        self._depth = depth
        self._per_message = min(per_message, profile.subscription.per_message_max or per_message)
        self._per_s = per_s
        self._number = 0
        self._active: dict[str, Request] = {}  # by request id
        self._waiting: dict[int, None] = {}  # instruments to ask for again, oldest first
        self._tokens = 0.0
        self._tokens_at_ns = 0
        self._asked_ns: dict[int, int] = {}
        self.requests = 0
        self.resnapshots = 0
        self.rejected: dict[str, str] = {}  # request id -> what the venue said; bounded by the requests made

    @property
    def waiting(self) -> int:
        """Instruments still to be asked for again."""
        return len(self._waiting)

    @property
    def active(self) -> int:
        """Instruments whose books are in requests that were not refused: so many W are to be expected."""
        return sum(len(request.ids) for request in self._active.values() if request.entry_types is self._entry_types[0])

    def all(self) -> list[list[Field]]:
        """Return the requests that subscribe to everything, after a logon; earlier ones are forgotten."""
        self._active.clear()
        self._waiting.clear()
        self.rejected.clear()
        return self._subscribe_to(list(self._instruments))

    def _subscribe_to(self, ids: list[int]) -> list[list[Field]]:
        chunks = [ids[i : i + self._per_message] for i in range(0, len(ids), self._per_message)]
        return [self._subscribe(Request(chunk, types)) for types in self._entry_types for chunk in chunks]

    @property
    def ids(self) -> list[int]:
        """Every instrument."""
        return list(self._instruments)

    def add(self, instruments: list[Instrument]) -> list[list[Field]]:
        """Take more instruments; return the requests that subscribe to them, and to nothing else."""
        self._instruments.update((instrument.id, instrument) for instrument in instruments)
        return self._subscribe_to([instrument.id for instrument in instruments])

    def remove(self, ids: Iterable[int]) -> list[list[Field]]:
        """Drop instruments; return the requests that end what has them.

        FIX ends whole requests: those that stay are asked for anew behind the end, so their books come afresh.
        """
        gone, requests = set(ids), []
        for request_id, request in list(self._active.items()):
            if not gone & set(request.ids):
                continue
            del self._active[request_id]
            requests.append(self._request(request_id, b"2", request))
            if rest := [instrument for instrument in request.ids if instrument not in gone]:
                requests.append(self._subscribe(Request(rest, request.entry_types)))
        for instrument in gone:
            self._instruments.pop(instrument, None)
            self._waiting.pop(instrument, None)
            self._asked_ns.pop(instrument, None)
        return requests

    def want(self, ids: Iterable[int] | None) -> int:
        """Queue instruments for a fresh book (None = all); return how many are queued by this. KeyError: not ours."""
        chosen = list(self._instruments) if ids is None else list(ids)
        for instrument in chosen:
            if instrument not in self._instruments:
                raise KeyError(instrument)
        fresh = [instrument for instrument in chosen if instrument not in self._waiting]
        self._waiting.update(dict.fromkeys(fresh))
        return len(fresh)

    def damaged(self, ids: Iterable[int] | None, now_ns: int) -> int:
        """Queue books that lost an entry, each at most once per REPEAT_NS (None = all)."""
        chosen = list(self._instruments) if ids is None else [i for i in ids if i in self._instruments]
        due = [i for i in chosen if now_ns - self._asked_ns.get(i, -REPEAT_NS) >= REPEAT_NS]
        return self.want(due)

    def due(self, now_ns: int) -> list[list[Field]]:
        """Return the requests that the pace allows now."""
        if not self._waiting:
            self._tokens_at_ns = 0
            return []
        if self._tokens_at_ns == 0:
            self._tokens, self._tokens_at_ns = 1.0, now_ns
        self._tokens += (now_ns - self._tokens_at_ns) / 1e9 * self._per_s
        self._tokens = min(self._tokens, max(1.0, float(self._per_message)))
        self._tokens_at_ns = now_ns
        count = min(int(self._tokens), len(self._waiting), self._per_message)
        if count == 0:
            return []
        self._tokens -= count
        chosen = list(self._waiting)[:count]
        for instrument in chosen:
            del self._waiting[instrument]
            self._asked_ns[instrument] = now_ns
        self.resnapshots += len(chosen)
        if self._profile.subscription.resnapshot == "snapshot":
            return [self._request(self._next_id(), b"0", Request(chosen, self._entry_types[0]))]
        return self._renew(chosen)

    def refused(self, request_id: str, text: str) -> int:
        """Note that the venue refused a request (35=Y); return how many books it had."""
        if len(self.rejected) < 1000:
            self.rejected[request_id] = text
        before = self.active
        self._active.pop(request_id, None)
        return before - self.active

    @staticmethod
    def _streams(profile: Profile) -> list[tuple[str, ...]]:
        """Return what the requests ask for, books first: all in one, or trades in requests of their own."""
        types = profile.subscription.entry_types
        if not profile.subscription.trades_apart:
            return [types]
        trades = tuple(kind for kind in types if profile.entry_types.get(kind) == "trade")
        return [stream for stream in (tuple(kind for kind in types if kind not in trades), trades) if stream]

    def _renew(self, chosen: list[int]) -> list[list[Field]]:
        """End and renew the requests that have books of these instruments."""
        requests = []
        for request_id, request in list(self._active.items()):
            if request.entry_types is not self._entry_types[0] or not set(request.ids) & set(chosen):
                continue
            del self._active[request_id]
            requests += [self._request(request_id, b"2", request), self._subscribe(request)]
        return requests

    def _subscribe(self, request: Request) -> list[Field]:
        request_id = self._next_id()
        self._active[request_id] = request
        return self._request(request_id, b"1", request)

    def _next_id(self) -> str:
        self._number += 1
        return f"{self._prefix}-{self._number}"

    def _request(self, request_id: str, kind: bytes, request: Request) -> list[Field]:
        """Fields of one 35=V behind the header, in the standard's order unless the profile has another."""
        profile = self._profile.subscription
        self.requests += 1
        depth = self._depth or profile.full_depth
        fields: list[Field] = [(262, request_id.encode()), (263, kind), (264, b"%d" % depth)]
        if kind == b"2" and profile.short_end:
            return fields
        if kind != b"0" and profile.update_type != "unsaid":
            fields.append((265, b"1" if profile.update_type == "incremental" else b"0"))
        fields += fields_of(profile.root)
        types: list[Field] = [(267, b"%d" % len(request.entry_types))]
        types += [(269, value.encode()) for value in request.entry_types]
        symbols = self._symbols(request.ids)
        return fields + (symbols + types if profile.symbols_first else types + symbols)

    def _symbols(self, ids: list[int]) -> list[Field]:
        symbol_tag = self._profile.tags["symbol"]
        tag = symbol_tag[0] if isinstance(symbol_tag, list) else symbol_tag
        more = fields_of(self._profile.subscription.symbol_tags)
        fields: list[Field] = [(146, b"%d" % len(ids))]
        for instrument in ids:
            fields += [(tag, self._instruments[instrument].venue_symbol.encode()), *more]
        return fields
