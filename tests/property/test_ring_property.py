"""The ring against a plain model: whatever is done in whatever order, every answer is the model's."""

import random
import shutil
import struct
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from feedhandler import _native
from feedhandler.ring import Attach, Reader, aligned_records
from feedhandler.tick import TICK
from tests.property.ring_model import LAST, RECORD, Epoch, Place, attached, with_bytes

RING = "r"
SESSIONS = (0, 1, 63)
READERS = 3
KEEP = 3
CAPACITIES = st.sampled_from((64, 128))
SIZES = st.integers(1, 80)


def staged(rng: random.Random) -> bytes:
    """A record of noise without LAST; its time such that delays of all sizes come about."""
    record = with_bytes(rng.randbytes(RECORD), 57, bytes([rng.randrange(LAST)]))
    return with_bytes(record, 16, struct.pack("<q", rng.randrange(1 << rng.randrange(1, 40))))


class RingMachine(RuleBasedStateMachine):
    """One ring, its writers one after the other, and three readers."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="fh-property-", dir="/dev/shm"))
        self.writer: _native.RingWriter | None = None
        self.epochs: list[Epoch] = []  # all there ever were; held are the last KEEP + 1
        self.readers: list[Reader] = []
        self.places: list[Place | None] = [None] * READERS
        self.skipped = [0] * READERS
        self.waited = [True] * READERS  # a reader that came before its ring reads it from its first record

    def teardown(self) -> None:
        self.writer = None
        self.readers = []
        shutil.rmtree(self.folder)

    @property
    def epoch(self) -> Epoch:
        return self.epochs[-1]

    @property
    def held(self) -> list[Epoch]:
        return self.epochs[-KEEP - 1 :]

    @initialize(capacity=CAPACITIES)
    def begin(self, capacity: int) -> None:
        self.readers = [
            Reader(self.folder, RING, from_oldest=i != 1, follow=False, losses="count") for i in range(READERS)
        ]
        assert {reader.attach() for reader in self.readers} == {Attach.MISSING}
        self.restart(capacity, lose_state=False)

    # The writer.

    @rule(capacity=CAPACITIES, lose_state=st.booleans())
    def restart(self, capacity: int, *, lose_state: bool) -> None:
        """The writer dies, whatever is staged with it, and another one comes."""
        self.writer = None
        if lose_state:
            (self.folder / f"{RING}.epoch").unlink(missing_ok=True)
        self.writer = _native.RingWriter(str(self.folder), str(self.folder), RING, capacity, KEEP)
        before = self.epochs[-1] if self.epochs else Epoch(0, 64)
        told = {session: self.writer.previous_note(session) for session in range(64)}
        counts = {session: before.note_that_counts(session) for session in range(64)}
        assert (self.writer.previous_epoch, self.writer.previous_last, told) == (before.number, before.last, counts)
        assert self.writer.epoch > before.number
        notes = {session: [(0, value)] for session, value in told.items() if value}
        self.epochs.append(Epoch(self.writer.epoch, capacity, before.number, before.last, notes))
        assert list(_native.ring_epochs(str(self.folder), RING)) == [epoch.number for epoch in self.held]
        assert self.writer.forced_out == (1 if len(self.epochs) > KEEP + 1 else 0)

    @rule(size=SIZES, seed=st.integers(0, 1 << 30), ends=st.sampled_from(("last flag", "call", "not yet")))
    def append(self, size: int, seed: int, ends: str) -> None:
        rng = random.Random(seed)
        records = [staged(rng) for _ in range(size)]
        if ends == "last flag":
            records[-1] = with_bytes(records[-1], 57, bytes([records[-1][57] | LAST]))
        self.writer.append(np.frombuffer(b"".join(records), np.uint8))
        for record in records:
            self.epoch.append(record)
        if ends == "last flag":
            self.epoch.end_event()
        elif ends == "call":
            assert self.writer.end_event() == self.epoch.end_event()

    @rule()
    def drop_event(self) -> None:
        self.writer.drop_event()
        self.epoch.drop_event()

    @rule(now_ns=st.integers(0, 1 << 40))
    def publish(self, now_ns: int) -> None:
        self.writer.publish(now_ns)
        self.epoch.publish(now_ns)

    @rule(size=st.integers(1, 16), turns=st.integers(1, 60), seed=st.integers(0, 1 << 30))
    def run_ahead(self, size: int, turns: int, seed: int) -> None:
        """Enough to come over every reader, or just about."""
        for turn in range(turns):
            self.append(size, seed + turn, "last flag")
            self.publish(seed)

    @rule(session=st.sampled_from(SESSIONS), more=st.integers(1, 1000))
    def note(self, session: int, more: int) -> None:
        value = max((value for _, value in self.epoch.notes.get(session, [])), default=0) + more
        self.writer.note(session, value)
        self.epoch.note(session, value)

    @rule(session=st.sampled_from(SESSIONS), value=st.integers(1, 5))
    def note_a_reset(self, session: int, value: int) -> None:
        """A lower value is noted twice, as the contract asks."""
        for _ in range(2):
            self.writer.note(session, value)
            self.epoch.note(session, value)

    # The readers.

    @rule(i=st.integers(0, READERS - 1))
    def attach(self, i: int) -> None:
        self.waited[i] &= self.places[i] is None
        assert self.readers[i].attach() == Attach.OK
        self.places[i] = attached(self.epoch, from_oldest=i != 1 or self.waited[i])
        if self.waited[i]:
            self.skipped[i] += self.places[i].next - 1

    @rule(i=st.integers(0, READERS - 1), most=SIZES)
    def read(self, i: int, most: int) -> None:
        if (place := self.places[i]) is None:
            return
        out = aligned_records(most)
        batch = self.readers[i].read(out)
        if self.skipped[i]:
            expected: tuple[list[bytes], int] = ([], self.skipped[i])
            self.skipped[i] = 0
        else:
            expected = place.read(most)
        assert (batch.records.tobytes(), batch.lost) == (b"".join(expected[0]), expected[1])

    @rule(i=st.integers(0, READERS - 1), most=SIZES, meanwhile=st.integers(0, 20), use=st.integers(0, 80))
    def borrow(self, i: int, most: int, meanwhile: int, use: int) -> None:
        """Borrow records; the writer goes on; ask whether they were valid; advance over what was used."""
        if (place := self.places[i]) is None:
            return
        reader = self.readers[i]
        first, records = reader.view(most)
        if self.skipped[i]:
            assert len(records) == 0, "read() tells what is lost"
        found = b"" if self.skipped[i] or place.overtaken(place.next) else b"".join(place.view(most))
        if found:
            assert (first, records.dtype, records.tobytes()) == (place.next, TICK, found)
        self.run_ahead(4, meanwhile, 1) if meanwhile else None
        assert reader.still_valid(first) == (not place.overtaken(first))
        if reader.still_valid(first):
            used = min(use, len(records))
            reader.advance(used)
            place.next += used

    @rule(i=st.integers(0, READERS - 1), back=st.integers(0, 200))
    def seek(self, i: int, back: int) -> None:
        """Go back to the start of an event that was published before."""
        if (place := self.places[i]) is None:
            return
        starts = [1, *(n + 2 for n, record in enumerate(place.epoch.published) if record[57] & LAST)]
        place.next = starts[max(0, len(starts) - 1 - back)]
        self.readers[i].seek(place.next)

    @rule(i=st.integers(0, READERS - 1))
    def follow(self, i: int) -> None:
        if (place := self.places[i]) is None:
            return
        later = [epoch for epoch in self.held if epoch.number > place.epoch.number]
        moves = bool(later) and place.next > place.epoch.last
        assert self.readers[i].follow() == moves
        if moves:
            self.places[i] = attached(later[0], from_oldest=True)
            self.skipped[i] += self.places[i].next - 1 + (later[0].previous != place.epoch.number)

    @invariant()
    def agree(self) -> None:
        """Everything that can be asked without changing anything."""
        if self.writer is None:
            return
        asked = self.writer
        epoch = self.epoch
        assert (asked.epoch, asked.published, asked.refused, asked.capacity) == (
            epoch.number, epoch.last, epoch.refused, epoch.capacity,
        )  # fmt: skip
        for reader, place in zip(self.readers, self.places, strict=True):
            if place is None:
                continue
            state = Attach.OK if place.epoch is epoch else Attach.WRITER_DEAD
            assert (reader.epoch, reader.next, reader.state(1 << 60)) == (place.epoch.number, place.next, state)
            assert reader.wait(0) == (place.next <= place.epoch.last or place.epoch is not epoch)


TestRing = RingMachine.TestCase
TestRing.settings = settings(max_examples=120, stateful_step_count=50)
