"""`feedhandler journal ls|verify|cat`: what the command prints. Each returns the exit code."""

import sys
from pathlib import Path
from typing import TextIO

import msgspec

from feedhandler.record.format import UNKNOWN_SEQ, JournalError
from feedhandler.record.journal import Block, open_journal
from feedhandler.record.names import FixedNames, Names
from feedhandler.record.verify import verify
from feedhandler.tick import TICK, Kind

_KIND_NAMES = {kind.value: kind.name for kind in Kind}
_encode = msgspec.json.Encoder().encode


def journal_ls(journal_dir: str | Path, ring: str | None = None, out: TextIO = sys.stdout) -> int:
    """Print one line per segment."""
    try:
        journal = open_journal(journal_dir)
        for info in journal.segments(ring):
            state = "closed" if info.closed else "open"
            place = info.path.relative_to(journal.root)
            print(f"{place} {state} seq {info.first}..{info.last} records {info.records} gaps {info.gaps} "
                  f"bytes {info.bytes} ts_recv {info.min_ts}..{info.max_ts}", file=out)  # fmt: skip
    except JournalError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def journal_verify(journal_dir: str | Path, out: TextIO = sys.stdout) -> int:
    """Print gaps, notes and problems; 0 where the journal is sound, 1 where it is not."""
    try:
        report = verify(open_journal(journal_dir))
    except JournalError as error:
        print(error, file=sys.stderr)
        return 1
    for title, lines in (("gap", report.gaps), ("note", report.notes), ("problem", report.problems)):
        for line in lines:
            print(f"{title}: {line}", file=out)
    print(f"{report.segments} segments, {report.blocks} blocks, {report.records} records, {report.bytes} bytes: "
          f"{'sound' if report.sound else f'{len(report.problems)} problems'}", file=out)  # fmt: skip
    return 0 if report.sound else 1


def journal_cat(
    journal_dir: str | Path,
    *,
    ring: str | None = None,
    epoch: int | None = None,
    first: int = 0,
    last: int = UNKNOWN_SEQ,
    start_ns: int | None = None,
    end_ns: int | None = None,
    out: TextIO = sys.stdout,
) -> int:
    """Print one JSON object per record or gap. NaN is null; kinds are names; ids have their symbols beside them."""
    try:
        journal = open_journal(journal_dir)
        names = FixedNames(journal.directory())
        for block in journal.blocks(ring, epoch, first=first, last=last, start_ns=start_ns, end_ns=end_ns):
            _print_block(block, names, out)
    except JournalError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 0
    return 0


def _print_block(block: Block, names: Names, out: TextIO) -> None:
    place = {"ring": block.ring, "epoch": block.epoch}
    if block.gap is not None:
        last = None if block.last == UNKNOWN_SEQ else block.last
        print(_encode({**place, "gap": block.gap.name, "first": block.first, "last": last}).decode(), file=out)
        return
    fields = TICK.names or ()
    for row in block.records.tolist():
        record = dict(zip(fields, row, strict=True))
        kind = record["kind"]
        record["kind"] = _KIND_NAMES.get(kind, kind)
        symbol = names.symbol(record["instrument"])[0]
        line = {**place, **record, "symbol": symbol, "source_name": names.source(record["source"])}
        print(_encode(line).decode(), file=out)
