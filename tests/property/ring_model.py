"""The ring in plain Python, as shm/README.md describes it: what every call must answer."""

import struct
from dataclasses import dataclass, field

LAST, GAP, SKIP = 0x80, 0x40, 7
CLAIM_RUN = 32
NAN = struct.pack("<d", float("nan"))
RECORD = 64


def with_bytes(record: bytes, offset: int, new: bytes) -> bytes:
    """Return a record with some of its bytes replaced."""
    return record[:offset] + new + record[offset + len(new) :]


def skip_of(first: bytes, count: int, seq: int) -> bytes:
    """What stands in the place of an event that is too long: instrument, source, times of its first record."""
    record = with_bytes(first, 24, NAN + struct.pack("<dQ", count, seq))
    record = with_bytes(record, 54, bytes([SKIP, 0, 0, LAST | GAP]))
    return with_bytes(record, 58, bytes(2))


@dataclass
class Epoch:
    """One epoch: what its writer did."""

    number: int
    capacity: int
    previous: int = 0
    previous_last: int = 0
    notes: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # {session: (cursor, value), in order}
    published: list[bytes] = field(default_factory=list)
    ended: list[bytes] = field(default_factory=list)  # of finished events, not yet published
    event: list[bytes] = field(default_factory=list)  # of the unfinished event
    claimed: int = 0
    refused: int = 0

    @property
    def last(self) -> int:
        """Seq of the last published record."""
        return len(self.published)

    @property
    def cursor(self) -> int:
        """Seq of the last record of a finished event."""
        return self.last + len(self.ended)

    def append(self, record: bytes) -> None:
        """Stage a record."""
        self.event.append(with_bytes(record, 0, struct.pack("<Q", self.cursor + len(self.event) + 1)))
        if len(self.event) <= self.capacity // 4:
            self._claim(self.cursor + len(self.event))

    def _claim(self, seq: int) -> None:
        if seq > self.claimed:
            self.claimed = seq + CLAIM_RUN - 1

    def end_event(self) -> int:
        """Finish the event; return its records, 0 where it was refused or empty."""
        event, self.event = self.event, []
        if len(event) > self.capacity // 4:
            self.ended.append(skip_of(event[0], len(event), self.cursor + 1))
            self.refused += 1
            return 0
        if event:
            event[-1] = with_bytes(event[-1], 57, bytes([event[-1][57] | LAST]))
        self.ended += event
        return len(event)

    def drop_event(self) -> None:
        """Forget the unfinished event."""
        self.event = []

    def publish(self, now_ns: int) -> None:
        """Make finished events visible, with their delay."""
        for record in self.ended:
            delay = min(max(now_ns - struct.unpack_from("<q", record, 16)[0], 0), 0xFFFFFFFF)
            self.published.append(with_bytes(record, 60, struct.pack("<I", delay)))
        self.ended = []

    def note(self, session: int, value: int) -> None:
        """Note a session's value, true once what is staged is published."""
        self.notes.setdefault(session, []).append((self.cursor, value))

    def note_that_counts(self, session: int) -> int:
        """What the successor is told: the last note whose records are published, 0 for none."""
        return next((value for cursor, value in reversed(self.notes.get(session, [])) if cursor <= self.last), 0)


@dataclass
class Place:
    """A reader: the epoch that it has mapped, and the seq of the record that it reads next."""

    epoch: Epoch
    next: int

    def overtaken(self, first: int) -> bool:
        """Whether the writer came over a record."""
        return self.epoch.claimed >= first + self.epoch.capacity

    def read(self, most: int) -> tuple[list[bytes], int]:
        """Whole events of at most `most` records, or what was lost."""
        epoch = self.epoch
        count = min(epoch.last - self.next + 1, most)
        if count <= 0:
            return [], 0
        if self.overtaken(self.next):
            return [], self.lapped()
        records = epoch.published[self.next - 1 : self.next - 1 + count]
        if count == most and self.next + count <= epoch.last:
            ends = [i for i, record in enumerate(records) if record[57] & LAST]
            records = records[: ends[-1] + 1] if ends else records
        self.next += len(records)
        return records, 0

    def lapped(self) -> int:
        """Go on at an event's start half a ring back; return what is lost."""
        epoch, before = self.epoch, self.next
        start = max(epoch.last - epoch.capacity // 2, epoch.claimed - epoch.capacity + 1, self.next, 1)
        ends = (seq + 1 for seq in range(start, epoch.last + 1) if epoch.published[seq - 1][57] & LAST)
        self.next = next(ends, max(self.next, epoch.last + 1))
        return self.next - before

    def view(self, most: int) -> list[bytes]:
        """The records in one piece from here: up to the ring's end."""
        epoch = self.epoch
        room = epoch.capacity - (self.next - 1) % epoch.capacity
        count = min(epoch.last - self.next + 1, room, most)
        return epoch.published[self.next - 1 : self.next - 1 + max(count, 0)]


def attached(epoch: Epoch, *, from_oldest: bool) -> Place:
    """Where a reader stands that attaches now."""
    place = Place(epoch, 1 if from_oldest else epoch.last + 1)
    if from_oldest and epoch.last > epoch.capacity // 2:
        place.lapped()
    return place
