"""Is a journal sound? Every byte is read, every checksum computed, every seq accounted for."""

from pathlib import Path

import msgspec

from feedhandler.record.format import BlockType, GapReason, JournalError
from feedhandler.record.journal import Journal
from feedhandler.record.scan import BadRange, RawBlock, SegmentReader


class Report(msgspec.Struct):
    """What verify() found. `problems`: damage or holes that no gap block names, one sentence each."""

    segments: int = 0
    blocks: int = 0
    records: int = 0
    bytes: int = 0
    gaps: list[str] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)
    problems: list[str] = msgspec.field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Nothing is damaged, nothing is missing without a name."""
        return not self.problems


def verify(journal: Journal) -> Report:
    """Read everything. Never raises for damage: it is in the report."""
    report = Report()
    for ring in journal.rings():
        for epoch in journal.epochs(ring):
            paths = journal.segment_paths(ring, epoch)
            expected = 1
            for path in paths:
                expected = _verify_segment(report, path, expected, newest=path == paths[-1])
    return report


def _verify_segment(report: Report, path: Path, expected: int, *, newest: bool) -> int:
    report.segments += 1
    try:
        reader = SegmentReader(path)
    except JournalError as error:
        report.problems.append(str(error))
        return expected
    head = reader.header
    if (head.ring, str(head.epoch), f"{head.first_seq:020d}") != (
        path.parent.parent.name,
        path.parent.name,
        path.stem,
    ):
        report.problems.append(f"{path}: belongs to {head.ring}/{head.epoch}/{head.first_seq:020d}")
        return expected
    if head.first_seq != expected:
        report.problems.append(
            f"{path}: starts at {head.first_seq}, expected {expected}: a segment is missing or double"
        )
    expected = head.first_seq
    for item in reader.everything():
        if isinstance(item, BadRange):
            text = f"{path}: bytes {item.offset}..{item.end} are damaged"
            if item.tail and newest and not reader.closed:
                report.notes.append(text + " (torn tail: cut when the recorder starts)")
            else:
                report.problems.append(text)
            continue
        report.blocks += 1
        if item.header.type in (BlockType.RECORDS, BlockType.GAP):
            expected = _verify_block(report, reader, item, expected)
    if reader.end_block is not None and reader.end_block.last + 1 != expected:
        report.problems.append(f"{path}: ends at {expected - 1}, its END block says {reader.end_block.last}")
    return expected


def _verify_block(report: Report, reader: SegmentReader, block: RawBlock, expected: int) -> int:
    head = block.header
    if head.first != expected:
        report.problems.append(f"{reader.path}: seq {head.first} at byte {block.offset}, expected {expected}")
    if head.type == BlockType.GAP:
        reason = GapReason(head.code).name
        report.gaps.append(f"{reader.header.ring}/{reader.header.epoch}: {head.first}..{head.last} {reason}")
        return head.last + 1
    report.records += head.count
    report.bytes += head.payload_bytes
    seq = block.records()["seq"]
    if int(seq[0]) != head.first or (seq[1:] - seq[:-1] != 1).any():
        report.problems.append(f"{reader.path}: seqs of the block at byte {block.offset} are not dense")
    return head.last + 1
