"""Events of records, written by field names."""

import numpy as np

from feedhandler.tick import TICK, Flag


def event(*records: dict[str, float]) -> np.ndarray:
    """One event of instrument 1 of source 1, LAST set; NaN where no price or size is given."""
    batch = np.zeros(len(records), TICK)
    batch["source"], batch["instrument"], batch["price"], batch["size"] = 1, 1, np.nan, np.nan
    for row, record in zip(batch, records, strict=True):
        for field, value in record.items():
            row[field] = value
    batch["flags"][-1] |= Flag.LAST
    return batch
