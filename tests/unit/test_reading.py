"""The Python reader: what a read gives and where it lies, waiting, signals, losses, restarts, borrowed records."""

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from feedhandler import _native
from feedhandler.errors import LostError, SegmentDamagedError, SegmentVersionError
from feedhandler.ring import Attach, Reader
from feedhandler.tick import TICK, Kind
from tests.support.rings import GUARD_S, Ring, meanwhile


@pytest.fixture
def ring(tmp_path: Path) -> Ring:
    return Ring(tmp_path)


# What a read gives, and where it lies.


def test_a_reader_starts_where_it_was_made(ring: Ring) -> None:
    ring.publish(1.0)
    reader, oldest = Reader(ring.folder, "r"), Reader(ring.folder, "r", from_oldest=True)
    ring.publish(2.0)
    assert reader.read().records["price"].tolist() == [2.0]
    assert oldest.read().records["price"].tolist() == [1.0, 2.0]


def test_a_reader_that_came_first_reads_a_ring_from_its_first_record(tmp_path: Path) -> None:
    reader = Reader(tmp_path, "r")
    assert len(reader.read().records) == 0
    ring = Ring(tmp_path)
    ring.publish(1.0)
    assert reader.read(timeout=GUARD_S).records["price"].tolist() == [1.0]


def test_an_empty_read_allocates_nothing(ring: Ring) -> None:
    reader = Reader(ring.folder, "r")
    reader.read()
    gc.collect()
    first = reader.read()
    before = sys.getallocatedblocks()
    for _ in range(1000):
        reader.read()
    assert sys.getallocatedblocks() - before < 50
    assert reader.read() is first
    assert (first.records.dtype, len(first.records), first.lost, first.filtered) == (TICK, 0, 0, 0)


def test_reads_without_out_lie_in_the_readers_memory(ring: Ring) -> None:
    reader = Reader(ring.folder, "r", max_records=8)
    ring.publish(1.0, 2.0)
    records = reader.read().records
    kept = records.copy()
    ring.publish(3.0, 4.0)
    reader.read()
    assert records["price"].tolist() == [3.0, 4.0]
    assert kept["price"].tolist() == [1.0, 2.0]


def test_out_takes_the_records_and_is_what_comes_back(ring: Ring) -> None:
    reader = Reader(ring.folder, "r")
    out = np.zeros(2, TICK)
    ring.publish(1.0, 2.0)
    ring.publish(3.0)
    assert reader.read(out).records is out
    part = reader.read(out).records
    assert part.base is out
    assert (part["price"].tolist(), out["price"].tolist()) == ([3.0], [3.0, 2.0])


@pytest.mark.parametrize(
    ("out", "error"),
    [
        (np.zeros(4, np.uint8), ValueError),
        (np.zeros((2, 2), TICK), ValueError),
        (np.zeros(4, TICK)[::2], (ValueError, BufferError)),
        (np.zeros(0, TICK), ValueError),
        (np.frombuffer(bytes(256), TICK), (ValueError, BufferError)),
        (np.zeros(4 * 64 + 1, np.uint8)[1:].view(TICK), ValueError),
        ([1, 2], TypeError),
    ],
)
def test_what_cannot_take_records_is_refused_and_nothing_is_lost(ring: Ring, out, error) -> None:
    reader = Reader(ring.folder, "r")
    ring.publish(1.0)
    with pytest.raises(error):
        reader.read(out)
    assert reader.read().records["price"].tolist() == [1.0]


def test_max_is_a_bound_and_a_longer_event_comes_in_parts(ring: Ring) -> None:
    reader = Reader(ring.folder, "r")
    ring.publish(1.0, 2.0)
    ring.publish(3.0, 4.0, 5.0)
    found = [
        reader.read(max=3).records["price"].tolist(),
        *(reader.read(max=2).records["price"].tolist() for _ in "ab"),
    ]
    assert found == [[1.0, 2.0], [3.0, 4.0], [5.0]]
    for bad in (0, -1):
        with pytest.raises(ValueError, match="max"):
            reader.read(max=bad)


def test_batches_end_when_none_comes(ring: Ring) -> None:
    reader = Reader(ring.folder, "r")
    for price in range(5):
        ring.publish(float(price), float(price))
    assert [len(batch.records) for batch in reader.batches(max=4, timeout=0.0)] == [4, 4, 2]


# Waiting.


def test_a_parked_read_is_woken_by_a_record(ring: Ring) -> None:
    reader = Reader(ring.folder, "r")

    def write() -> None:
        ring.await_parked()
        ring.publish(7.0)

    thread = meanwhile(write)
    assert reader.read(timeout=None).records["price"].tolist() == [7.0]
    thread.join()


