"""Counting by reading back: what is really in the files, for reports that must not trust counters."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq

from feedhandler.record.format import UNKNOWN_SEQ
from feedhandler.record.journal import open_journal
from feedhandler.record.parquet_read import files
from feedhandler.tick import Kind


class Totals(msgspec.Struct):
    """What one ring has in a store. `lost` counts seqs named as gaps; `unknown` counts gaps without an end."""

    records: int = 0
    ticks: int = 0
    lost: int = 0
    unknown: int = 0
    lost_ranges: list[tuple[int, int, int]] = msgspec.field(default_factory=list)  # (epoch, first, last)


def _ticks(kinds: "np.ndarray[Any, Any]") -> int:
    return int(np.count_nonzero((kinds == Kind.LEVEL) | (kinds == Kind.TRADE)))


def journal_totals(journal_dir: str | Path) -> dict[str, Totals]:
    """Read the whole journal, every checksum included; return totals by ring. Raises JournalError."""
    found: dict[str, Totals] = {}
    for block in open_journal(journal_dir).blocks():
        totals = found.setdefault(block.ring, Totals())
        if block.gap is None:
            totals.records += len(block.records)
            totals.ticks += _ticks(block.records["kind"])
            continue
        totals.lost_ranges.append((block.epoch, block.first, block.last))
        if block.last == UNKNOWN_SEQ:
            totals.unknown += 1
        else:
            totals.lost += block.last - block.first + 1
    return found


def parquet_totals(parquet_dir: str | Path) -> dict[str, Totals]:
    """Read every file of the manifest; return totals by ring. Raises SinkError, OSError."""
    found: dict[str, Totals] = {}
    for file in files(parquet_dir):
        table = pq.read_table(Path(parquet_dir) / file.path, columns=["ring", "kind"], partitioning=None)
        rings = np.asarray(table["ring"].cast("string"))
        kinds = np.asarray(table["kind"])
        for ring in np.unique(rings):
            totals = found.setdefault(str(ring), Totals())
            mine = kinds[rings == ring]
            totals.records += len(mine)
            totals.ticks += _ticks(mine)
    return found
