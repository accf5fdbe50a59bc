"""Subscribe to the publisher from Python: snapshot first, then updates, and every loss announced.

```python
with Subscriber(publish, snapshot, topics=["bbo|EUR/USD|", "trade|"]) as subscriber:
    for event in subscriber:
        match event:
            case Update(topic, payload): ...
            case GapEvent(topic, from_seq, to_seq): ...
```

The protocol is SubscriberState (feedhandler/wire/subscriber.py); this module owns the sockets.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import zmq

from feedhandler import clock, zmq_native
from feedhandler.topics import Topic  # noqa: TC001 - part of this module's face
from feedhandler.wire.book_state import BookState
from feedhandler.wire.streams import Stream
from feedhandler.wire.subscriber import SubscriberState
from feedhandler.wire.subscriber_events import (
    Event,
    GapEvent,
    PublisherChanged,
    ResetSnapshotSocket,
    SendRequest,
    Subscribe,
    SubscriberCounts,
    Synced,
    Unsubscribe,
    Update,
)

__all__ = [
    "BookState",
    "Event",
    "GapEvent",
    "PublisherChanged",
    "Subscriber",
    "SubscriberState",
    "Synced",
    "Update",
]

RECEIVE_HWM = 100_000
MESSAGES_MAX = 10_000  # taken by one poll, so that a flood cannot keep it from returning


class Subscriber:
    """A synchronous subscriber. One thread; owns two sockets until `close`.

    `topics` are prefixes of `<channel>|<symbol>|<source>`; "" is everything. With `books=True`,
    `books[topic]` is kept up to date from the `book` channel before each event is returned.
    """

    def __init__(
        self,
        publish_endpoint: str,
        snapshot_endpoint: str,
        topics: Iterable[str] = ("",),
        *,
        books: bool = False,
        receive_hwm: int = RECEIVE_HWM,
    ) -> None:
        self.books: dict[Topic, BookState] = {}
        self._events: list[Event] = []
        self._state = SubscriberState(self._on_book if books else None, self._events.append if books else None)
        self._with_books = books
        self._emptied = False  # the last look at the socket found its end
        self._snapshot_endpoint = snapshot_endpoint
        self._context = zmq.Context()
        self._sub = self._context.socket(zmq.SUB)
        self._sub.setsockopt(zmq.RCVHWM, receive_hwm)
        self._sub.setsockopt(zmq.LINGER, 0)
        self._sub.setsockopt(zmq.RECONNECT_IVL, 20)
        self._sub.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
        self._sub.connect(publish_endpoint)
        self._inbound = zmq_native.receiver(self._sub)
        self._odd = 0
        self._poller = zmq.Poller()
        self._poller.register(self._sub, zmq.POLLIN)
        self._dealer = self._open_dealer()
        for prefix in topics:
            self._state.subscribe(prefix)
        self._work()

    def subscribe(self, prefix: str) -> None:
        """Add a subscription; its snapshot comes through `poll`."""
        self._state.subscribe(prefix)
        self._work()

    def unsubscribe(self, prefix: str) -> None:
        """Take a subscription back."""
        self._state.unsubscribe(prefix)
        self._work()

    @property
    def counts(self) -> SubscriberCounts:
        """What happened so far."""
        return self._state.counts

    @property
    def synced(self) -> bool:
        """The snapshot of every subscription has arrived and no topic waits for another."""
        return self._state.synced

    @property
    def publisher_epoch(self) -> int | None:
        """The publisher's epoch; None until it told."""
        return self._state.epoch

    def poll(self, timeout_s: float = 0.0) -> list[Event]:
        """Return the events that are there, or that come first within `timeout_s`; [] if none does."""
        deadline_ns = clock.monotonic_ns() + int(timeout_s * 1e9)
        while True:
            # Receiving from an empty socket costs several messages' time: it is only tried where there was a sign.
            if not self._emptied or self._ready(deadline_ns):
                self._drain(clock.monotonic_ns())
            now_ns = clock.monotonic_ns()
            self._state.poll(now_ns)
            self._work()
            events = self._take()
            if events or now_ns >= deadline_ns:
                return events

    def _ready(self, deadline_ns: int) -> bool:
        """Wait for a message, until the deadline or the state machine's next timer."""
        wait_ns = min(deadline_ns, self._state.next_timer_ns()) - clock.monotonic_ns()
        # Rounded up, so that a timer due in 0.3 ms does not spin.
        return bool(self._poller.poll(max(0, -(-wait_ns // 1_000_000))))

    def __iter__(self) -> Iterator[Event]:
        while not self._sub.closed:
            yield from self.poll(1.0)

    def close(self) -> None:
        """Close the sockets."""
        self._sub.close(linger=0)
        self._dealer.close(linger=0)
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _drain(self, now_ns: int) -> None:
        # Updates first: what a snapshot reply is compared with is then as new as it can be.
        take = self._state.on_message
        turns = iter(self._inbound.receive(MESSAGES_MAX))
        for topic, payload, records in zip(turns, turns, turns, strict=True):
            take(topic, payload, now_ns, records)
        self._emptied = self._inbound.emptied
        self._state.counts.malformed += self._inbound.odd - self._odd
        self._odd = self._inbound.odd
        if not self._state.asking:
            return
        with suppress(zmq.Again):
            for _ in range(MESSAGES_MAX):
                self._state.on_snapshot(self._dealer.recv_multipart(zmq.NOBLOCK), now_ns)

    def _work(self) -> None:
        for action in self._state.take_actions():
            match action:
                case Subscribe(prefix):
                    self._sub.setsockopt(zmq.SUBSCRIBE, prefix)
                case Unsubscribe(prefix):
                    self._sub.setsockopt(zmq.UNSUBSCRIBE, prefix)
                case SendRequest(frame):
                    self._request(frame)
                case ResetSnapshotSocket():
                    self._poller.unregister(self._dealer)
                    self._dealer.close(linger=0)
                    self._dealer = self._open_dealer()

    def _request(self, frame: bytes) -> None:
        # Where no service is, the request's deadline passes and it is sent again.
        with suppress(zmq.Again):
            self._dealer.send(frame, zmq.NOBLOCK)

    def _open_dealer(self) -> "zmq.Socket[bytes]":
        dealer = self._context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.RECONNECT_IVL, 20)
        dealer.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
        dealer.setsockopt(zmq.RCVHWM, 0)  # bounded by the one outstanding request
        dealer.connect(self._snapshot_endpoint)
        self._poller.register(dealer, zmq.POLLIN)
        return dealer

    def _take(self) -> list[Event]:
        if not self._with_books:
            return self._state.take_events()
        events = self._events[:]
        self._events.clear()
        return events

    def _on_book(self, stream: Stream, payload: Any, snapshot: bool, records: bytes | None) -> None:
        """Assemble books on the way to the event list."""
        if stream.is_book:
            if stream.user is None:
                stream.user = self.books[stream.topic] = BookState()
            stream.user.apply(payload)
        self._events.append(Update(stream.topic, payload, snapshot, records))
