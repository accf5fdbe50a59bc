"""Ring to journal: resume, laps, epochs, refusing disks. The judge is what the writer wrote, byte by byte."""

import errno
import os
from typing import Any

import numpy as np
import pytest

from feedhandler.record import segment, tap
from feedhandler.record.format import UNKNOWN_SEQ, JournalError
from feedhandler.record.tap import TapState
from feedhandler.record.verify import verify
from feedhandler.record.writer import RingJournal


def test_everything_published_is_journaled_verbatim(rig: Any) -> None:
    writer = rig.start_writer()
    rig.start_tap()
    for count in (1, 7, 100, 1000):
        rig.send(count)
        assert rig.work() == count
    rig.tap.close(rig.now)
    assert rig.held(writer.epoch) == rig.written(writer.epoch)
    assert verify(rig.journal).problems == []
    sent = np.concatenate(rig.sent[writer.epoch])
    assert rig.tap.journal.stats.ticks == int(np.isin(sent["kind"], (2, 3)).sum())


def test_segments_rotate_and_stay_dense(rig: Any) -> None:
    rig.policy = rig.policy.__class__(segment_bytes=100_000, fsync="block")
    writer = rig.start_writer()
    rig.start_tap()
    for _ in range(10):
        rig.send(997)
        rig.work()
    rig.tap.close(rig.now)
    infos = list(rig.journal.segments())
    assert len(infos) > 5
    assert all(info.closed and info.bytes <= 110_000 for info in infos)
    assert [info.first for info in infos[1:]] == [info.last + 1 for info in infos[:-1]]
    assert rig.held(writer.epoch) == rig.written(writer.epoch)
    assert verify(rig.journal).sound


@pytest.mark.parametrize("closed", [True, False])
def test_a_restart_goes_on_right_behind_the_last_good_record(rig: Any, closed: bool) -> None:
    writer = rig.start_writer()
    rig.start_tap()
    rig.send(500)
    rig.work()
    if closed:
        rig.tap.close(rig.now)
    rig.kill_tap()
    rig.send(500)
    rig.start_tap()
    assert rig.work() == 500
    rig.tap.close(rig.now)
    assert rig.held(writer.epoch) == rig.written(writer.epoch)
    assert verify(rig.journal).sound


def test_a_lap_becomes_a_gap_that_names_exactly_what_is_missing(rig: Any) -> None:
    writer = rig.start_writer()
    rig.start_tap()
    rig.send(100)
    rig.work()
    for _ in range(10):
        rig.send(1000)
    rig.work()
    rig.tap.close(rig.now)
    ((epoch, first, last, reason),) = rig.gaps()
    assert (epoch, first, reason) == (writer.epoch, 101, "LAPPED")
    sent = np.concatenate(rig.sent[writer.epoch])
    kept = sent[(sent["seq"] < first) | (sent["seq"] > last)]
    assert rig.held(writer.epoch) == kept.tobytes()
    assert rig.tap.journal.stats.lost == last - first + 1
    assert verify(rig.journal).sound


def test_a_ring_that_is_missing_or_starting_is_waited_for(rig: Any) -> None:
    rig.start_tap()
    rig.work()
    assert rig.tap.state is TapState.WAITING
    (rig.shm).mkdir(exist_ok=True)
    (rig.shm / "h1.starting").touch()
    rig.work()
    assert rig.tap.state is TapState.WAITING
    (rig.shm / "h1.starting").unlink()
    rig.start_writer()
    rig.send(10)
    assert rig.work() == 10


