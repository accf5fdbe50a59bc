"""The Parquet sink: durable journal blocks to zstd files, each record exactly once.

A commit writes its files under names that carry the commit's number, fsyncs and renames them, and then
replaces the manifest. A crash before that leaves orphans: files of a commit the manifest does not know.
They are removed when the sink is opened and when it is closed, so a plain glob over the folder reads
exactly what the manifest names.
"""

import contextlib
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from feedhandler.record import manifest
from feedhandler.record.files import FolderLock, sync_folder
from feedhandler.record.format import JournalError
from feedhandler.record.journal import Block
from feedhandler.record.manifest import Commit, DataFile
from feedhandler.record.names import Names
from feedhandler.record.parquet_schema import (
    COMPRESSION_LEVEL,
    DELTA_COLUMNS,
    DICTIONARY_COLUMNS,
    ROW_GROUP_ROWS,
    TableBuilder,
    day_of,
    encode_name,
)
from feedhandler.record.positions import Position
from feedhandler.record.sink import SinkError, SinkStats
from feedhandler.tick import TICK, Kind

_OURS = re.compile(r"_?part-(\d{12})-(\d{4})\.parquet(\.tmp)?\Z")


class ParquetSink:
    """Writes below `folder`; see record.sink.Sink. Memory: `batch_rows` records and their columns.

    Commits when `batch_rows` are there, or when the oldest row not committed is `batch_age_s` old.
    """

    name = "parquet"

    def __init__(self, folder: Path, names: Names, batch_rows: int = 500_000, batch_age_s: float = 5.0) -> None:
        self.folder, self.batch_rows, self._age_ns = folder, batch_rows, int(batch_age_s * 1e9)
        self.stats = SinkStats()
        self._builder = TableBuilder(names)
        self._records = np.empty(batch_rows, TICK)
        self._labels_of = np.empty(batch_rows, np.uint16)
        self._labels: list[tuple[str, int]] = []
        self._count = 0
        self._since_ns = 0
        self._ranges: list[tuple[str, int, int, int]] = []
        self._gaps: list[tuple[str, int, int, int, str]] = []
        self._positions: dict[str, Position] = {}
        self._state = manifest.State()
        self._lock: FolderLock | None = None

    def open(self) -> dict[str, Position]:
        """Recover. Raises SinkError where another process writes here, or the manifest is missing or damaged."""
        try:
            self._lock = FolderLock(self.folder / manifest.SEALED, "parquet folder")
        except JournalError as error:
            raise SinkError(str(error)) from None
        try:
            self._state = manifest.load(self.folder)
            self._remove_orphans()
        except BaseException:
            self._lock.release()
            raise
        self._positions = dict(self._state.positions)
        return dict(self._positions)

    def _remove_orphans(self) -> None:
        known = self._state.commits
        ours = [(path, int(m[1])) for path in self.folder.rglob("*part-*") if (m := _OURS.match(path.name))]
        if known == 0 and any(number > 1 for _, number in ours):
            raise SinkError(f"{self.folder}: {manifest.NAME} is missing beside files of earlier commits; "
                            "restore it or move the files away")  # fmt: skip
        for path, number in ours:
            if number > known or path.suffix == ".tmp":
                path.unlink()

    @property
    def room(self) -> int:
        """Records that can be added before the next commit."""
        return self.batch_rows - self._count

    def add(self, block: Block) -> None:
        """Copy a block's records, or note its gap."""
        self._positions[block.ring] = (block.epoch, block.last)
        if block.gap is not None:
            self._gaps.append((block.ring, block.epoch, block.first, block.last, block.gap.name))
            return
        label = (block.ring, block.epoch)
        if label not in self._labels:
            self._labels.append(label)
        end = self._count + len(block.records)
        self._records[self._count : end] = block.records
        self._labels_of[self._count : end] = self._labels.index(label)
        self._count = end
        last = self._ranges[-1] if self._ranges else None
        if last is not None and last[:2] == label and last[3] + 1 == block.first:
            self._ranges[-1] = (*label, last[2], block.last)
        else:
            self._ranges.append((*label, block.first, block.last))

    def due(self, now_ns: int) -> bool:
        """Tell whether the batch is full or old."""
        if self._count == 0 and not self._gaps:
            self._since_ns = 0
            return False
        if self._since_ns == 0:
            self._since_ns = now_ns
        return self.room == 0 or now_ns - self._since_ns >= self._age_ns

    def commit(self, now_ns: int) -> None:  # noqa: ARG002 - the contract gives the time to sinks that need it
        """Write files, then the manifest. On OSError nothing has happened."""
        if self._positions == self._state.positions:
            return
        number = self._state.commits + 1
        files: list[DataFile] = []
        try:
            for place, (folder, rows) in enumerate(self._groups()):
                files.append(self._write(folder, f"part-{number:012d}-{place:04d}.parquet", rows))
            state = manifest.State(
                manifest.VERSION, number, self._state.rows + self._count, dict(self._positions),
                self._state.sealed, [*self._state.recent, Commit(number, self._ranges, self._gaps, files)],
            )  # fmt: skip
            manifest.store(self.folder, state)
        except OSError:
            if not self._committed(number):
                for file in files:
                    with contextlib.suppress(OSError):
                        (self.folder / file.path).unlink(missing_ok=True)
                raise
        self._state = state
        self._account(files)

    def _committed(self, number: int) -> bool:
        """Tell whether the manifest was replaced before the disk refused (the fsync of its folder, say)."""
        try:
            return manifest.load(self.folder).commits == number
        except SinkError:
            return False

    def _account(self, files: list[DataFile]) -> None:
        self.stats.rows += self._count
        self.stats.ticks += sum(file.ticks for file in files)
        self.stats.bytes += sum(file.bytes for file in files)
        self.stats.files += len(files)
        self.stats.commits += 1
        self._count, self._since_ns = 0, 0
        self._labels, self._ranges, self._gaps = [], [], []
        # Arrow keeps freed memory for a next batch of the same size; a batch may be long in coming.
        pa.default_memory_pool().release_unused()

    def _groups(self) -> list[tuple[str, Any]]:
        """(folder, row numbers or a slice) for every day and source in the batch."""
        records = self._records[: self._count]
        if self._count == 0:
            return []
        days, sources = day_of(records["ts_recv"]), records["source"]
        if days.min() == days.max() and sources.min() == sources.max():
            return [(self._folder_of(int(days[0]), int(sources[0])), slice(0, self._count))]
        keys = (days - days.min()) << 16 | sources
        base = int(days.min())
        return [
            (self._folder_of(base + (int(key) >> 16), int(key) & 0xFFFF), np.flatnonzero(keys == key))
            for key in np.unique(keys)
        ]

    def _folder_of(self, day: int, source: int) -> str:
        return f"date={np.datetime64(day, 'D')}/source={encode_name(self._builder.source(source))}"

    def _write(self, folder: str, name: str, rows: Any) -> DataFile:
        records = self._records[: self._count][rows]
        table = self._builder.table(records, self._labels_of[: self._count][rows], self._labels)
        path = self.folder / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"_{name}.tmp")  # readers of a folder skip names with "_"
        try:
            with draft.open("wb") as file:
                pq.write_table(
                    table, file, compression="zstd", compression_level=COMPRESSION_LEVEL,
                    row_group_size=ROW_GROUP_ROWS, use_dictionary=DICTIONARY_COLUMNS, column_encoding=DELTA_COLUMNS,
                    write_statistics=True, write_page_index=True,
                )  # fmt: skip
                file.flush()
                os.fsync(file.fileno())
                size = file.tell()
            draft.replace(path)
            for parent in (path.parent, path.parent.parent, self.folder):
                sync_folder(parent)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise
        kinds, times = records["kind"], records["ts_recv"]
        ticks = int(np.count_nonzero((kinds == Kind.LEVEL) | (kinds == Kind.TRADE)))
        return DataFile(f"{folder}/{name}", len(records), ticks, size, int(times.min()), int(times.max()))

    def close(self) -> None:
        """Drop what was not committed, remove orphans, give the folder up."""
        if self._lock is None:
            return
        with contextlib.suppress(OSError, SinkError):
            self._remove_orphans()
        self._lock.release()
        self._lock = None
