"""Rings through numpy: reads, laps, restarts, waiting."""

import os
from pathlib import Path

import numpy as np
import pytest

from feedhandler import _native
from feedhandler.errors import SegmentBusyError
from feedhandler.ring import Attach, Reader, aligned_records
from feedhandler.tick import Flag, Kind


def event(*prices: float) -> np.ndarray:
    records = aligned_records(len(prices))
    records["kind"] = Kind.LEVEL
    records["price"] = prices
    records["flags"][-1] = Flag.LAST
    return records


def writer(folder: Path, capacity: int = 64) -> _native.RingWriter:
    return _native.RingWriter(str(folder), str(folder), "r", capacity)


def publish(ring: _native.RingWriter, records: np.ndarray) -> None:
    ring.append(records.view(np.uint8))
    ring.publish(0)


def test_a_reader_gets_whole_events_in_order(tmp_path: Path) -> None:
    reader = Reader(tmp_path, "r", follow=False, losses="count")
    assert reader.attach() == Attach.MISSING
    ring = writer(tmp_path)
    assert reader.attach() == Attach.OK
    publish(ring, event(1.0, 2.0))
    publish(ring, event(3.0))
    batch = reader.read()
    assert batch.lost == 0
    assert batch.records["price"].tolist() == [1.0, 2.0, 3.0]
    assert batch.records["seq"].tolist() == [1, 2, 3]
    assert batch.records["flags"].tolist() == [0, Flag.LAST, Flag.LAST]
    assert len(reader.read().records) == 0


def test_a_short_buffer_cuts_between_events(tmp_path: Path) -> None:
    ring = writer(tmp_path)
    reader = Reader(tmp_path, "r", from_oldest=True, follow=False, losses="count")
    publish(ring, event(1.0, 2.0))
    publish(ring, event(3.0, 4.0))
    reader.attach()
    assert reader.read(aligned_records(3)).records["price"].tolist() == [1.0, 2.0]
    assert reader.read(aligned_records(1)).records["price"].tolist() == [3.0]
    assert reader.read(aligned_records(1)).records["price"].tolist() == [4.0]


def test_every_record_is_read_or_counted_lost(tmp_path: Path) -> None:
    ring = writer(tmp_path)
    reader = Reader(tmp_path, "r", follow=False, losses="count")
    reader.attach()
    read = lost = 0
    for turn in range(200):
        publish(ring, event(*range(1 + turn % 7)))
        if turn % 31 == 30:
            batch = reader.read()
            read, lost = read + len(batch.records), lost + batch.lost
    while (batch := reader.read()).lost or len(batch.records):
        read, lost = read + len(batch.records), lost + batch.lost
    assert lost > 0
    assert read + lost == ring.published == reader.next - 1


def test_a_borrowed_view_says_when_it_was_overtaken(tmp_path: Path) -> None:
    ring = writer(tmp_path)
    reader = Reader(tmp_path, "r", follow=False, losses="count")
    reader.attach()
    publish(ring, event(1.0, 2.0))
    first, records = reader.view()
    assert records["price"].tolist() == [1.0, 2.0]
    assert not records.flags.writeable
    assert reader.still_valid(first)
    for _ in range(64):
        publish(ring, event(9.0))
    assert not reader.still_valid(first)


def test_a_reader_follows_a_restarted_writer_after_draining_it(tmp_path: Path) -> None:
    ring = writer(tmp_path)
    reader = Reader(tmp_path, "r", follow=False, losses="count")
    reader.attach()
    first = ring.epoch
    publish(ring, event(1.0))
    assert reader.state() == Attach.OK
    del ring
    assert reader.state() == Attach.WRITER_DEAD
    ring = writer(tmp_path)
    publish(ring, event(2.0))
    assert not reader.follow(), "one record of the old epoch is still unread"
    assert reader.read().records["price"].tolist() == [1.0]
    assert reader.follow()
    assert (reader.epoch, ring.previous_epoch, ring.previous_last) == (ring.epoch, first, 1)
    assert reader.read().records["price"].tolist() == [2.0]


def test_a_second_writer_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    ring = writer(tmp_path)
    with pytest.raises(SegmentBusyError, match=rf"ring 'r' has a writer already, pid {os.getpid()}"):
        writer(tmp_path)
    del ring


def test_waiting_ends_with_a_record_or_the_timeout(tmp_path: Path) -> None:
    ring = writer(tmp_path)
    reader = Reader(tmp_path, "r", follow=False, losses="count")
    reader.attach()
    assert not reader.wait(1_000_000)
    publish(ring, event(1.0))
    assert reader.wait(10_000_000_000)


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    ring = writer(tmp_path)
    path = tmp_path / f"r.{ring.epoch}"
    with path.open("r+b") as file:
        file.seek(8)
        file.write((77).to_bytes(4, "little"))
    assert Reader(tmp_path, "r", follow=False, losses="count").attach() == Attach.VERSION_MISMATCH


@pytest.mark.parametrize(("name", "capacity"), [("r", 100), ("r", 32), ("a.b", 64), ("", 64), ("x" * 64, 64)])
def test_bad_names_and_capacities_are_refused(tmp_path: Path, name: str, capacity: int) -> None:
    with pytest.raises(ValueError, match=r"ring (name|capacity) must"):
        _native.RingWriter(str(tmp_path), str(tmp_path), name, capacity)
