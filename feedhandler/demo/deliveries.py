"""What a measuring client received, kept in flat arrays and written when it ends."""

import signal
from array import array
from pathlib import Path
from typing import Any

import numpy as np

from feedhandler import scheduling


class Deliveries:
    """Rows of (key number, ts_event, arrival), and the last best bid and ask of every key."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[str, str], int] = {}
        self.last: list[Any] = []
        self.key = array("I")
        self.ts_event = array("q")
        self.arrival = array("q")
        self.values = array("d")  # four a row where they are recorded, else empty
        self.updates = 0
        self.gaps = 0
        self.conflated = 0

    def number(self, symbol: str, source: str) -> int:
        """Return the number of a key, giving it one where it has none."""
        number = self.numbers.setdefault((symbol, source), len(self.numbers))
        if number == len(self.last):
            self.last.append(None)
        return number

    def ready(self, out: Path) -> None:
        """Tell who started this client that its subscription stands: `<out>` with the suffix .ready."""
        out.with_suffix(".ready").write_text("ready\n")

    def save(self, path: Path) -> None:
        """Write everything as .npz: arrays, keys as 'symbol|source', last values as (n, 4) with NaN for none."""
        last = np.array([value or (None,) * 4 for value in self.last], float).reshape(-1, 4)
        keys = np.array(["|".join(key) for key in self.numbers], dtype=np.str_)
        np.savez(
            path,
            key=np.frombuffer(self.key, np.uint32),
            ts_event=np.frombuffer(self.ts_event, np.int64),
            arrival=np.frombuffer(self.arrival, np.int64),
            values=np.frombuffer(self.values, np.float64).reshape(-1, 4),
            keys=keys,
            last=last,
            counts=np.array([self.updates, self.gaps, self.conflated]),
        )


class Stop:
    """Turns True on SIGTERM or SIGINT, and when the process ends that started this one."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self.asked |= not scheduling.die_with_parent()

    def _on_signal(self, *_: object) -> None:
        self.asked = True
