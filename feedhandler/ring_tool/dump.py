"""`feedhandler ring dump`: a range of one epoch as JSON lines, CSV, Parquet or raw numpy records."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from feedhandler.errors import UsageError
from feedhandler.ring import Records, aligned_records
from feedhandler.ring_tool.files import chosen, open_file
from feedhandler.ring_tool.formats import FORMATS, Sink, open_sink
from feedhandler.ring_tool.names import Filter, Names, Origin
from feedhandler.ring_tool.place import Place

CHUNK_RECORDS = 1 << 16


class Dumped(msgspec.Struct, kw_only=True):
    """What came out: of `first` to `last`, how many records were gone, and how many passed the filter."""

    ring: str
    epoch: int
    first: int
    last: int
    read: int = 0
    written: int = 0

    @property
    def missing(self) -> int:
        """Records of the range that the ring no longer held."""
        return max(0, self.last - self.first + 1) - self.read


class Range(msgspec.Struct, frozen=True):
    """Which seqs: from `first` to `last`, both included; None = as far as the file goes. `count`: the last so many."""

    first: int | None = None
    last: int | None = None
    count: int | None = None


def dump(
    place: Place,
    ring: str,
    *,
    epoch: int | None = None,
    span: Range = Range(),  # noqa: B008 - frozen
    format: str | None = None,  # noqa: A002 - the option's name
    out: Path | None = None,
    symbols: tuple[str, ...] = (),
    sources: tuple[str, ...] = (),
    kinds: tuple[str, ...] = (),
) -> int:
    """Write the records; say on stderr what was written and what was no longer there.

    Raises UsageError for a format that cannot go where it shall, FeedhandlerError where there is no such epoch.
    """
    wanted = format_of(format, out)
    path = chosen(place, ring, epoch)
    file = open_file(path)
    header: dict[str, Any] = file.header()
    names = Names(place)
    passes = Filter(names, symbols=symbols, sources=sources, kinds=kinds)
    first, last = bounds(file, span)
    done = Dumped(ring=header["name"], epoch=header["epoch"], first=first, last=last)
    with open_sink(wanted, out, Origin(done.ring, done.epoch, names)) as sink:
        write(file, sink, passes, done)
    print(summary(done, out), file=sys.stderr)
    return 0


def format_of(name: str | None, out: Path | None) -> str:
    """Return the format: as named, else by the file's ending, else JSON lines. Raises UsageError."""
    if name is None:
        ending = out.suffix.removeprefix(".") if out is not None else "json"
        name = {"jsonl": "json", "ndjson": "json"}.get(ending, ending)
    if name not in FORMATS:
        raise UsageError(f"{name!r} is no format; formats are {', '.join(FORMATS)}: give --format, or end --out in one")
    if out is None and FORMATS[name].binary:
        raise UsageError(f"{name} goes to a file: give --out")
    return name


def bounds(file: Any, span: Range) -> tuple[int, int]:
    """Return first and last seq of the range, within what was published; without `first` only what is still whole."""
    published = file.published
    last = published if span.last is None else min(span.last, published)
    first = span.first
    if first is None:
        first = file.oldest if span.count is None else max(file.oldest, last - span.count + 1)
    if first < 1:
        raise UsageError(f"--first {first}: seqs begin with 1")
    return first, last


def write(file: Any, sink: Sink, passes: Filter, done: Dumped) -> None:
    """Copy the range into the sink, chunk by chunk."""
    for records in chunks(file, done.first, done.last):
        passed = passes.chosen(records)
        done.read += len(records)
        done.written += len(passed)
        if len(passed):
            sink.write(passed)


def chunks(file: Any, first: int, last: int) -> Iterator[Records]:
    """Yield the records of [first, last] that are still there, in order; each array is valid until the next."""
    buffer = aligned_records(CHUNK_RECORDS)
    at = first
    while at <= last:
        room = buffer[: min(CHUNK_RECORDS, last - at + 1)]
        _, following, count = file.read_into(at, room.view(np.uint8))
        if following <= at:
            return
        records = room[:count]
        yield records[records["seq"] <= last]
        at = following


def summary(done: Dumped, out: Path | None) -> str:
    """Return one line that says what was done."""
    where = f" to {out}" if out is not None else ""
    gone = f"; {done.missing:,} of the range were overwritten" if done.missing else ""
    return (
        f"{done.ring}.{done.epoch}: seq {done.first:,} to {done.last:,}, {done.written:,} records written{where}{gone}"
    )
