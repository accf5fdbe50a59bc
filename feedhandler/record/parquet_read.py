"""Reading what the Parquet sink wrote: exactly the files of the manifest, in one Arrow table."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from feedhandler.record import manifest
from feedhandler.record.parquet_schema import decode_name


def files(folder: str | Path) -> list[manifest.DataFile]:
    """Return every file that the manifest names, in the order of their commits."""
    root = Path(folder)
    return [file for commit in manifest.commits(root, manifest.load(root)) for file in commit.files]


def partition(path: str) -> tuple[str, str]:
    """Return (date, source) of a file's path."""
    date, source, _ = path.split("/")
    return date.removeprefix("date="), decode_name(source.removeprefix("source="))


def read_table(
    folder: str | Path,
    *,
    columns: list[str] | None = None,
    symbol: str | None = None,
    source: str | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> pa.Table:
    """Return all rows that match, with the columns `date` and `source` beside those of the files.

    Safe while the recorder runs: what a commit has not finished is not seen. start_ns is included, end_ns not.
    """
    wanted: list[Any] = []
    if symbol is not None:
        wanted.append(("symbol", "=", symbol))
    if start_ns is not None:
        wanted.append(("ts_recv", ">=", start_ns))
    if end_ns is not None:
        wanted.append(("ts_recv", "<", end_ns))
    tables = []
    for file in files(folder):
        date, name = partition(file.path)
        outside = (start_ns is not None and file.max_ts < start_ns) or (end_ns is not None and file.min_ts >= end_ns)
        if outside or (source is not None and source != name):
            continue
        table = pq.read_table(Path(folder) / file.path, columns=columns, filters=wanted or None, partitioning=None)
        for column, value in (("date", date), ("source", name)):
            table = table.append_column(column, pa.repeat(value, len(table)))
        tables.append(table)
    return pa.concat_tables(tables).unify_dictionaries() if tables else pa.table({})
