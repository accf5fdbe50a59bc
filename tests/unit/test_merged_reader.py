"""Several rings in one call: order, which ring, losses, restarts, filters. The merge itself: ring_merge_test.cpp."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedhandler.errors import LostError, SegmentVersionError
from feedhandler.ring import Attach, MergedReader
from feedhandler.tick import TICK, Kind
from tests.support.rings import GUARD_S, Ring

NAMES = ["a", "b", "c"]


@pytest.fixture
def rings(tmp_path: Path) -> list[Ring]:
    return [Ring(tmp_path, name) for name in NAMES]


@settings(max_examples=60, deadline=None)
@given(
    given_times=st.lists(st.lists(st.integers(1, 50), max_size=40).map(sorted), min_size=3, max_size=3),
    most=st.integers(1, 40),
    into=st.booleans(),
)
def test_all_rings_come_in_one_order(tmp_path_factory, given_times: list[list[int]], most: int, into: bool) -> None:
    folder = tmp_path_factory.mktemp("merge")
    rings = [Ring(folder, name) for name in NAMES]
    reader = MergedReader(folder, NAMES, bound_s=0.0, max_records=64)
    for ring, ts in zip(rings, given_times, strict=True):
        for time in ts:
            ring.publish(0.0, ts_recv=time)
    found = []
    out = np.zeros(40, TICK) if into else None
    while len((batch := reader.read(out, max=most)).records):
        assert len(batch.records) == len(batch.rings) <= most
        found += list(
            zip(batch.records["ts_recv"].tolist(), batch.rings.tolist(), batch.records["seq"].tolist(), strict=True)
        )
        assert (batch.lost, batch.late) == (0, 0)
    expected = [(time, i, seq) for i, ts in enumerate(given_times) for seq, time in enumerate(ts, 1)]
    assert found == sorted(expected)


def test_a_loss_is_raised_before_what_came_with_it(rings: list[Ring], tmp_path: Path) -> None:
    reader = MergedReader(tmp_path, NAMES, bound_s=0.0)
    rings[0].publish(1.0, ts_recv=1)
    rings[1].lap()
    with pytest.raises(LostError) as loss:
        reader.read()
    assert loss.value.by_ring == {"b": loss.value.lost}
    assert (loss.value.ring, reader.lost) == ("b", loss.value.lost)
    first = reader.read(np.zeros(1, TICK), max=1)
    assert (first.records["price"].tolist(), first.rings.tolist()) == ([1.0], [0])
    read = sum(len(batch.records) for batch in reader.batches(timeout=0.0))
    assert read + loss.value.lost == rings[1].writer.published


def test_counted_losses_come_with_their_batch(rings: list[Ring], tmp_path: Path) -> None:
    reader = MergedReader(tmp_path, NAMES, bound_s=0.0, losses="count")
    rings[0].publish(1.0, ts_recv=1)
    rings[1].lap()
    batches = list(reader.batches(timeout=0.0))
    total = sum(len(batch.records) + batch.lost for batch in batches)
    assert total == 1 + rings[1].writer.published
    assert sum(batch.lost for batch in batches) == reader.lost > 0


def test_filters_hold_for_all(rings: list[Ring], tmp_path: Path) -> None:
    reader = MergedReader(tmp_path, NAMES, bound_s=0.0, instruments=[2], kinds=[Kind.TRADE])
    for i, ring in enumerate(rings):
        ring.publish(1.0, instrument=1, kind=Kind.TRADE, ts_recv=i)
        ring.publish(2.0 + i, instrument=2, kind=Kind.TRADE, ts_recv=i)
    batches = list(reader.batches(timeout=0.0))
    assert [price for batch in batches for price in batch.records["price"].tolist()] == [2.0, 3.0, 4.0]
    assert reader.filtered == 3


def test_restarts_are_followed(rings: list[Ring], tmp_path: Path) -> None:
    reader = MergedReader(tmp_path, NAMES, bound_s=0.0)
    rings[2].publish(1.0, ts_recv=1)
    epoch = rings[2].restart()
    rings[2].publish(2.0, ts_recv=2)
    prices: list[float] = []
    while len(prices) < 2:
        prices += reader.read(timeout=GUARD_S).records["price"].tolist()
    assert (prices, reader.restarts, reader.epochs[2]) == ([1.0, 2.0], 1, epoch)
    assert set(reader.states) <= {Attach.OK, Attach.STALLED}


def test_a_ring_that_cannot_be_read_is_not_passed_over(rings: list[Ring], tmp_path: Path) -> None:
    with (tmp_path / f"b.{rings[1].writer.epoch}").open("r+b") as file:
        file.seek(8)
        file.write((77).to_bytes(4, "little"))
    reader = MergedReader(tmp_path, NAMES)
    rings[0].publish(1.0)
    with pytest.raises(SegmentVersionError):
        reader.read()


def test_an_empty_read_is_always_the_same(rings: list[Ring], tmp_path: Path) -> None:
    reader = MergedReader(tmp_path, NAMES)
    reader.read()
    assert reader.read() is reader.read()


@pytest.mark.parametrize("names", [[], ["a"] * 65])
def test_one_to_64_rings(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(ValueError, match="1 to 64 rings"):
        MergedReader(tmp_path, names)
