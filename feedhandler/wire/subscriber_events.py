"""What a subscriber's state machine says: events for the application, actions for its sockets."""

from typing import TypeAlias

import msgspec

from feedhandler.topics import Payload, Topic


class Update(msgspec.Struct, gc=False):
    """One payload, in `seq` order per topic.

    `snapshot`: it came from the snapshot service and states the present; it may jump ahead of the
    updates before it. `records`: raw 64-byte records of a `tick` batch, else None.
    """

    topic: Topic
    payload: Payload
    snapshot: bool = False
    records: bytes | None = None


class GapEvent(msgspec.Struct, frozen=True):
    """Messages `from_seq`..`to_seq` of a topic never arrived. `from_seq` 0 = where it began is not known.

    State channels are repaired at once (by the update that follows, or by a snapshot that was asked
    for); for event channels this is the exact loss.
    """

    topic: Topic
    from_seq: int
    to_seq: int


class PublisherChanged(msgspec.Struct, frozen=True):
    """The publisher restarted: `seq` begins anew and snapshots follow. `epoch` None = not yet known."""

    epoch: int | None


class Synced(msgspec.Struct, frozen=True):
    """The snapshot of everything under `prefix` is complete; what follows are updates."""

    prefix: str


Event: TypeAlias = Update | GapEvent | PublisherChanged | Synced


class Subscribe(msgspec.Struct, frozen=True):
    """Subscribe the SUB socket to a topic prefix."""

    prefix: bytes


class Unsubscribe(msgspec.Struct, frozen=True):
    """Take a subscription back."""

    prefix: bytes


class SendRequest(msgspec.Struct, frozen=True):
    """Send this frame to the snapshot service."""

    frame: bytes


class ResetSnapshotSocket(msgspec.Struct, frozen=True):
    """Close the DEALER socket and open a new one, so that no late reply is taken for a newer one's."""


Action: TypeAlias = Subscribe | Unsubscribe | SendRequest | ResetSnapshotSocket


class SubscriberCounts(msgspec.Struct):
    """What happened so far. All but `updates` and `snapshots_requested` stay 0 on a healthy day."""

    updates: int = 0
    gaps: int = 0
    lost: int = 0
    stale: int = 0
    restarts: int = 0
    snapshots_requested: int = 0
    snapshot_timeouts: int = 0
    snapshot_errors: int = 0
    buffer_overflows: int = 0
    events_dropped: int = 0
    wrong_version: int = 0
    malformed: int = 0
    unknown_channel: int = 0
    bad_topics: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return name -> count."""
        return {name: getattr(self, name) for name in self.__struct_fields__}
