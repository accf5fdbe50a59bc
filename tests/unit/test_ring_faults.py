"""Rings when things go wrong: laps in the middle of a batch, refused memory, dead starters, several restarts."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from feedhandler import _native
from feedhandler.ring import Attach, Reader, aligned_records
from feedhandler.tick import Flag, Kind

CAPACITY = 64


def event(count: int, *, last: bool = True) -> np.ndarray:
    records = aligned_records(count)
    records["kind"] = Kind.LEVEL
    records["price"] = range(count)
    if last:
        records["flags"][-1] = Flag.LAST
    return records


def writer(folder: Path, capacity: int = CAPACITY) -> _native.RingWriter:
    return _native.RingWriter(str(folder), str(folder), "r", capacity)


def publish(ring: _native.RingWriter, records: np.ndarray) -> None:
    ring.append(records.view(np.uint8))
    ring.publish(0)


def test_an_event_longer_than_the_ring_takes_nothing_from_readers(tmp_path: Path) -> None:
    ring = writer(tmp_path)
    reader = Reader(tmp_path, "r", from_oldest=True, follow=False, losses="count")
    publish(ring, event(2))
    reader.attach()
    publish(ring, event(10 * CAPACITY))
    batch = reader.read()
    assert (len(batch.records), batch.lost) == (3, 0)
    assert batch.records["kind"].tolist() == [Kind.LEVEL, Kind.LEVEL, Kind.SKIP]
    assert (batch.records["size"][2], batch.records["ref"][2]) == (10 * CAPACITY, 3)
    assert batch.records["flags"][2] == Flag.LAST | Flag.GAP
    publish(ring, event(1))
    assert reader.read().records["seq"].tolist() == [4]


def test_a_lap_in_an_unpublished_batch_ends_and_counts_what_is_gone(tmp_path: Path) -> None:
    # The writer stays inside a batch (or died there): the reader must neither wait for it nor go back.
    ring = writer(tmp_path)
    reader = Reader(tmp_path, "r", from_oldest=True, follow=False, losses="count")
    for _ in range(8):
        publish(ring, event(4))
    reader.attach()
    for _ in range(24):
        ring.append(event(4).view(np.uint8))
    batch = reader.read()
    assert (len(batch.records), batch.lost, reader.next) == (0, 32, 33)
    batch = reader.read()
    assert (len(batch.records), batch.lost) == (0, 0)
    ring.publish(0)
    read, lost = 0, 32
    while (batch := reader.read()).lost or len(batch.records):
        read, lost = read + len(batch.records), lost + batch.lost
    assert read + lost == ring.published == 32 + 24 * 4


def test_claims_ahead_never_send_a_lapped_reader_back(tmp_path: Path) -> None:
    ring = writer(tmp_path)
    reader = Reader(tmp_path, "r", from_oldest=True, follow=False, losses="count")
    publish(ring, event(1))
    reader.attach()
    position = reader.next
    for _ in range(300):
        publish(ring, event(3))
        ring.append(event(15, last=False).view(np.uint8))  # an open event, dropped again
        batch = reader.read(aligned_records(1))
        assert reader.next >= position + len(batch.records) + batch.lost
        position = reader.next
        ring.drop_event()


def test_a_refused_ring_leaves_nothing_behind(tmp_path: Path) -> None:
    program = (
        "import resource, sys; from feedhandler import _native\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "try: _native.RingWriter(sys.argv[1], sys.argv[1], 'r', 1 << 16)\n"
        "except OSError as error: print(error.errno)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "27", "EFBIG"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.epoch", "r.lock", "r.wait"]
    assert Reader(tmp_path, "r", follow=False, losses="count").attach() == Attach.MISSING


def test_a_draft_whose_maker_died_is_not_a_start(tmp_path: Path) -> None:
    (tmp_path / "r.starting").touch()
    (tmp_path / "r.lock").write_text("1")
    assert Reader(tmp_path, "r", follow=False, losses="count").attach() == Attach.MISSING
    ring = writer(tmp_path)
    (tmp_path / f"r.{ring.epoch}").rename(tmp_path / "r.starting")
    assert Reader(tmp_path, "r", follow=False, losses="count").attach() == Attach.STARTING


@pytest.mark.parametrize("capacity", [0, 3, 1 << 58, (1 << 64) - 1])
def test_a_header_that_lies_about_its_capacity_is_refused(tmp_path: Path, capacity: int) -> None:
    ring = writer(tmp_path)
    with (tmp_path / f"r.{ring.epoch}").open("r+b") as file:
        file.seek(16)
        file.write(capacity.to_bytes(8, "little"))
    assert Reader(tmp_path, "r", follow=False, losses="count").attach() == Attach.DAMAGED


def test_two_restarts_in_a_row_are_followed_one_by_one(tmp_path: Path) -> None:
    ring = writer(tmp_path)
    reader = Reader(tmp_path, "r", follow=False, losses="count")
    reader.attach()
    seen = []
    epochs = [ring.epoch]
    publish(ring, event(1))
    for count in (2, 3):
        del ring
        ring = writer(tmp_path)
        epochs.append(ring.epoch)
        publish(ring, event(count))
    while True:
        batch = reader.read()
        seen += [(reader.epoch, int(seq)) for seq in batch.records["seq"]]
        assert batch.lost == 0
        if not len(batch.records) and not reader.follow():
            break
    first, second, third = epochs
    assert seen == [(first, 1), (second, 1), (second, 2), (third, 1), (third, 2), (third, 3)]


def test_what_a_followed_epoch_no_longer_holds_is_counted(tmp_path: Path) -> None:
    ring = writer(tmp_path)
    reader = Reader(tmp_path, "r", follow=False, losses="count")
    reader.attach()
    del ring
    ring = writer(tmp_path)
    for _ in range(50):
        publish(ring, event(4))
    assert reader.follow()
    read = lost = 0
    while (batch := reader.read()).lost or len(batch.records):
        read, lost = read + len(batch.records), lost + batch.lost
    assert (read + lost, lost > 0) == (200, True)


def test_an_epoch_that_came_and_went_counts_as_one_lost(tmp_path: Path) -> None:
    ring = writer(tmp_path)
    reader = Reader(tmp_path, "r", follow=False, losses="count")
    reader.attach()
    del ring
    between = writer(tmp_path)
    gone = between.epoch
    publish(between, event(5))
    del between
    ring = writer(tmp_path)
    (tmp_path / f"r.{gone}").unlink()
    publish(ring, event(1))
    assert reader.follow()
    assert reader.read().lost == 1
    assert len(reader.read().records) == 1


def test_a_note_half_written_leaves_the_one_before(tmp_path: Path) -> None:
    # Notes stand in turn in two slots; a kill between a note's stores leaves value 0 in one of them.
    ring = writer(tmp_path)
    for value in (7, 8):
        ring.append(event(1).view(np.uint8))
        ring.note(3, value)
        ring.publish(0)
    epoch = ring.epoch
    del ring
    with (tmp_path / f"r.{epoch}").open("r+b") as file:
        file.seek(320 + 3 * 32 + 16 + 8)  # session 3, second slot, value
        assert file.read(8) == (8).to_bytes(8, "little")
        file.seek(-8, os.SEEK_CUR)
        file.write(bytes(8))
    assert writer(tmp_path).previous_note(3) == 7


def test_an_epoch_that_noted_nothing_hands_on_the_notes_before_it(tmp_path: Path) -> None:
    # A handler killed twice in a row: the second time before its sessions noted anything.
    ring = writer(tmp_path)
    ring.append(event(1).view(np.uint8))
    ring.note(3, 7)
    ring.publish(0)
    del ring
    ring = writer(tmp_path)
    assert ring.previous_note(3) == 7
    publish(ring, event(2))
    del ring
    ring = writer(tmp_path)
    assert [ring.previous_note(session) for session in (2, 3)] == [0, 7]
    ring.note(3, 8)  # what is noted here counts from here on, at the same cursor
    del ring
    assert writer(tmp_path).previous_note(3) == 8


def test_a_second_note_before_a_publish_leaves_the_one_that_counts(tmp_path: Path) -> None:
    ring = writer(tmp_path)
    ring.append(event(1).view(np.uint8))
    ring.note(3, 7)
    ring.publish(0)
    for value in (8, 9, 10):
        ring.append(event(1).view(np.uint8))
        ring.note(3, value)
    epoch = ring.epoch
    del ring
    ring = writer(tmp_path)
    assert (ring.previous_epoch, ring.previous_last, ring.previous_note(3)) == (epoch, 1, 7)
