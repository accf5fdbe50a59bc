"""A reader of a stressed ring, and its account of every epoch."""

from typing import TYPE_CHECKING, Any

import numpy as np

from tests.stress.processes import state_of
from tests.stress.reports import Account, ReaderReport

if TYPE_CHECKING:
    import subprocess

    from tests.stress.rig import Rig


class Reader:
    """One reader through all its lives: a life that was killed has a successor that resumes where it stood."""

    def __init__(self, rig: "Rig", name: str, options: dict[str, Any]) -> None:
        self._rig, self.name, self.options = rig, name, options
        self.lives = 0
        self.life: ReaderReport | None = None
        self.process: subprocess.Popen = None  # type: ignore[assignment]
        self._stood: ReaderReport | None = None  # the last life before it that came to an epoch
        self._accounts: dict[int, Account] = {}  # of ended lives
        self._counts = np.zeros(32, np.int64)

    def start(self, **options: Any) -> "Reader":
        """Begin a life, with options for this life only. The one before it has ended."""
        if self.life:
            self._bury()
        resume = {"resume": self._stood.path} if self._stood else {}
        self.lives += 1
        self.life = ReaderReport(self._rig.folder / f"{self.name}.{self.lives}.report")
        chosen = {**self.options, **resume, **options}
        self.process = self._rig.run("ring_reader", points="die" in chosen, report=self.life.path, **chosen)
        return self

    def kill(self) -> None:
        """End a life."""
        self.process.kill()
        self.process.wait()

    def _bury(self) -> None:
        """Enter a life that ended into the books; what it left is kept as long as a successor may need it."""
        self._accounts, self._counts = self.accounts(), self.counts()
        if self.life.last():
            if self._stood:
                self._stood.path.unlink()
            self._stood = self.life
        self.life = None

    def accounts(self) -> dict[int, Account]:
        """Accounts over all lives. Asserts that every life went on exactly where the one before it stood."""
        total = dict(self._accounts)
        for account in self.life.accounts() if self.life else []:
            before = total.get(account.epoch)
            begun = account.next - account.read - account.lost - account.skipped
            assert begun == (before.next if before else 1), f"{self.name} lost its place: {before} to {account}"
            sums = {key: getattr(before, key, 0) + getattr(account, key) for key in ("skipped", "read", "lost", "laps")}
            total[account.epoch] = account._replace(**sums)
        return total

    def counts(self) -> np.ndarray:
        """How often each outcome was seen, over all lives."""
        return self._counts + self.life.counts() if self.life else self._counts

    @property
    def position(self) -> tuple[int, int]:
        """(epoch, next) now."""
        last = self.life.last()
        return (last.epoch, last.next) if last else (0, 0)

    def has(self, epoch: int, last: int) -> bool:
        """Whether it has read all of an epoch up to `last`, and nothing behind."""
        return self.position == (epoch, last + 1)

    @property
    def asleep(self) -> bool:
        """In a wait, and the kernel put it to sleep."""
        return self.life.waiting and state_of(self.process) == "S"