def test_other_threads_run_while_one_reads_for_ever(ring: Ring) -> None:
    # The writer is a thread of the same process: it can publish only if the reader has let go of the GIL.
    test_a_parked_read_is_woken_by_a_record(ring)


@pytest.mark.parametrize("timeout", [0, 0.0, -1, 1e-6, 0.001])
def test_a_timeout_ends_with_an_empty_batch(ring: Ring, timeout: float) -> None:
    assert len(Reader(ring.folder, "r").read(timeout=timeout).records) == 0


@pytest.mark.parametrize("timeout", [float("nan"), "soon"])
def test_a_timeout_is_a_number_of_seconds(ring: Ring, timeout: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        Reader(ring.folder, "r").read(timeout=timeout)


class SignalError(Exception):
    """What the test's signal handler raises."""


@pytest.fixture
def interrupting() -> Iterator[None]:
    def handler(*_: object) -> None:
        raise SignalError

    before = signal.signal(signal.SIGUSR1, handler)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("interrupting")
@pytest.mark.parametrize("call", [lambda r: r.read(timeout=None), lambda r: r.wait(1 << 60)], ids=["read", "wait"])
def test_a_signal_ends_a_wait_and_the_reader_goes_on(ring: Ring, call) -> None:
    reader = Reader(ring.folder, "r")

    def interrupt() -> None:
        ring.await_parked()
        os.kill(os.getpid(), signal.SIGUSR1)

    thread = meanwhile(interrupt)
    with pytest.raises(SignalError):
        call(reader)
    thread.join()
    ring.publish(1.0)
    assert reader.read().records["price"].tolist() == [1.0]


def test_two_threads_cannot_read_with_one_reader(ring: Ring) -> None:
    reader = Reader(ring.folder, "r")
    thread = meanwhile(lambda: reader.read(timeout=None))
    ring.await_parked()
    for call in (reader.read, reader.view, reader.attach, reader.follow, reader.fileno, lambda: reader.wait(0)):
        with pytest.raises(RuntimeError, match="another thread"):
            call()
    ring.publish(1.0)
    thread.join()


# Losses and restarts.


def test_a_loss_is_raised_once_and_the_next_read_goes_on(ring: Ring) -> None:
    reader = Reader(ring.folder, "r")
    ring.lap()
    with pytest.raises(LostError, match=r"r: lost \d+ records") as loss:
        reader.read()
    assert not loss.value.epochs_gone
    assert loss.value.by_ring == {"r": loss.value.lost}
    read = sum(len(batch.records) for batch in reader.batches(timeout=0.0))
    assert (loss.value.lost + read, reader.lost, reader.laps) == (ring.writer.published, loss.value.lost, 1)


def test_losses_can_be_counted_instead(ring: Ring) -> None:
    reader = Reader(ring.folder, "r", losses="count")
    ring.lap()
    batch = reader.read()
    assert len(batch.records) == 0
    assert batch.lost == reader.lost > 0
    with pytest.raises(ValueError, match="losses"):
        Reader(ring.folder, "r", losses="ignore")


def test_a_loss_does_not_end_an_iteration(ring: Ring) -> None:
    reader = Reader(ring.folder, "r")
    ring.lap()
    batches = reader.batches(timeout=0.0)
    with pytest.raises(LostError):
        next(batches)
    assert len(next(batches).records) > 0


def test_restarts_are_followed_by_reads_and_lose_nothing(ring: Ring) -> None:
    reader = Reader(ring.folder, "r")
    seen, epochs = [], [ring.writer.epoch]
    for price in range(4):
        ring.publish(float(price))
        epochs.append(ring.restart())
    while len(seen) < 4:
        batch = reader.read(timeout=GUARD_S)
        seen += [(reader.epoch, *row) for row in batch.records[["seq", "price"]].tolist()]
    assert seen == [(epoch, 1, float(i)) for i, epoch in enumerate(epochs[:-1])]
    assert (reader.lost, reader.epochs_gone) == (0, 0)


def test_epochs_that_are_gone_are_said_to_be(ring: Ring) -> None:
    reader = Reader(ring.folder, "r")
    gone = ring.restart()
    ring.publish(1.0)
    ring.restart()
    (ring.folder / f"r.{gone}").unlink()
    ring.publish(2.0)
    with pytest.raises(LostError, match="lost at least 1 ") as loss:
        reader.read(timeout=GUARD_S)
    assert (loss.value.epochs_gone, reader.epochs_gone) == (True, 1)
    assert reader.read(timeout=GUARD_S).records["price"].tolist() == [2.0]


def test_an_epoch_of_another_version_stops_the_reader_with_its_error(ring: Ring) -> None:
    reader = Reader(ring.folder, "r")
    path = ring.folder / f"r.{ring.restart()}"
    with path.open("r+b") as file:
        file.seek(8)
        file.write((77).to_bytes(4, "little"))
    for _ in range(2):
        with pytest.raises(SegmentVersionError, match="77"):
            reader.read(timeout=GUARD_S)


def test_a_damaged_ring_is_refused_by_the_read(tmp_path: Path) -> None:
    (tmp_path / "r.5").write_bytes(bytes(8192))
    reader = Reader(tmp_path, "r")
    with pytest.raises(SegmentDamagedError):
        reader.read()
    assert Reader(tmp_path, "r", follow=False).attach() == Attach.DAMAGED


# Borrowed records.


def test_a_view_outlives_what_the_reader_does(ring: Ring) -> None:
    reader = Reader(ring.folder, "r")
    ring.publish(1.0, 2.0)
    first, records = reader.view()
    reader.advance(2)
    for _ in range(5):
        epoch = ring.restart()
    assert not list(ring.folder.glob(f"r.{reader.epoch}")), "its file is unlinked"
    ring.publish(3.0)
    with pytest.raises(LostError):
        reader.read(timeout=GUARD_S)
    while reader.epoch != epoch:
        reader.read(timeout=0.01)
    assert not reader.still_valid(first), "it speaks of another epoch"
    with pytest.raises(ValueError, match="last view"):
        reader.advance(0)
    del reader
    gc.collect()
    assert records["price"].tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        records["price"] = 0


def test_a_native_view_outlives_a_new_attach_too(ring: Ring) -> None:
    reader = _native.RingReader(str(ring.folder), "r")
    reader.attach()
    ring.publish(1.0)
    view = reader.view(10)
    assert "r." in _mapped(ring.folder)
    for _ in range(5):
        ring.restart()
    reader.attach()
    assert view.view(TICK)["price"].tolist() == [1.0]
    mapped = _mapped(ring.folder)
    del view
    assert len(_mapped(ring.folder)) < len(mapped), "and not longer than it is held"


def _mapped(folder: Path) -> str:
    return "\n".join(line for line in Path("/proc/self/maps").read_text().splitlines() if str(folder) in line)


def test_advance_goes_over_borrowed_records_only(ring: Ring) -> None:
    reader = Reader(ring.folder, "r")
    ring.publish(1.0, 2.0)
    _, records = reader.view()
    with pytest.raises(ValueError, match="last view"):
        reader.advance(len(records) + 1)
    reader.advance(1)
    assert reader.read().records["price"].tolist() == [2.0]
    with pytest.raises(ValueError, match="last view"):
        reader.advance(1)


def test_a_view_that_was_overtaken_is_followed_by_a_read_that_says_so(ring: Ring) -> None:
    reader = Reader(ring.folder, "r")
    ring.publish(1.0)
    first, _ = reader.view()
    ring.lap()
    assert not reader.still_valid(first)
    with pytest.raises(LostError):
        reader.read()


def test_a_filtered_reader_lends_nothing(ring: Ring) -> None:
    reader = Reader(ring.folder, "r", kinds=[Kind.TRADE])
    with pytest.raises(ValueError, match="filter"):
        reader.view()
    reader.filter()
    reader.view()


# Filters (against a plain model: tests/property/test_ring_filters.py).


def test_a_filter_counts_what_it_passes_over(ring: Ring) -> None:
    reader = Reader(ring.folder, "r", instruments=[2], kinds=[Kind.TRADE])
    ring.publish(1.0, instrument=1, kind=Kind.TRADE)
    ring.publish(2.0, instrument=2, kind=Kind.TRADE)
    ring.publish(3.0, instrument=2)
    batch = reader.read()
    assert (batch.records["price"].tolist(), batch.filtered) == ([2.0], 2)
    ring.publish(4.0)
    batch = reader.read()
    assert (len(batch.records), batch.filtered, reader.filtered) == (0, 1, 3)


def test_ids_that_nobody_has_are_refused(ring: Ring) -> None:
    with pytest.raises(ValueError, match="instrument ids are below"):
        Reader(ring.folder, "r", instruments=[1 << 24])
    for kinds in ([-1], [256]):
        with pytest.raises(ValueError, match="below 256"):
            Reader(ring.folder, "r", kinds=kinds)
