"""A ring under stress: writers and readers as real processes, and the judge of their accounts.

The judge stands outside the ring: writers say in a file of their own what they are about to publish and what they
published. Only where a writer was killed between the two does the ring's header decide, and it may name one of these two.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

from tests.stress.outcomes import Race
from tests.stress.processes import until
from tests.stress.readers import Reader
from tests.stress.reports import outcomes
from tests.stress.writers import ENDINGS, NEVER, RING, Epoch, Writer


class Rig:
    """A folder in /dev/shm with one ring in it. A context manager: it ends what it started and leaves nothing behind."""

    def __init__(self, programs: Path, capacity: int = 1024) -> None:
        self.programs, self.capacity = programs, capacity
        self.folder = Path(tempfile.mkdtemp(prefix="fh-stress-", dir="/dev/shm"))
        self.folder.chmod(0o755)
        self.epochs: dict[int, Epoch] = {}
        self.endings = Race("writers and their successors", ENDINGS, NEVER)
        self.readers: list[Reader] = []
        self._processes: list[subprocess.Popen] = []
        self._writers = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.folder)

    def run(self, program: str, *, points: bool = False, **options: Any) -> subprocess.Popen:
        """Start a stress program, with the named points or without."""
        name = f"{program}_points" if points else program
        arguments = [
            f"{key}={int(value) if isinstance(value, bool) else value}"
            for key, value in {"dir": self.folder, "ring": RING, **options}.items()
        ]
        with self.stderr.open("a") as errors:
            process = subprocess.Popen(
                [self.programs / name, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                text=True, umask=0o022,
            )  # fmt: skip
        self._processes = [p for p in self._processes if p.poll() is None] + [process]
        return process

    @property
    def stderr(self) -> Path:
        """What all programs said on stderr."""
        return self.folder / "stderr"

    def reader(self, name: str, **options: Any) -> Reader:
        """Start a reader."""
        self.readers.append(Reader(self, name, options))
        return self.readers[-1].start()

    def writer(self, **options: Any) -> Writer:
        """Start a writer; with `die` or `first` it is the build with named points."""
        self._writers += 1
        report = self.folder / f"writer.{self._writers}.report"
        chosen = {"state": self.folder, "capacity": self.capacity, "report": report, "seed": self._writers, **options}
        return Writer(self, self.run("ring_writer", points=not {"die", "first"}.isdisjoint(options), **chosen), report)

    @property
    def newest(self) -> Epoch | None:
        """The last epoch whose writer ended."""
        return self.epochs[max(self.epochs)] if self.epochs else None

    def await_attached(self) -> None:
        """Wait until every reader is in some epoch."""
        for reader in self.readers:
            until(lambda reader=reader: reader.position[0], f"{reader.name} attaches")

    def drain(self) -> None:
        """Wait until every reader stands at the end of the last epoch."""
        epoch, last = self.newest.epoch, self.newest.last
        for reader in self.readers:
            until(lambda reader=reader: reader.has(epoch, last), f"{reader.name} at {epoch}, {last}")

    def forced_out(self, reader: Reader) -> dict[int, int]:
        """{epoch: records} that a reader will never know, because files were unlinked: tails, and whole epochs."""
        accounts = reader.accounts()
        known = {epoch: account.skipped + account.read + account.lost for epoch, account in accounts.items()}
        held = {epoch: truth.last for epoch, truth in self.epochs.items() if epoch >= min(accounts)}
        return {epoch: last - known.get(epoch, 0) for epoch, last in held.items() if known.get(epoch) != last}

    def faults(self) -> list[str]:
        """What is wrong in the accounts of readers that drained the last epoch: [] or sentences.

        An epoch must be known to its last record. It may be left before that, or out as a whole, only where the reader
        said that its file was gone.
        """
        found = []
        for reader in self.readers:
            accounts, out = reader.accounts(), self.forced_out(reader)
            tails = [accounts[epoch] for epoch in out if epoch in accounts]
            whole = [epoch for epoch in out if epoch not in accounts]
            place_gone, epoch_gone = self.count(reader, "place_gone"), self.count(reader, "epoch_gone")
            if len(tails) > place_gone or min(out.values(), default=0) < 0:
                found.append(f"{reader.name} lost its place {place_gone} times, but left {tails}")
            if epoch_gone > len(whole) or (whole and not epoch_gone + place_gone):
                found.append(f"{reader.name}: {epoch_gone} times an epoch was gone, unseen are {whole}")
            half = [account for epoch, account in accounts.items() if account.open and epoch not in out]
            if half:
                found.append(f"{reader.name} ended an epoch inside an event: {half}")
        return found

    def count(self, reader: Reader, outcome: str) -> int:
        """How often a reader saw an outcome, over all its lives."""
        return int(reader.counts()[[known.name for known in outcomes(self.programs)].index(outcome)])

    def race(self, name: str) -> Race:
        """The outcomes that all readers of this rig saw."""
        known = outcomes(self.programs)
        race = Race(
            name, {o.name: o.meaning for o in known if o.allowed}, {o.name: o.meaning for o in known if not o.allowed}
        )
        for reader in self.readers:
            for outcome, n in zip(known, reader.counts(), strict=False):
                race.saw(outcome.name, int(n))
        return race
