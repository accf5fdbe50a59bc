"""One WebSocket client: what it takes, what is on its way to it, what waits because it is slow.

Invariants:
- nothing is written to a client that is slow, except replies to its requests;
- per key the client gets ascending `seq`; a book change only on top of the state it belongs to;
- memory is bounded by the number of keys (states) and `queue_max` (trades).
"""

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from feedhandler.bridge.keys import Key
from feedhandler.bridge.protocol import ALL, encode

RELEASE_BATCH = 1000  # queued trades a message, when a slow client has caught up
SNAPSHOT_BYTES_MAX = 512 * 1024  # browsers and libraries refuse messages above 1 MiB by default
_UPDATE = b'{"type":"update","data":['
_SNAPSHOT = b'{"type":"snapshot","data":['
_MESSAGE = b'{"type"'  # how a queued message begins; a queued datum begins with its channel


class Subscription(msgspec.Struct, frozen=True):
    """How a (channel, symbol) pair is taken. `interval_ns` 0 = as it comes."""

    sources: frozenset[str] | None
    interval_ns: int


class ClientStats(msgspec.Struct):
    """What happened to one client."""

    updates: int = 0
    frames: int = 0
    bytes: int = 0
    conflated: int = 0
    trades_dropped: int = 0
    requests: int = 0
    errors: int = 0


class Held(msgspec.Struct):
    """A state that waits: `oldest` of the first update not delivered; restated = after a restart or resync."""

    oldest: int
    restated: bool


