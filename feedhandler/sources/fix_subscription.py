"""MarketDataRequests of one FIX source: what to ask for, when, and what a refusal means. No sockets, no clock.

At a logon all instruments are subscribed. A fresh book of single instruments is asked for at a configured pace,
as the profile says: by a snapshot request beside the subscription, or by ending and renewing the request that
has the instrument.
"""

from collections.abc import Iterable

from feedhandler.instruments import Instrument
from feedhandler.wire.fix_message import Field
from feedhandler.wire.fix_profile import Profile

REPEAT_NS = 5_000_000_000
"""A damaged book is asked for at most this often; requests over control are not held back by it."""


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
        self._instruments = {instrument.id: instrument for instrument in instruments}
        self._prefix = prefix
        self._depth = depth
        self._per_message = per_message
        self._per_s = per_s
        self._number = 0
        self._active: dict[str, list[int]] = {}  # request id -> its instruments
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
        """Instruments in requests that were not refused."""
        return sum(len(ids) for ids in self._active.values())

    def all(self) -> list[list[Field]]:
        """Return the requests that subscribe to everything, after a logon; earlier ones are forgotten."""
        self._active.clear()
        self._waiting.clear()
        self.rejected.clear()
        ids = list(self._instruments)
        chunks = [ids[i : i + self._per_message] for i in range(0, len(ids), self._per_message)]
        return [self._subscribe(chunk) for chunk in chunks]

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
            return [self._request(self._next_id(), b"0", chosen)]
        return self._renew(chosen)

    def refused(self, request_id: str, text: str) -> int:
        """Note that the venue refused a request (35=Y); return how many instruments it had."""
        if len(self.rejected) < 1000:
            self.rejected[request_id] = text
        return len(self._active.pop(request_id, ()))

    def _renew(self, chosen: list[int]) -> list[list[Field]]:
        requests = []
        for request_id, ids in list(self._active.items()):
            if not set(ids) & set(chosen):
                continue
            del self._active[request_id]
            requests += [self._request(request_id, b"2", ids), self._subscribe(ids)]
        return requests

    def _subscribe(self, ids: list[int]) -> list[Field]:
        request_id = self._next_id()
        self._active[request_id] = list(ids)
        return self._request(request_id, b"1", ids)

    def _next_id(self) -> str:
        self._number += 1
        return f"{self._prefix}-{self._number}"

    def _request(self, request_id: str, kind: bytes, ids: list[int]) -> list[Field]:
        """Fields of one 35=V behind the header, in the standard's order."""
        profile = self._profile.subscription
        self.requests += 1
        fields: list[Field] = [(262, request_id.encode()), (263, kind), (264, b"%d" % self._depth)]
        if kind != b"0":
            fields.append((265, b"1" if profile.update_type == "incremental" else b"0"))
        fields += [(int(tag), value.encode()) for tag, value in profile.root.items()]
        fields.append((267, b"%d" % len(profile.entry_types)))
        fields += [(269, value.encode()) for value in profile.entry_types]
        fields.append((146, b"%d" % len(ids)))
        symbol_tag = self._profile.tags["symbol"]
        tag = symbol_tag[0] if isinstance(symbol_tag, list) else symbol_tag
        for instrument in ids:
            fields.append((tag, self._instruments[instrument].venue_symbol.encode()))
            fields += [(int(extra), value.encode()) for extra, value in profile.symbol_tags.items()]
        return fields
