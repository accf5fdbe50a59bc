"""The topics a subscriber knows: one Stream each, and the subscriptions they belong to."""

from collections.abc import Callable
from typing import Any

from feedhandler import topics
from feedhandler.topics import EVENT_CHANNELS, HEARTBEAT_CHANNEL, Topic
from feedhandler.wire.subscriber_events import SubscriberCounts

STREAMS_MAX = 1 << 18
UNSTEADY = -(1 << 63) - 1  # no msgpack integer is equal to it


class Stream:
    """What is known of one topic. `user` is the application's."""

    __slots__ = (
        "base", "decode", "is_book", "is_event", "is_heartbeat", "live", "name", "next", "seq",
        "subscription", "topic", "user", "waiting",
    )  # fmt: skip

    def __init__(self, name: bytes, topic: Topic, decode: Callable[[bytes], Any], subscription: str) -> None:
        self.name = name
        self.topic = topic
        self.decode = decode
        self.subscription = subscription
        self.is_event = topic.channel in EVENT_CHANNELS
        self.is_book = topic.channel == "book"
        self.is_heartbeat = topic.channel == HEARTBEAT_CHANNEL
        self.user: Any = None
        self.reset(synced=False)

    def reset(self, *, synced: bool) -> None:
        """Forget all sequence numbers. `synced`: a snapshot showed that this topic had no message yet."""
        steady = synced and not self.is_event and not self.is_heartbeat
        self.next = 1 if steady else UNSTEADY  # expected seq in the steady state
        self.seq = -1 if self.is_event else 0  # delivered last (valid while unsteady); -1 = no baseline yet
        self.live = 0  # seen last on the live stream (valid while unsteady)
        self.base = 0  # an event channel's seq by the snapshot, before its first live message
        self.waiting: list[tuple[Any, bytes | None]] | None = None if synced or self.is_event else []

    def unsteady(self) -> None:
        """Leave the steady state, where only `next` is kept up."""
        if self.next != UNSTEADY:
            self.seq = self.live = self.next - 1
            self.next = UNSTEADY

    def settle(self) -> None:
        """Enter the steady state if the live stream has caught up with what was delivered."""
        if self.waiting is None and self.seq >= 0 and self.live == self.seq:
            self.next = self.seq + 1


class StreamTable:
    """Streams by topic frame, subscriptions by prefix, and the streams that wait for a snapshot."""

    def __init__(self, counts: SubscriberCounts) -> None:
        self._counts = counts
        self.streams: dict[bytes, Stream] = {}
        self.by_text: dict[str, Stream] = {}
        """The same by the topic's text, as heartbeats name them."""
        self.foreign: set[str] = set()
        """Topics that heartbeats named and no subscription covers: not looked up again until one is added."""
        self.waiting: dict[bytes, Stream] = {}
        self.synced: dict[str, bool] = {}
        """Subscription -> its snapshot has been seen."""

    def open(self, name: bytes) -> Stream | None:
        """Return a new stream for a topic's first message; None (counted) where it is not ours to read."""
        topic = topics.parse_topic(name)
        if topic is None or len(self.streams) >= STREAMS_MAX:
            self._counts.bad_topics += 1
            return None
        decoder = topics.decoder_of(topic.channel)
        if decoder is None:
            self._counts.unknown_channel += 1
            return None
        subscription = "" if topic.channel == HEARTBEAT_CHANNEL else self.covering(name)
        if subscription is None:
            self._counts.stale += 1  # on its way when its subscription was taken back
            return None
        stream = self.streams[name] = self.by_text[name.decode()] = Stream(name, topic, decoder.decode, subscription)
        if not stream.is_heartbeat:
            stream.reset(synced=self.synced[subscription])
            if stream.waiting is not None:
                self.waiting[name] = stream
        return stream

    def ignore(self, name: str) -> None:
        """Note that a topic is nobody's here."""
        if len(self.foreign) < STREAMS_MAX:
            self.foreign.add(name)

    def covering(self, name: bytes) -> str | None:
        """Return a subscription that this topic falls under."""
        text = name.decode(errors="replace")
        return next((prefix for prefix in self.synced if text.startswith(prefix)), None)

    def drop(self, prefix: str) -> None:
        """Forget a subscription and the streams that no other one covers."""
        del self.synced[prefix]
        for name, stream in list(self.streams.items()):
            if stream.subscription == prefix and not stream.is_heartbeat:
                owner = self.covering(name)
                if owner is None:
                    del self.streams[name]
                    del self.by_text[name.decode()]
                    self.waiting.pop(name, None)
                else:
                    stream.subscription = owner

    def reset(self) -> None:
        """Forget all sequence numbers: everything waits for a snapshot."""
        self.waiting.clear()
        for prefix in self.synced:
            self.synced[prefix] = False
        for name, stream in self.streams.items():
            stream.reset(synced=False)
            if stream.waiting is not None and not stream.is_heartbeat:
                self.waiting[name] = stream