def test_an_old_epoch_is_drained_before_the_new_one_and_unlinked_later(rig: Any) -> None:
    old = rig.start_writer().epoch
    rig.start_tap()
    rig.send(50)
    rig.work()
    rig.send(60)
    new = rig.start_writer().epoch
    rig.send(70)
    assert rig.work() == 130
    assert (rig.shm / f"h1.{old}").exists()
    rig.now += tap.UNLINK_GRACE_NS
    rig.tap.do_work(rig.now)
    assert not (rig.shm / f"h1.{old}").exists()
    assert (rig.shm / f"h1.{new}").exists()
    rig.tap.close(rig.now)
    assert rig.held(old) == rig.written(old)
    assert rig.held(new) == rig.written(new)
    assert rig.gaps() == []
    assert verify(rig.journal).sound


def test_a_restart_drains_every_epoch_that_came_meanwhile(rig: Any) -> None:
    epochs = [rig.start_writer().epoch]
    rig.start_tap()
    rig.send(50)
    rig.work()
    rig.kill_tap()
    rig.send(5)
    for _ in range(2):
        epochs.append(rig.start_writer().epoch)
        rig.send(33)
    rig.start_tap()
    assert rig.work() == 5 + 33 + 33
    rig.tap.close(rig.now)
    assert [rig.held(e) for e in epochs] == [rig.written(e) for e in epochs]
    assert rig.gaps() == []


def test_the_tail_of_a_vanished_epoch_is_named_by_its_successor(rig: Any) -> None:
    old = rig.start_writer().epoch
    rig.start_tap()
    rig.send(50)
    rig.work()
    rig.kill_tap()
    rig.send(25)
    rig.start_writer()
    (rig.shm / f"h1.{old}").unlink()
    rig.send(5)
    rig.start_tap()
    rig.work()
    rig.tap.close(rig.now)
    assert rig.gaps() == [(old, 51, 75, "EPOCH_GONE")]
    assert rig.tap.journal.stats.lost == 25


def test_a_whole_epoch_that_nobody_saw_is_named(rig: Any) -> None:
    rig.start_writer()
    rig.start_tap()
    rig.send(50)
    rig.work()
    rig.kill_tap()
    unseen = rig.start_writer().epoch
    rig.send(25)
    rig.start_writer()
    (rig.shm / f"h1.{unseen}").unlink()
    rig.send(5)
    rig.start_tap()
    rig.work()
    rig.tap.close(rig.now)
    assert rig.gaps() == [(unseen, 1, 25, "EPOCH_GONE")]
    assert verify(rig.journal).sound


def test_what_nobody_can_know_is_an_unknown_gap_and_not_a_zero(rig: Any) -> None:
    old = rig.start_writer().epoch
    rig.start_tap()
    rig.send(50)
    rig.work()
    rig.kill_tap()
    rig.writer = None
    (rig.shm / f"h1.{old}").unlink()  # as a reboot leaves it
    rig.start_writer()
    rig.send(5)
    rig.start_tap()
    rig.work()
    assert rig.gaps() == [(old, 51, UNKNOWN_SEQ, "EPOCH_GONE")]


def test_a_reboot_after_a_clean_end_loses_nothing(rig: Any) -> None:
    old = rig.start_writer().epoch
    rig.start_tap()
    rig.send(50)
    rig.work()
    rig.writer = None
    rig.tap.close(rig.now)
    (rig.shm / f"h1.{old}").unlink()
    new = rig.start_writer().epoch
    rig.send(5)
    rig.start_tap()
    rig.work()
    assert rig.gaps() == []
    assert rig.held(new) == rig.written(new)


def test_another_layout_version_is_one_log_line_and_a_counter(rig: Any) -> None:
    old = rig.start_writer().epoch
    rig.send(9)
    path = rig.shm / f"h1.{old}"
    with path.open("r+b") as file:
        file.seek(8)
        file.write((99).to_bytes(4, "little"))
    rig.start_tap()
    for _ in range(5):
        rig.now += 1_000_000_000
        rig.tap.do_work(rig.now)
    assert rig.tap.state is TapState.REFUSED
    assert [event for _, event, _ in rig.log] == ["ring cannot be read: not recorded"]
    assert rig.tap.journal.stats.errors == 1
    rig.start_writer()
    rig.send(5)
    assert rig.work() == 5
    assert path.exists()  # what we cannot read is not ours to remove


