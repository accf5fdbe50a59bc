"""The subscriber's side of the topics contract as a state machine: no socket, no clock."""

from collections.abc import Callable
from typing import Any

import msgspec

from feedhandler import topics
from feedhandler.topics import SNAPSHOT_KIND, VERSION, Heartbeat, Refusal
from feedhandler.wire.sequencer import Sequencer, UpdateCallback
from feedhandler.wire.snapshot_desk import PAUSE_NS
from feedhandler.wire.streams import Stream
from feedhandler.wire.subscriber_events import (
    Action,
    Event,
    Subscribe,
    Synced,
    Unsubscribe,
)

ABSENT_PAUSE_NS = 100_000_000  # a topic that its snapshot did not contain is asked for again after this


class SubscriberState(Sequencer):
    """Feed it frames and time; take events and actions.

    `on_update` and `on_event` replace the event list, for applications that cannot afford an object
    per message. Callbacks must not call back in, except for `subscribe` and `unsubscribe`.
    """

    def __init__(
        self,
        on_update: UpdateCallback | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        super().__init__(on_update, on_event)
        self.heard_ns = 0
        """When the last heartbeat came, in the caller's clock; 0 = never."""
        self._streams = self._table.streams

    def subscribe(self, prefix: str) -> None:
        """Subscribe to all topics that begin with `prefix`; their snapshot follows, then `Synced`."""
        if prefix not in self._table.synced:
            self._actions.append(Subscribe(prefix.encode()))
            self._table.synced[prefix] = False
            self._table.foreign.clear()
            self._desk.want(prefix, prefix)

    def unsubscribe(self, prefix: str) -> None:
        """Take a subscription back and forget the topics that no other subscription covers."""
        if prefix in self._table.synced:
            self._actions.append(Unsubscribe(prefix.encode()))
            self._desk.forget(prefix)
            self._table.drop(prefix)

    @property
    def synced(self) -> bool:
        """All subscriptions have had their snapshot, and no topic waits for another."""
        return all(self._table.synced.values()) and not self._table.waiting

    @property
    def has_actions(self) -> bool:
        """`take_actions` has something to return."""
        return bool(self._actions)

    @property
    def asking(self) -> bool:
        """A snapshot request is on its way: only then can the snapshot service have something to say."""
        return self._desk.outstanding is not None

    def on_frames(self, frames: list[bytes], now_ns: int) -> None:
        """Take one multipart message of the SUB socket."""
        if len(frames) == 2:
            self.on_message(frames[0], frames[1], now_ns)
        elif len(frames) == 3:
            self.on_message(frames[0], frames[1], now_ns, frames[2])
        else:
            self.counts.malformed += 1

    def on_message(self, topic: bytes, payload: bytes, now_ns: int, records: bytes | None = None) -> None:
        """Take one message; the steady state is the short way through."""
        stream = self._streams.get(topic) or self._table.open(topic)
        if stream is None:
            return
        try:
            value = stream.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._refuse(topics.decode(stream.topic.channel, payload))
            return
        seq = value.seq
        if seq == stream.next and value.version == VERSION:
            stream.next = seq + 1
            self.counts.updates += 1
            self._deliver(stream, value, False, records)
        else:
            self._irregular(stream, value, records, now_ns)

    def on_snapshot(self, frames: list[bytes], now_ns: int) -> None:
        """Take one multipart message of the snapshot service."""
        tag = frames[0] if frames else b""
        if self._desk.outstanding is None:
            self.counts.stale += 1
        elif tag == topics.REPLY_TOPIC and len(frames) == 3:
            self._desk.progress(now_ns)
            self._snapshot_topic(frames[1], frames[2])
        elif tag == topics.REPLY_END and len(frames) == 2:
            self._snapshot_end(frames[1], now_ns)
        else:
            self._snapshot_failed(now_ns)

    def poll(self, now_ns: int) -> None:
        """Do what time demands: send the next request, give up on one."""
        self._actions += self._desk.poll(now_ns)

    def next_timer_ns(self) -> int:
        """Return when `poll` is due next."""
        return self._desk.next_timer_ns()

    def take_actions(self) -> list[Action]:
        """Return what the sockets must do now, in order."""
        actions, self._actions = self._actions, []
        return actions

    def take_events(self) -> list[Event]:
        """Return what happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    # -- one message -----------------------------------------------------------------------------

    def _irregular(self, stream: Stream, value: Any, records: bytes | None, now_ns: int) -> None:
        if value.version != VERSION:
            self._refuse(Refusal.WRONG_VERSION)
        elif value.seq < 1:
            self._refuse(Refusal.MALFORMED)
        elif stream.is_heartbeat:
            self._heartbeat(value, now_ns)
        else:
            stream.unsteady()
            if value.seq <= stream.live:
                self._restart(None)
            stream.live = value.seq
            self._place(stream, value, records)

    # -- recovery --------------------------------------------------------------------------------

    def _snapshot_topic(self, name: bytes, payload: bytes) -> None:
        stream = self._streams.get(name) or self._table.open(name)
        if stream is None:
            return
        self._desk.answered.add(name)
        value: Any = topics.decode(stream.topic.channel, payload)
        if isinstance(value, Refusal):
            self._refuse(value)
        elif stream.is_event:
            if stream.seq < 0 and stream.next < 0 and not stream.base:
                stream.base = value.seq
                self._deliver(stream, value, True, None)
        elif not stream.is_heartbeat:
            stream.unsteady()
            if value.seq > stream.seq or stream.waiting is not None:
                stream.seq = value.seq
                self._deliver(stream, value, True, None)
            self._release(stream)

    def _snapshot_end(self, frame: bytes, now_ns: int) -> None:
        try:
            end = topics.decode_end(frame)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._snapshot_failed(now_ns)
            return
        if self.epoch not in (None, end.publisher_epoch):
            self._restart(end.publisher_epoch)
            return
        self.epoch = end.publisher_epoch
        prefix = self._desk.outstanding or ""
        waiting = [s for s in self._table.waiting.values() if s.name not in self._desk.answered]
        absent = [s for s in waiting if str(s.topic).startswith(prefix)]
        again = [s for s in absent if not self._starts_by_itself(s)]
        self._desk.done(now_ns, ABSENT_PAUSE_NS if again else PAUSE_NS)
        for stream in again:
            self._desk.want(stream.name.decode(), stream.subscription)
        for subscription, synced in list(self._table.synced.items()):
            if not synced and subscription.startswith(prefix):
                self._table.synced[subscription] = True
                self._emit(Synced(subscription))

    def _starts_by_itself(self, stream: Stream) -> bool:
        """Release a stream that its snapshot did not contain, if what waits needs no earlier state."""
        first = stream.waiting[0][0] if stream.waiting else None
        if first is None and stream.live:
            return False  # the buffer overflowed
        if first is not None and stream.is_book and first.seq != 1 and first.kind != SNAPSHOT_KIND:
            return False
        stream.seq = first.seq - 1 if first is not None else 0
        self._release(stream)
        return True

    def _snapshot_failed(self, now_ns: int) -> None:
        self.counts.snapshot_errors += 1
        self._desk.failed(now_ns)

    def _heartbeat(self, beat: Heartbeat, now_ns: int) -> None:
        self.heard_ns = now_ns
        if self.epoch not in (None, beat.publisher_epoch) or beat.seq <= self._hb_seq:
            self._restart(beat.publisher_epoch)
        elif self._hb_seq and beat.seq > self._hb_seq + 1:
            # A digest was lost, and with it what it would have revealed: compare all with a snapshot.
            for subscription in self._table.synced:
                self._desk.want(subscription, subscription)
        joined = self._hb_seq > 0
        self.epoch = beat.publisher_epoch
        self._hb_seq = beat.seq
        # A digest names every topic of the publisher that moved: thousands, of which nearly all are in step here.
        known, foreign = self._table.by_text, self._table.foreign
        for name, last in beat.topics.items():
            stream = known.get(name)
            if stream is not None:
                if last >= stream.next:
                    self._trailing_edge(stream, last)
            elif name not in foreign:
                self._unseen(name, last, joined=joined)

    def _unseen(self, name: str, last: int, *, joined: bool) -> None:
        """Deal with a subscribed topic that published but of which nothing arrived here."""
        subscription = self._table.covering(name.encode())
        if subscription is None:
            self._table.ignore(name)
            return
        if not self._table.synced[subscription]:
            return  # its snapshot is on its way
        stream = self._table.open(name.encode())
        if stream is None:
            return
        if stream.is_event:
            if joined:
                self._gap(stream, 0, last)
            stream.seq = last
        else:
            self._trailing_edge(stream, last)
