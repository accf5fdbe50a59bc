"""Damage to segments: torn tails, flipped bits, lost files, compared with what was written."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from feedhandler.record.format import HEADER_BYTES, JournalError, JournalVersionError, crc32c
from feedhandler.record.journal import open_journal
from feedhandler.record.scan import RawBlock, SegmentReader
from feedhandler.record.verify import verify


def only_segment(rig: Any) -> Path:
    (info,) = list(rig.journal.segments())
    return info.path


def test_a_tail_torn_at_every_byte_is_cut_and_fetched_again_from_the_ring(rig: Any) -> None:
    writer = rig.start_writer()
    rig.start_tap()
    rig.send(12)
    rig.work()
    rig.send(3)
    rig.work()
    rig.kill_tap()
    path = only_segment(rig)
    whole = path.read_bytes()
    last = list(SegmentReader(path).blocks())[-1]
    for cut in range(last.offset, last.end):
        path.write_bytes(whole[:cut])
        rig.start_tap()
        assert rig.tap.journal.last == 12, cut
        assert rig.work() == 3
        rig.kill_tap()
        assert rig.held(writer.epoch) == rig.written(writer.epoch), cut
    assert verify(rig.journal).sound


def test_a_tail_with_any_byte_wrong_is_cut(rig: Any) -> None:
    writer = rig.start_writer()
    rig.start_tap()
    rig.send(12)
    rig.work()
    rig.send(2)
    rig.work()
    rig.kill_tap()
    path = only_segment(rig)
    whole = path.read_bytes()
    last = list(SegmentReader(path).blocks())[-1]
    for place in range(last.offset, last.end):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        rig.start_tap()
        assert (rig.tap.journal.last, rig.tap.journal.stats.repairs) == (12, 1), place
        rig.kill_tap()
    rig.start_tap()
    rig.work()
    assert rig.held(writer.epoch) == rig.written(writer.epoch)


def test_the_end_of_a_segment_torn_at_every_byte_is_written_again(rig: Any) -> None:
    writer = rig.start_writer()
    rig.start_tap()
    rig.send(12)
    rig.work()
    rig.tap.close(rig.now)
    path = only_segment(rig)
    whole = path.read_bytes()
    for cut in range(len(whole) - 256, len(whole)):
        path.write_bytes(whole[:cut])
        rig.start_tap()
        assert rig.tap.journal.last == 12, cut
        rig.tap.close(rig.now)
        rig.kill_tap()
        assert rig.held(writer.epoch) == rig.written(writer.epoch), cut
        assert verify(rig.journal).sound


def damage(path: Path, block: RawBlock) -> None:
    with path.open("r+b") as file:
        file.seek(block.offset + 70)
        file.write(b"\xff\xfe")


@pytest.mark.parametrize("closed", [True, False])
def test_a_bad_block_in_the_middle_is_a_named_gap_and_the_rest_is_kept(rig: Any, closed: bool) -> None:
    writer = rig.start_writer()
    rig.start_tap()
    for _ in range(5):
        rig.send(20)
        rig.work()
    if closed:
        rig.tap.close(rig.now)
    rig.kill_tap()
    path = only_segment(rig)
    records = [item for item in SegmentReader(path).blocks() if item.header.type == 1]
    damage(path, records[2])
    assert rig.gaps() == [(writer.epoch, 41, 60, "CORRUPT")]
    assert rig.held(writer.epoch) == b"".join(rig.sent[writer.epoch][i].tobytes() for i in (0, 1, 3, 4))
    report = verify(rig.journal)
    assert not report.sound
    assert any("damaged" in problem for problem in report.problems)
    # A range query inside the damaged part gives the same answer.
    got = [(b.first, b.last, b.gap is None) for b in rig.journal.blocks("h1", first=50, last=70)]
    assert got == [(50, 60, False), (61, 70, True)]


def test_damage_in_an_open_segment_becomes_a_gap_block_at_restart(rig: Any) -> None:
    """A power loss may keep a later block and lose an earlier one: the later one is not thrown away."""
    writer = rig.start_writer()
    rig.start_tap()
    for _ in range(4):
        rig.send(20)
        rig.work()
    rig.kill_tap()
    path = only_segment(rig)
    blocks = [item for item in SegmentReader(path).blocks() if item.header.type == 1]
    damage(path, blocks[1])
    damage(path, blocks[2])
    rig.start_tap()
    assert rig.tap.journal.last == 80
    rig.send(20)
    rig.work()
    rig.tap.close(rig.now)
    assert verify(rig.journal).problems == []
    assert rig.gaps() == [(writer.epoch, 21, 60, "CORRUPT")]
    assert rig.held(writer.epoch) == b"".join(rig.sent[writer.epoch][i].tobytes() for i in (0, 3, 4))


def test_a_header_torn_by_a_power_loss_is_set_aside(rig: Any) -> None:
    writer = rig.start_writer()
    rig.start_tap()
    rig.send(20)
    rig.work()
    rig.kill_tap()
    path = only_segment(rig)
    path.write_bytes(bytes(HEADER_BYTES))
    rig.start_tap()
    rig.work()
    assert path.with_name(path.name + ".bad").exists()
    assert rig.held(writer.epoch) == rig.written(writer.epoch)


def test_a_journal_of_another_version_is_left_alone(rig: Any) -> None:
    rig.start_writer()
    rig.start_tap()
    rig.send(20)
    rig.work()
    rig.kill_tap()
    path = only_segment(rig)
    page = bytearray(path.read_bytes())
    page[12] = 9
    page[HEADER_BYTES - 4 : HEADER_BYTES] = crc32c(bytes(page[: HEADER_BYTES - 4])).to_bytes(4, "little")
    path.write_bytes(page)
    with pytest.raises(JournalVersionError, match="record layout 9"):
        rig.start_tap()
    assert path.read_bytes() == bytes(page)


def many_segments(rig: Any) -> list[Path]:
    rig.policy = rig.policy.__class__(segment_bytes=65536, fsync="none")
    rig.start_writer()
    rig.start_tap()
    for _ in range(8):
        rig.send(500)
        rig.work()
    rig.tap.close(rig.now)
    return [info.path for info in rig.journal.segments()]


def test_a_missing_segment_is_a_named_gap_and_a_problem(rig: Any) -> None:
    paths = many_segments(rig)
    first, following = int(paths[2].stem), int(paths[3].stem)
    paths[2].unlink()
    ((_, low, high, reason),) = rig.gaps()
    assert (low, high, reason) == (first, following - 1, "MISSING")
    assert any("missing" in problem for problem in verify(rig.journal).problems)


def test_swapped_segments_are_never_given_as_each_other(rig: Any) -> None:
    paths = many_segments(rig)
    one, two = paths[1].read_bytes(), paths[2].read_bytes()
    paths[1].write_bytes(two)
    paths[2].write_bytes(one)
    assert {reason for *_, reason in rig.gaps()} == {"MISSING"}
    assert sum("belongs to" in problem for problem in verify(rig.journal).problems) == 2


def test_a_truncated_segment_gives_what_it_has_and_names_the_rest(rig: Any) -> None:
    paths = many_segments(rig)
    os.truncate(paths[1], 20_000)
    (gap,) = rig.journal.gaps()
    assert gap.last == int(paths[2].stem) - 1
    held = sum(len(block.records) for block in rig.journal.blocks())
    assert held == 4000 - (gap.last - gap.first + 1)
    assert not verify(rig.journal).sound


def test_time_and_seq_ranges_give_exactly_what_a_scan_gives(rig: Any) -> None:
    many_segments(rig)
    everything = np.concatenate([block.records for block in rig.journal.blocks()])
    times = everything["ts_recv"]
    rng = np.random.default_rng(7)
    for _ in range(50):
        low, high = sorted(rng.integers(times[0] - 5000, times[-1] + 5000, 2).tolist())
        got = [block.records for block in rig.journal.blocks("h1", start_ns=low, end_ns=high)]
        expected = everything[(times >= low) & (times < high)]
        assert np.concatenate([*got, everything[:0]]).tobytes() == expected.tobytes()
        first, last = sorted(rng.integers(0, 4100, 2).tolist())
        got = [block.records for block in rig.journal.blocks("h1", first=first, last=last)]
        expected = everything[(everything["seq"] >= first) & (everything["seq"] <= last)]
        assert np.concatenate([*got, everything[:0]]).tobytes() == expected.tobytes()


def test_the_index_is_rebuilt_where_it_is_missing(rig: Any) -> None:
    paths = many_segments(rig)
    reader = SegmentReader(paths[0])
    index = reader.index()
    os.truncate(paths[0], paths[0].stat().st_size - 64)
    rebuilt = SegmentReader(paths[0])
    assert not rebuilt.closed
    assert rebuilt.index().tobytes() == index.tobytes()


def test_closed_segments_are_read_without_copying(rig: Any) -> None:
    many_segments(rig)
    block = next(iter(rig.journal.blocks()))
    assert not block.records.flags.writeable
    assert not block.records.flags.owndata


def test_there_is_no_journal_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no such journal"):
        open_journal(tmp_path / "nowhere")
    shutil.rmtree(tmp_path)