class FullDisk:
    """os.pwrite of a disk with `room` bytes left: writes what fits, then refuses."""

    def __init__(self, room: int, error: int) -> None:
        self.room, self.error = room, error

    def pwrite(self, fd: int, data: memoryview, offset: int) -> int:
        if self.room <= 0:
            raise OSError(self.error, os.strerror(self.error))
        data = data[: self.room]
        self.room -= len(data)
        return self.real(fd, data, offset)

    real = staticmethod(os.pwrite)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("room", [0, 10, 64, 200, 6399])
def test_a_full_disk_stops_at_a_block_and_goes_on_later(
    rig: Any, monkeypatch: pytest.MonkeyPatch, error: int, room: int
) -> None:
    writer = rig.start_writer()
    rig.start_tap()
    rig.send(100)
    rig.work()
    disk = FullDisk(room, error)
    monkeypatch.setattr(segment.os, "pwrite", disk.pwrite)
    rig.send(100)
    for _ in range(3):
        rig.now += 1_000_000_000
        assert rig.tap.do_work(rig.now) == 0
    assert rig.tap.state is TapState.STOPPED
    assert rig.tap.journal.stats.errors == 3
    assert [event for level, event, _ in rig.log if level == "error"] == ["journal stopped: the disk refuses"]
    report = verify(rig.journal)
    assert (report.records, report.problems, report.notes) == (100, [], [])
    rig.send(100)
    disk.room = 1 << 40
    assert rig.work() == 200
    assert rig.tap.state is TapState.RECORDING
    rig.tap.close(rig.now)
    assert rig.held(writer.epoch) == rig.written(writer.epoch)
    assert rig.gaps() == []


def test_what_is_overwritten_while_the_disk_is_full_is_named(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = rig.start_writer()
    rig.start_tap()
    rig.send(100)
    rig.work()
    disk = FullDisk(0, errno.ENOSPC)
    monkeypatch.setattr(segment.os, "pwrite", disk.pwrite)
    for _ in range(10):
        rig.send(1000)
        rig.now += 1_000_000_000
        rig.tap.do_work(rig.now)
    disk.room = 1 << 40
    rig.work()
    rig.tap.close(rig.now)
    ((_, first, last, reason),) = rig.gaps()
    sent = np.concatenate(rig.sent[writer.epoch])
    kept = sent[(sent["seq"] < first) | (sent["seq"] > last)]
    assert reason == "LAPPED"
    assert rig.held(writer.epoch) == kept.tobytes()
    assert verify(rig.journal).sound


def test_a_disk_that_cannot_even_make_a_segment_is_survived(rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = rig.start_writer()
    disk = FullDisk(0, errno.ENOSPC)
    monkeypatch.setattr(segment.os, "pwrite", disk.pwrite)
    rig.start_tap()
    rig.send(100)
    rig.tap.do_work(rig.now)  # attaches
    for room in (0, 100, 4096, 4100, 4200):
        disk.room = room
        rig.now += 1_000_000_000
        rig.tap.do_work(rig.now)
        assert rig.tap.state is TapState.STOPPED, room
    disk.room = 1 << 40
    assert rig.work() == 100
    assert rig.held(writer.epoch) == rig.written(writer.epoch)
    assert verify(rig.journal).sound


def test_a_hole_in_the_seqs_of_a_ring_is_refused(rig: Any) -> None:
    rig.start_writer()
    rig.start_tap()
    records = rig.send(10)
    journal = RingJournal(rig.root, "other", rig.policy, rig.tap.journal.names)
    journal.begin_epoch(1, 0, 0)
    with pytest.raises(JournalError, match="does not follow"):
        journal.append_records(np.zeros(64 + records[1:].nbytes, np.uint8), records[1:], 0)
