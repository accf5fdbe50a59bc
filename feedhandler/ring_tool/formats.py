"""Where a dump goes: one class a format. A file appears under its name when it is whole."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq

from feedhandler.errors import FeedhandlerError
from feedhandler.ring import Records
from feedhandler.ring_tool import records as one
from feedhandler.ring_tool.columns import Columns
from feedhandler.ring_tool.names import Origin
from feedhandler.tick import TICK


class Sink(Protocol):
    """Takes records in order."""

    def write(self, records: Records) -> None:
        """Write them all; the array is the caller's again afterwards."""

    def close(self) -> None:
        """Finish: nothing is whole before."""


class JsonSink:
    """One JSON object a line, as `ring tail --json` prints them."""

    def __init__(self, target: Any, origin: Origin) -> None:
        self._target, self._origin = target, origin

    def write(self, records: Records) -> None:
        """Write them all."""
        for row in records.tolist():
            line = json.dumps(one.named_json(row, *self._origin))
            self._target.write(f"{line}\n".encode())

    def close(self) -> None:
        """Nothing is left to do."""


class CsvSink:
    """A header and a line a record; kinds, sides and actions by name, NaN as nothing, numbers by shortest printing."""

    def __init__(self, target: Any, origin: Origin) -> None:
        self._columns = Columns(origin)
        self._writer = pyarrow.csv.CSVWriter(target, self._columns.text_schema)

    def write(self, records: Records) -> None:
        """Write them all."""
        self._writer.write_table(self._columns.text_table(records))

    def close(self) -> None:
        """Flush."""
        self._writer.close()


class ParquetSink:
    """The columns of the recorder's Parquet files, rows in the order of seq."""

    def __init__(self, target: Any, origin: Origin) -> None:
        self._columns = Columns(origin)
        self._writer = pq.ParquetWriter(target, self._columns.schema, compression="zstd")

    def write(self, records: Records) -> None:
        """Write a row group."""
        self._writer.write_table(self._columns.table(records))

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()


class NumpySink:
    """Raw 64-byte records: `numpy.load` gives an array of feedhandler.tick.TICK."""

    def __init__(self, target: Any, _: Origin) -> None:
        self._target, self._count = target, 0
        self._header()
        self._begin = target.tell()

    def _header(self) -> None:
        # numpy leaves room in a header for the first axis to grow.
        fields = {"descr": np.lib.format.dtype_to_descr(TICK), "fortran_order": False, "shape": (self._count,)}
        np.lib.format.write_array_header_1_0(self._target, fields)

    def write(self, records: Records) -> None:
        """Write them all."""
        self._target.write(np.ascontiguousarray(records).tobytes())
        self._count += len(records)

    def close(self) -> None:
        """Put the number of records into the header."""
        self._target.seek(0)
        self._header()
        assert self._target.tell() == self._begin


class Format(NamedTuple):
    """A format's sink, and whether it is for files only."""

    sink: Any
    binary: bool


FORMATS = {
    "json": Format(JsonSink, False),
    "csv": Format(CsvSink, False),
    "parquet": Format(ParquetSink, True),
    "npy": Format(NumpySink, True),
}


@contextmanager
def open_sink(name: str, out: Path | None, origin: Origin) -> Iterator[Sink]:
    """Give a sink that writes to `out`, or to stdout. Raises FeedhandlerError where the file cannot be written."""
    make = FORMATS[name].sink
    if out is None:
        sink = make(sys.stdout.buffer, origin)
        yield sink
        sink.close()
        sys.stdout.buffer.flush()
        return
    draft = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        with draft.open("wb") as target:
            sink = make(target, origin)
            yield sink
            sink.close()
        draft.replace(out)
    except OSError as error:
        raise FeedhandlerError(f"{out}: {error.strerror or error}") from None
    finally:
        draft.unlink(missing_ok=True)
