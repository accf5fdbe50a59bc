"""A writer of a stressed ring, and the truth about what it published."""

import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from feedhandler._native import ring_epochs
from tests.stress.processes import end_of
from tests.stress.reports import read_writer

if TYPE_CHECKING:
    from tests.stress.rig import Rig

RING = "r"


class Epoch(NamedTuple):
    """The truth about an epoch whose writer ended: records up to `last` are published, `note` is what counts."""

    epoch: int
    first: int
    last: int
    notes: frozenset[int]  # one of these is told to the successor: two where only the note's own stores decide
    ending: str  # one of ENDINGS


ENDINGS = {
    "ended": "the writer ended by itself",
    "between": "killed outside of any batch",
    "invisible": "killed inside a batch, nothing of it is seen; the note is the one before",
    "visible": "killed inside a batch, all of it is seen; the note is its own",
    "no_epoch": "killed before its epoch's rename: there is no epoch, the successor knows nothing of it",
    "empty": "killed behind its epoch's rename, before a publication: an epoch of no records, notes handed on",
}
NEVER = {
    "batch_in_part": "the cursor stands inside a batch, or where no batch ends",
    "wrong_previous": "the successor takes another epoch, or another last seq, for the one before it",
    "wrong_note": "the successor is told a note that does not belong to what is published",
}


class Writer:
    """One writer's process, and what it said at its start: epoch, previous epoch, its last seq, notes of two sessions."""

    def __init__(self, rig: "Rig", process: subprocess.Popen, report: Path) -> None:
        self._rig, self.process, self._report = rig, process, report
        self.hello: tuple[int, ...] | None = None

    def greeted(self) -> "Writer":
        """Wait until the ring is there, or the writer ended before."""
        line = self.process.stdout.readline()
        self.hello = tuple(map(int, line.split())) if line.endswith("\n") else None
        return self

    def step(self) -> None:
        """Let a writer that was started with `step` write its next batch."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    @property
    def epoch(self) -> int:
        """The epoch that it greeted with."""
        return self.hello[0]

    @property
    def batches(self) -> int:
        """Batches that it ended."""
        report = read_writer(self._report)
        return report["batches"] // 2 if report else 0

    def kill(self) -> Epoch | None:
        """End it at a random instruction."""
        self.process.kill()
        return self.ended()

    def ended(self) -> Epoch | None:
        """Wait for its end, enter what it published into the rig's books. None: it came to no epoch."""
        self.process.stdin.close()
        end_of(self.process)
        if self.hello is None:
            self.greeted()
        rig, before = self._rig, self._rig.newest
        if self.hello is not None and before is not None:
            if self.hello[1:3] != (before.epoch, before.last):
                rig.endings.saw("wrong_previous")
            if not before.notes.issuperset(self.hello[3:]):
                rig.endings.saw("wrong_note")
        made = [epoch for epoch in ring_epochs(str(rig.folder), RING) if before is None or epoch > before.epoch]
        if not made:
            assert self.hello is None
            rig.endings.saw("no_epoch")
            return None
        assert len(made) == 1
        handed_on = frozenset(self.hello[3:]) if self.hello else before.notes if before else frozenset({0})
        truth = rig.epochs[made[0]] = self._truth(made[0], handed_on)
        rig.endings.saw(truth.ending)
        return truth

    def _truth(self, epoch: int, handed_on: frozenset[int]) -> Epoch:
        with (self._rig.folder / f"{RING}.{epoch}").open("rb") as file:
            published = struct.unpack_from("<Q", file.read(256), 128)[0]
        report = read_writer(self._report)
        assert report is not None
        assert report["epoch"] in (0, epoch)  # 0: killed between the rename and its first word
        first, intent, done = report["first"], report["intent"], report["done"]
        if published not in (intent, done):
            self._rig.endings.saw("batch_in_part")
        if intent != done:
            ending = "visible" if published == intent else "invisible"
        elif report["batches"] % 2:
            ending = "invisible"
        else:
            ending = "ended" if report["finished"] else "empty" if done == first else "between"
        told = {report["note_intent"]} if published == intent else {report["note_done"]}
        if report["unstaged"]:
            told.add(report["note_done"])
        return Epoch(epoch, first, published, frozenset(told - {0}) | (handed_on if 0 in told else frozenset()), ending)
