"""The demo's judges can say no: hand-made cases, and slow plain loops beside the fast ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedhandler.demo import faults, judge, latency
from feedhandler.demo.faults import EARLY_NS, QUIET_NS, Seen
from feedhandler.demo.main import verdict

GOOD = {
    "ticks_sent": 10, "ticks_expected": 10, "ticks_in_ring": 10, "ticks_journaled": 10, "ticks_in_parquet": 10,
    "lost": {"wire": 0, "ring": 0, "journal": 0, "parquet": 0, "conflator": 0, "publisher": 0, "bridge": 0},
    "instruments_miscounted": 0, "books_differing": 0, "differing": {}, "exit_code": 0,
}  # fmt: skip
KILL = {"process": "bridge", "differing_after_2s": 0}
STAGES = list(GOOD["lost"])


def test_a_good_run_has_nothing_wrong() -> None:
    assert verdict(GOOD) == []
    assert verdict(GOOD | {"kills": [KILL]}) == []


@pytest.mark.parametrize("stage", STAGES)
def test_one_tick_lost_at_any_stage_is_wrong(stage: str) -> None:
    bad = GOOD | {"lost": GOOD["lost"] | {stage: 1}}
    assert verdict(bad) == [f"1 lost at stage {stage}"]
    assert len(verdict(bad | {"kills": [KILL]})) == (stage not in ("publisher", "bridge"))


@pytest.mark.parametrize("name", ["ticks_expected", "ticks_in_ring", "ticks_journaled", "ticks_in_parquet"])
def test_counts_that_differ_are_wrong(name: str) -> None:
    assert len(verdict(GOOD | {name: 11})) == 1
    assert len(verdict(GOOD | {name: 11, "kills": [KILL]})) == 1


def test_what_the_venue_cut_is_expected_after_a_kill_only() -> None:
    cut = dict.fromkeys(("ticks_expected", "ticks_in_ring", "ticks_journaled", "ticks_in_parquet"), 12)
    assert verdict(GOOD | cut | {"kills": [KILL]}) == []
    assert len(verdict(GOOD | cut)) == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"books_differing": 1},
        {"exit_code": 1},
        {"instruments_miscounted": 1},
        {"kills": [KILL | {"differing_after_2s": 1}]},
        {"kills": [KILL | {"differing_after_2s": None}]},
        dict.fromkeys((name for name in GOOD if name.startswith("ticks_")), 0),
    ],
)
def test_anything_else_that_is_wrong_is_said(bad: dict) -> None:
    assert len(verdict(GOOD | bad)) == 1


TRUTH = {"A": ([[9.0, 1.0], [8.0, 2.0]], [[10.0, 1.0]]), "B": ([], [])}


@pytest.mark.parametrize(
    ("books", "wrong"),
    [
        (TRUTH, []),
        ({"A": TRUTH["A"]}, []),  # B is empty: nothing to miss
        ({}, ["A"]),
        ({"A": ([[9.0, 1.0], [8.0, 2.5]], [[10.0, 1.0]])}, ["A"]),
        ({"A": ([[9.0, 1.0]], [[10.0, 1.0]])}, ["A"]),
        ({"A": ([[9.0, 1.0], [8.0, 2.0], [7.0, 1.0]], [[10.0, 1.0]])}, ["A"]),
        ({"A": ([[8.0, 2.0], [9.0, 1.0]], [[10.0, 1.0]])}, ["A"]),
        (TRUTH | {"B": ([[1.0, 1.0]], [])}, ["B"]),
        (TRUTH | {"C": ([], [])}, ["C"]),
    ],
)
def test_books_that_differ_are_named(books: dict, wrong: list[str]) -> None:
    assert judge.differing(books, TRUTH, 3) == wrong


def test_only_the_depth_asked_for_counts() -> None:
    assert judge.differing({"A": ([[9.0, 1.0]], [[10.0, 1.0]])}, TRUTH, 1) == []


def test_best_prices_that_differ_are_named() -> None:
    row, none = [9.0, 1.0, 10.0, 1.0], [np.nan] * 4
    assert judge.differing_bbos(["A|v", "B|v"], np.array([row, none]), TRUTH) == []
    assert judge.differing_bbos(["A|v"], np.array([row]), TRUTH) == []
    assert judge.differing_bbos([], np.zeros((0, 4)), TRUTH) == ["A"]
    assert judge.differing_bbos(["A|v", "B|v"], np.array([row, row]), TRUTH) == ["B"]
    for column in range(4):
        changed = [value + (i == column) for i, value in enumerate(row)]
        assert judge.differing_bbos(["A|v"], np.array([changed]), TRUTH) == ["A"]


# ---- latency ----

CHANGES = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 2)), max_size=30)
DELIVERIES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 50), st.integers(0, 30)), max_size=30)


def log_of(rows: list[tuple]) -> np.ndarray:
    """Rows: (ts, instrument[, bid]) in the venue's order."""
    log = np.zeros(len(rows), latency.BBO_LOG)
    for out, (ts, instrument, *bid) in zip(log, rows, strict=True):
        out["ts"], out["instrument"], out["bid"] = ts, instrument, bid[0] if bid else 0
    return log


