"""An independent count of the ticks in a ring: a reader of its own, beside conflator and recorder."""

from pathlib import Path

import numpy as np

from feedhandler.ring import Reader
from feedhandler.tick import TICK_KINDS


class RingTally:
    """Counts LEVEL and TRADE records, per instrument and in total, across the writer's restarts. One thread."""

    def __init__(self, shm_dir: Path, ring: str) -> None:
        self._reader = Reader(shm_dir, ring, from_oldest=True, max_records=16384, losses="count")
        self.ticks = 0
        self.records = 0
        self.lost = 0
        self.by_instrument = np.zeros(0, np.int64)

    def read(self) -> None:
        """Count everything that is there now."""
        while True:
            batch = self._reader.read()
            self.lost += batch.lost
            if len(batch.records) == 0 and not batch.lost:
                return
            records = batch.records
            ticks = records[np.isin(records["kind"], TICK_KINDS)]
            self.records += len(records)
            self.ticks += len(ticks)
            counts = np.bincount(ticks["instrument"], minlength=len(self.by_instrument))
            counts[: len(self.by_instrument)] += self.by_instrument
            self.by_instrument = counts
