"""Who gets what: upstream messages into the cache and out to the clients. No socket, no clock.

A turn of the server: set `now_ns`, feed messages to `state`, then `flush`. A bbo leaves once a flush
whatever happened to it in between; book changes and trades leave one by one. A client's snapshot is
built between two flushes, so no update repeats it and none is missing after it.
"""

from collections.abc import Callable
from typing import Any

from feedhandler.bridge.client import Client, Held, gap_message
from feedhandler.bridge.keys import Cache, Key
from feedhandler.bridge.protocol import encode
from feedhandler.topics import Bbo, Topic
from feedhandler.wire.book_state import BookState
from feedhandler.wire.streams import Stream
from feedhandler.wire.subscriber import SubscriberState
from feedhandler.wire.subscriber_events import Event, GapEvent, PublisherChanged, Synced

_RESTART = encode({"type": "restart"})


class Hub:
    """The bridge without its sockets."""

    def __init__(self, queue_max: int = 100_000) -> None:
        self.state = SubscriberState(self._on_update, self._on_event)
        self.cache = Cache()
        self.clients: dict[Client, None] = {}
        self.now_ns = 0
        self.gaps = 0
        self.gone = {"updates": 0, "frames": 0, "bytes": 0, "conflated": 0, "trades_dropped": 0, "errors": 0}
        """Sums over the clients that have left."""
        self._queue_max = queue_max
        self._dirty: list[Key] = []
        self._in_sync: set[str] = set()

    # -- clients ---------------------------------------------------------------------------------

    def connect(self, name: str, write: Callable[[bytes], None], *, authorised: bool) -> Client:
        """Add a client; `write` takes one text message."""
        client = Client(name, write, self._queue_max, authorised=authorised)
        self.clients[client] = None
        return client

    def disconnect(self, client: Client) -> None:
        """Remove a client and what only it wanted."""
        if self.clients.pop(client, self) is self:
            return
        for total in self.gone:
            self.gone[total] += getattr(client.stats, total)
        for channel in {channel for channel, _ in client.subscriptions}:
            for key in self.cache.keys.get(channel, {}).values():
                if client in key.clients:
                    key.clients.remove(client)
        client.subscriptions.clear()
        self._release_channels()

    def want(self, channel: str) -> None:
        """Take a channel from upstream because a client asked for it."""
        self.state.subscribe(f"{channel}|")

    def in_sync(self, channel: str) -> bool:
        """Return whether the cache holds the channel's present state."""
        return channel in self._in_sync

    def attach(self, client: Client, channels: tuple[str, ...], symbols: tuple[str, ...], identity: Any) -> None:
        """Give a client what it subscribed: a snapshot now, then updates. Call between flushes."""
        data: list[bytes] = []
        for channel in channels:
            for key in self.cache.of(channel):
                subscription = client.subscription_of(key)
                if subscription is None:
                    self.detach(client, key)
                elif "*" in symbols or key.topic.symbol in symbols:
                    self._register(client, key, subscription.interval_ns)
                    if client.slow:
                        client.held[key] = Held(0, restated=True)
                    else:
                        client.held.pop(key, None)
                        data.append(key.snapshot())
        client.snapshot(data, identity)
        client.settle()

    def detach(self, client: Client, key: Key) -> None:
        """Stop sending a key to a client."""
        if client in key.clients:
            key.clients.remove(client)
        client.forget(key)

    def unsubscribed(self, client: Client, channels: tuple[str, ...]) -> None:
        """Put a client's removed subscriptions into effect."""
        for channel in channels:
            for key in self.cache.keys.get(channel, {}).values():
                subscription = client.subscription_of(key)
                if subscription is None:
                    self.detach(client, key)
                elif client in key.clients:
                    client.limit(key, subscription.interval_ns)
        self._release_channels()

    def _register(self, client: Client, key: Key, interval_ns: int) -> None:
        if client not in key.clients:
            key.clients.append(client)
        client.limit(key, interval_ns)

    def _release_channels(self) -> None:
        wanted = {channel for client in self.clients for channel, _ in client.subscriptions}
        for channel in {*self.cache.keys, *self._in_sync} - wanted:
            self.cache.drop(channel)
            self._in_sync.discard(channel)
        self._dirty = [key for key in self._dirty if key.topic.channel in wanted]
        for channel in ("bbo", "book", "trade"):
            if channel not in wanted:
                self.state.unsubscribe(f"{channel}|")

    # -- upstream --------------------------------------------------------------------------------

    def _on_update(self, stream: Stream, value: Any, snapshot: bool, _records: bytes | None) -> None:
        key: Key = stream.user or self._open(stream)
        if snapshot:
            self._restate(key, value)
        elif type(value) is Bbo:
            key.value = value
            if key.dirty:
                for client in key.clients:
                    client.stats.conflated += 1
            elif key.clients:
                key.dirty = True
                key.oldest = value.oldest
                self._dirty.append(key)
        elif key.book is not None:
            key.book.apply(value)
            key.value = value
            self._hand_out(key, 0)
        else:
            self._trade(key, value)

    def _open(self, stream: Stream) -> Key:
        """Make the key of a new topic and give it to the clients that wait for it."""
        key: Key = self.cache.open(stream.topic)
        stream.user = key
        channel = stream.topic.channel
        for client in self.clients:
            # Who waits for the channel's snapshot gets the key with it.
            if not any(channel == waiting for waiting, _, _ in client.waiting):
                subscription = client.subscription_of(key)
                if subscription is not None:
                    self._register(client, key, subscription.interval_ns)
        return key

    def _restate(self, key: Key, value: Any) -> None:
        """Take a value that a snapshot brought: clients get it as a snapshot, after all that was before it."""
        if self._dirty or any(client.out for client in key.clients):
            self.flush()
        key.value = value
        if key.book is not None:
            key.book.apply(value)
        if not key.clients:
            return
        datum, oldest = key.snapshot(), value.oldest if type(value) is Bbo else 0
        for client in key.clients:
            if key.topic.channel != "trade":
                client.state(key, datum, oldest, self.now_ns, restated=True)
            elif not client.slow:
                client.fresh.append(datum)

    def _trade(self, key: Key, value: Any) -> None:
        quote = key.quote
        if quote is not None and quote.dirty:
            quote.dirty = False
            self._hand_out(quote, quote.oldest)
        key.value = value
        if key.clients:
            datum = key.datum(0)
            for client in key.clients:
                if client.plain:
                    client.out.append(datum)
                else:
                    client.trade(key, datum, value.seq)

    def _hand_out(self, key: Key, oldest: int) -> None:
        """Give every client of a key its newest value; encoded once, or not at all."""
        if not key.clients:
            return
        datum = key.datum(oldest)
        for client in key.clients:
            if client.plain:
                client.out.append(datum)
            else:
                client.state(key, datum, oldest, self.now_ns)

    def _on_event(self, event: Event) -> None:
        match event:
            case Synced(prefix):
                channel = prefix.removesuffix("|")
                self.flush()
                self._in_sync.add(channel)
                for client in list(self.clients):
                    owed = [item for item in client.waiting if item[0] == channel]
                    client.waiting = [item for item in client.waiting if item[0] != channel]
                    for _, symbols, identity in owed:
                        self.attach(client, (channel,), symbols, identity)
            case GapEvent(topic, first, last):
                self.gaps += 1
                self._gap(topic, first, last)
            case PublisherChanged():
                self._restart()
            case _:
                pass

    def _gap(self, topic: Topic, first: int, last: int) -> None:
        """Tell who takes these trades; states repair themselves."""
        key = self.cache.keys.get("trade", {}).get((topic.symbol, topic.source))
        if topic.channel == "trade" and key is not None:
            self.flush()
            for client in key.clients:
                client.note(gap_message(key, first, last))

    def _restart(self) -> None:
        """Forget all values: the new publisher's snapshots restate them, and what they lack is gone."""
        self.flush()
        self._in_sync.clear()
        for keys in self.cache.keys.values():
            for key in keys.values():
                key.value = None
                if key.book is not None:
                    key.book = BookState()
        for client in self.clients:
            client.restart(_RESTART)

    # -- the way out -----------------------------------------------------------------------------

    def flush(self) -> None:
        """Write all that is on its way, one message a client."""
        if self._dirty:
            dirty, self._dirty = self._dirty, []
            for key in dirty:
                if key.dirty:
                    key.dirty = False
                    self._hand_out(key, key.oldest)
        for client in self.clients:
            if client.out or client.fresh:
                client.flush()

    def tick(self) -> None:
        """Send what the clients' own rates held back until now."""
        for client in self.clients:
            if client.held and not client.slow:
                client.release(self.now_ns)
                client.settle()
                client.flush()

    @property
    def busy(self) -> bool:
        """A client's rate holds something back, so `tick` is due soon."""
        return any(client.held and not client.slow for client in self.clients)