class Client:
    """The queue of one client. `write` takes one text message; the server calls it, `slow` and `resume`."""

    __slots__ = (
        "authorised", "due", "fresh", "gaps", "held", "name", "out", "plain", "queue", "queue_max", "rated",
        "slow", "slow_since_ns", "stats", "subscriptions", "waiting", "write",
    )  # fmt: skip

    def __init__(self, name: str, write: Callable[[bytes], None], queue_max: int, *, authorised: bool) -> None:
        self.name = name
        self.write = write
        self.queue_max = queue_max
        self.authorised = authorised
        self.subscriptions: dict[tuple[str, str], Subscription] = {}
        self.waiting: list[tuple[str, tuple[str, ...], Any]] = []  # snapshots owed when their channel is in sync
        self.plain = True  # neither slow nor limited in rate: data go straight into `out`
        self.out: list[bytes] = []
        self.fresh: list[bytes] = []
        self.held: dict[Key, Held] = {}
        self.queue: deque[bytes] = deque()
        self.gaps: dict[Key, list[int]] = {}
        self.rated: dict[Key, int] = {}  # key -> its interval, ns
        self.due: dict[Key, int] = {}  # key -> when it may go next
        self.slow = False
        self.slow_since_ns = 0
        self.stats = ClientStats()

    def subscription_of(self, key: Key) -> Subscription | None:
        """Return the subscription that takes a key: its symbol's own decides, else the channel's `*`."""
        channel, symbol, source = key.topic
        found = self.subscriptions.get((channel, symbol)) or self.subscriptions.get((channel, ALL))
        taken = found is not None and (found.sources is None or source in found.sources)
        return found if taken else None

    def limit(self, key: Key, interval_ns: int) -> None:
        """Send this key at most once an interval; 0 = as it comes. Trades know no limit."""
        if interval_ns and key.topic.channel != "trade":
            self.rated[key] = interval_ns
        else:
            self.rated.pop(key, None)
            self.due.pop(key, None)
        self._simplify()

    def forget(self, key: Key) -> None:
        """Drop all that is on its way for a key that is no longer taken."""
        for table in (self.held, self.gaps, self.rated, self.due):
            table.pop(key, None)
        self._simplify()

    # -- data ------------------------------------------------------------------------------------

    def state(self, key: Key, datum: bytes, oldest: int, now_ns: int, *, restated: bool = False) -> None:
        """Take a new state of a key, the long way: it goes out, or waits and the newest wins."""
        held = self.held.get(key)
        if held is not None:
            self.stats.conflated += 1
            held.restated |= restated
        elif self.slow or now_ns < self.due.get(key, 0):
            self.held[key] = Held(oldest, restated)
        else:
            if key in self.rated:
                self.due[key] = now_ns + self.rated[key]
            (self.fresh if restated else self.out).append(datum)

    def trade(self, key: Key, datum: bytes, seq: int) -> None:
        """Take a trade, the long way: the instrument's waiting quote goes first, overflow becomes a gap."""
        quote = key.quote
        if self.slow and (self.gaps or len(self.queue) >= self.queue_max):
            # Once full, all is gap until it drains: the client sees queued trades, one range, then the present.
            self.gaps.setdefault(key, [seq, seq])[1] = seq
            self.stats.trades_dropped += 1
            return
        target = self.queue if self.slow else self.out
        if quote is not None and quote in self.held:
            held = self.held.pop(quote)
            target.append(quote.datum(held.oldest or quote.value.oldest))
        target.append(datum)

    def note(self, message: bytes) -> None:
        """Take a message of its own (a gap upstream, a restart), in order with the data."""
        if self.slow:
            self.queue.append(message)
        else:
            self.flush()
            self._send(message)

    def restart(self, message: bytes) -> None:
        """Begin anew with a new publisher: states that waited are void, ranges lost so far are closed."""
        self.held.clear()
        self.queue.extend(gap_message(key, first, last) for key, (first, last) in self.gaps.items())
        self.gaps.clear()
        if self.subscriptions:
            self.note(message)
        self.settle()

    def snapshot(self, data: list[bytes], identity: Any) -> None:
        """Send the snapshot that answers a subscription, in messages of bounded size; `id` is the request's."""
        ending = b'],"id":' + encode(identity) + b"}"
        chunk: list[bytes] = []
        size = 0
        for datum in data:
            if size + len(datum) > SNAPSHOT_BYTES_MAX and chunk:
                self._send(_SNAPSHOT + b",".join(chunk) + ending)
                chunk, size = [], 0
            chunk.append(datum)
            size += len(datum)
        self._send(_SNAPSHOT + b",".join(chunk) + ending)

    # -- the way out -----------------------------------------------------------------------------

    def release(self, now_ns: int) -> None:
        """Move what waits, and may go now, to the way out. Call `flush` after it."""
        if self.slow:
            return
        while self.queue and not self.slow:
            for _ in range(min(len(self.queue), RELEASE_BATCH)):
                self._release_one(self.queue.popleft())
            self.flush()
        if self.slow:
            return  # again: the transport said so while it took that
        if self.gaps:
            self.flush()
            gaps, self.gaps = self.gaps, {}
            for key, (first, last) in gaps.items():
                self._send(gap_message(key, first, last))
        for key in [k for k in self.held if now_ns >= self.due.get(k, 0)]:
            held = self.held.pop(key)
            if key in self.rated:
                self.due[key] = now_ns + self.rated[key]
            if held.restated or key.book is not None:
                self.fresh.append(key.snapshot())
            else:
                self.out.append(key.datum(held.oldest))

    def _release_one(self, item: bytes) -> None:
        if item.startswith(_MESSAGE):
            self.flush()
            self._send(item)
        else:
            self.out.append(item)

    def flush(self) -> None:
        """Write what is on its way: one message of snapshots if there are any, one of updates."""
        if self.fresh:
            data, self.fresh = self.fresh, []
            self._send_data(_SNAPSHOT, data)
        if self.out:
            data, self.out = self.out, []
            self._send_data(_UPDATE, data)

    def _send_data(self, opening: bytes, data: list[bytes]) -> None:
        self.stats.updates += len(data)
        self._send(opening + b",".join(data) + b"]}")

    def _send(self, message: bytes) -> None:
        self.stats.frames += 1
        self.stats.bytes += len(message)
        self.write(message)

    # -- back-pressure ---------------------------------------------------------------------------

    def pause(self, now_ns: int) -> None:
        """Note that the transport's buffer is full: from now on the newest state wins and trades queue."""
        if not self.slow:
            self.slow, self.slow_since_ns, self.plain = True, now_ns, False

    def resume(self, now_ns: int) -> None:
        """Note that the transport's buffer has drained, and send what waited."""
        self.slow = False
        self.release(now_ns)
        self._simplify()
        self.flush()

    def _simplify(self) -> None:
        self.plain = not (self.slow or self.rated or self.held or self.queue or self.gaps)

    def settle(self) -> None:
        """Go back to the short way if nothing waits any more."""
        self._simplify()


def gap_message(key: Key, first: int, last: int) -> bytes:
    """Return the message that trades `first`..`last` will not come; `first` 0 = where it began is not known."""
    channel, symbol, source = key.topic
    names = {"channel": channel, "symbol": symbol, "source": source}
    return encode({"type": "gap", **names, "from_seq": first, "to_seq": last})