def test_a_delivery_answers_for_the_oldest_change_it_brings() -> None:
    log = log_of([(10, 0), (20, 0), (30, 0), (15, 1)])
    found = latency.oldest_undelivered(log, np.array([0, 0, 0]), np.array([20, 20, 30]), np.array([100, 110, 120]))
    assert sorted(found.latency_ns.tolist()) == [90, 90]  # 100 - 10, not 100 - 20; then 120 - 30
    assert (found.conflated, found.undelivered) == (1, 1)


@given(CHANGES, DELIVERIES)
def test_oldest_undelivered_is_what_a_slow_loop_finds(changes: list, deliveries: list) -> None:
    changes = sorted(changes)
    arrivals = np.cumsum([gap for _, _, gap in deliveries], dtype=np.int64)
    waiting: dict[int, list[int]] = {}
    for ts, key in changes:
        waiting.setdefault(key, []).append(ts)
    latencies, conflated = [], 0
    for (key, ts_event, _), arrival in zip(deliveries, arrivals.tolist(), strict=True):
        covered = [ts for ts in waiting.get(key, []) if ts <= ts_event]
        if covered:
            latencies.append(arrival - covered[0])
            conflated += len(covered) - 1
            waiting[key] = waiting[key][len(covered) :]
    columns = (np.array([row[i] for row in deliveries], np.int64) for i in (0, 1))
    found = latency.oldest_undelivered(log_of(changes), *columns, arrivals)
    assert sorted(found.latency_ns.tolist()) == sorted(latencies)
    assert (found.conflated, found.undelivered) == (conflated, sum(map(len, waiting.values())))


def test_quantiles_are_values_that_occurred() -> None:
    found = latency.summary_us(np.arange(1000, 101_000, 1000))
    assert (found["p50"], found["p99"], found["max"], found["count"]) == (51.0, 100.0, 100.0, 100)
    assert latency.summary_us(np.zeros(0, np.int64))["count"] == 0


# ---- staleness after a kill ----

MS = 1_000_000
HISTORY = st.lists(st.tuples(st.integers(1, 400), st.integers(0, 1), st.integers(1, 3)), min_size=1, max_size=12)
HELD = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 60), st.integers(1, 3)), max_size=12)


def seen_of(rows: list[tuple]) -> Seen:
    """Rows: (instrument, arrival, bid), by arrival."""
    values = np.array([(bid, 0, 0, 0) for _, _, bid in rows], float).reshape(-1, 4)
    return Seen(*(np.array([row[i] for row in rows], np.int64) for i in (0, 1)), values)


def stale_at(log: np.ndarray, seen: Seen, moment: int, tolerance: int) -> set[int]:
    """The definition, one instrument and one row at a time."""
    wrong = set()
    for key in set(log["instrument"].tolist()):
        held = [
            v[0]
            for i, at, v in zip(seen.instrument, seen.arrival, seen.values, strict=True)
            if i == key and at <= moment
        ]
        rows = [row for row in log if row["instrument"] == key]
        ends = [*(row["ts"] for row in rows[1:]), moment + 1]
        good = [
            row["bid"] for row, end in zip(rows, ends, strict=True) if row["ts"] - EARLY_NS <= moment < end + tolerance
        ]
        if rows[0]["ts"] + tolerance > moment and not held:
            continue
        wrong |= {key} if not held or held[-1] not in good else set()
    return wrong


@given(HISTORY, HELD, st.integers(0, 500), st.sampled_from([0, 5, 50]))
def test_stale_values_are_what_a_slow_loop_finds(history: list, held: list, moment: int, tolerance: int) -> None:
    log = log_of([(ts * MS, key, bid) for ts, key, bid in sorted(history, key=lambda row: row[0])])
    arrivals = np.cumsum([gap for _, gap, _ in held]).tolist()
    seen = seen_of([(key, int(at) * MS + 500, bid) for (key, _, bid), at in zip(held, arrivals, strict=True)])
    now = moment * MS + 250_000  # off the grid: no tie between an end and a beginning
    expected = stale_at(log, seen, now, tolerance * MS)
    assert set(faults.differing_at(log, seen, now, tolerance * MS)) == expected
    intervals = faults.stale_intervals(log, seen, 0, 600 * MS, tolerance * MS)
    assert any(begin <= now < end for begin, end in intervals) == bool(expected)


def test_recovery_is_the_first_moment_that_stays_quiet() -> None:
    assert faults.recovered_ns([], 100) == 100
    assert faults.recovered_ns([(0, 90)], 100) == 100
    assert faults.recovered_ns([(50, 150), (140, 160)], 100) == 160
    assert faults.recovered_ns([(50, 150), (150 + QUIET_NS - 1, 150 + QUIET_NS + 9)], 100) == 150 + QUIET_NS + 9
    assert faults.recovered_ns([(50, 150), (150 + QUIET_NS, 150 + QUIET_NS + 9)], 100) == 150


def test_an_instrument_that_never_changed_is_judged_by_its_first_book() -> None:
    log = faults.whole_history(TRUTH, log_of([(500 * MS, 1, 7)]))
    right = Seen(np.array([0]), np.array([3]), np.array([[9.0, 1.0, 10.0, 1.0]]))
    assert faults.differing_at(log, right, 400 * MS, MS) == []
    assert faults.differing_at(log, right, 600 * MS, MS) == [1]
    assert faults.differing_at(log, Seen(np.array([0]), np.array([3]), np.zeros((1, 4))), 400 * MS, MS) == [0]
    assert faults.differing_at(log, seen_of([]), 400 * MS, MS) == [0]
