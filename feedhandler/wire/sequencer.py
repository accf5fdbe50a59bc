"""Order per topic: what is delivered, held, dropped or missed. The core of the subscriber's state machine.

Invariants:
- per topic, delivered `seq` only grows within a publisher epoch, and every hole in it was announced
  by a GapEvent or skipped by an Update marked `snapshot`;
- a `book` change is delivered only on top of the state it belongs to;
- a `seq` that runs back on the live stream can only be a new publisher, because ZeroMQ keeps order.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from feedhandler.topics import SNAPSHOT_KIND, Refusal
from feedhandler.wire.snapshot_desk import SnapshotDesk
from feedhandler.wire.streams import Stream, StreamTable
from feedhandler.wire.subscriber_events import (
    Action,
    Event,
    GapEvent,
    PublisherChanged,
    Subscribe,
    SubscriberCounts,
    Update,
)

BUFFER_MAX = 4096  # messages held per topic while its snapshot is on its way
EVENTS_MAX = 1 << 20  # events between two take_events

UpdateCallback: TypeAlias = Callable[[Stream, Any, bool, bytes | None], None]
"""on_update(stream, payload, is_snapshot, records)"""


class Sequencer:
    """Places each message of a topic by its `seq`. Its only caller is SubscriberState."""

    def __init__(self, on_update: UpdateCallback | None, on_event: Callable[[Event], None] | None) -> None:
        self.counts = SubscriberCounts()
        self.epoch: int | None = None
        """The publisher's epoch, once a heartbeat or a snapshot told it."""
        self._deliver = on_update or self._collect
        self._emit = on_event or self._append
        self._events: list[Event] = []
        self._actions: list[Action] = [Subscribe(b"hb|")]
        self._desk = SnapshotDesk(self.counts)
        self._table = StreamTable(self.counts)
        self._hb_seq = 0

    def _place(self, stream: Stream, value: Any, records: bytes | None) -> None:
        """Deliver, hold, or drop one message of an unsteady stream."""
        if stream.waiting is not None:
            self._hold(stream, value, records)
            return
        seq = value.seq
        last = stream.seq if stream.seq >= 0 else stream.base
        if stream.seq >= 0 and seq <= last:
            self.counts.stale += 1  # the snapshot contained it
            stream.settle()
            return
        if seq > last + 1 and (last or stream.seq == 0):
            self._gap(stream, last + 1, seq - 1)
            if stream.is_book and value.kind != SNAPSHOT_KIND:
                self._await(stream)
                self._hold(stream, value, records)
                return
        stream.seq = seq
        stream.settle()
        self.counts.updates += 1
        self._deliver(stream, value, False, records)

    def _hold(self, stream: Stream, value: Any, records: bytes | None) -> None:
        waiting = stream.waiting = stream.waiting or []
        if len(waiting) >= BUFFER_MAX:
            # A snapshot taken from now on covers these; one on its way ends in a gap and a new request.
            waiting.clear()
            self.counts.buffer_overflows += 1
            self._desk.want(stream.name.decode(), stream.subscription)
        waiting.append((value, records))

    def _await(self, stream: Stream) -> None:
        """Hold this topic's messages until a snapshot comes."""
        stream.unsteady()
        stream.waiting = []
        self._table.waiting[stream.name] = stream
        self._desk.want(stream.name.decode(), stream.subscription)

    def _release(self, stream: Stream) -> None:
        """Let the messages go that waited for the snapshot; a gap among them makes the rest wait again."""
        waiting, stream.waiting = stream.waiting, None
        self._table.waiting.pop(stream.name, None)
        stream.settle()
        for value, records in waiting or ():
            stream.unsteady()
            self._place(stream, value, records)

    def _trailing_edge(self, stream: Stream, last: int) -> None:
        """Compare a topic with the last `seq` that the publisher sent before this heartbeat."""
        if last < stream.next or stream.is_heartbeat or stream.waiting is not None:
            return
        stream.unsteady()
        known = max(stream.seq, stream.base)
        if last > known:
            if known > 0 or not stream.is_event:
                self._gap(stream, known + 1, last)
            if stream.is_event:
                stream.seq = last
            else:
                self._await(stream)
        stream.settle()

    def _restart(self, epoch: int | None) -> None:
        self.counts.restarts += 1
        self.epoch = epoch
        self._hb_seq = 0
        self._actions += self._desk.cancel()
        self._table.reset()
        for subscription in self._table.synced:
            self._desk.want(subscription, subscription)
        self._emit(PublisherChanged(epoch))

    def _gap(self, stream: Stream, first: int, last: int) -> None:
        self.counts.gaps += 1
        self.counts.lost += last - max(first, 1) + 1
        self._emit(GapEvent(stream.topic, first, last))

    def _refuse(self, why: object) -> None:
        if isinstance(why, Refusal):
            setattr(self.counts, why.value, getattr(self.counts, why.value) + 1)

    def _append(self, event: Event) -> None:
        if len(self._events) < EVENTS_MAX:
            self._events.append(event)
        else:
            self.counts.events_dropped += 1

    def _collect(self, stream: Stream, value: Any, snapshot: bool, records: bytes | None) -> None:
        events = self._events
        if len(events) < EVENTS_MAX:
            events.append(Update(stream.topic, value, snapshot, records))
        else:
            self.counts.events_dropped += 1
