"""Counters and the shared clock."""

from pathlib import Path

import pytest

from feedhandler.clock import Clock, now_ns
from feedhandler.counters import Counter, Counters, read_all, read_file
from feedhandler.errors import SegmentDamagedError


def test_counters_are_read_by_other_processes(tmp_path: Path) -> None:
    counters = Counters(tmp_path, "handler1")
    counters.add(Counter.FIX_TICKS, 5, slot=3)
    counters.add(Counter.FIX_TICKS, 2, slot=3)
    counters.set(Counter.BRIDGE_CLIENTS, 4)
    assert counters.get(Counter.FIX_TICKS, 3) == 7
    assert read_all(tmp_path) == {"handler1": {"fix_ticks": {3: 7}, "bridge_clients": {0: 4}}}


def test_a_restarted_process_counts_from_zero(tmp_path: Path) -> None:
    Counters(tmp_path, "p").add(Counter.FIX_TICKS, 5)
    Counters(tmp_path, "p")
    assert read_all(tmp_path) == {"p": {}}


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.counters").write_bytes(b"\0" * 100)
    with pytest.raises(SegmentDamagedError, match="not a counters file: it begins with zeros"):
        read_file(tmp_path / "x.counters")


def test_all_clocks_of_a_host_share_one_offset(tmp_path: Path) -> None:
    first, second = Clock(tmp_path), Clock(tmp_path)
    assert first.offset_ns == second.offset_ns
    before = first.now_ns()
    assert before <= second.now_ns()
    assert abs(now_ns() - before) < 5_000_000_000
