"""The end-to-end benchmark's own arithmetic, and that one broken part takes no other with it."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from feedhandler.demo.latency import BBO_LOG
from feedhandler.demo.rig import RigError
from perf import bench, result
from perf.e2e import load, pipeline, soak, window
from perf.e2e.one_run import Figures
from perf.result import Result


def mark(at: int, cpu: dict[str, float] | None = None) -> window.Mark:
    return window.Mark(at * 10**9, at * 10**9, cpu or {}, {}, 0.0)


def seen(*rows: tuple[int, int, int]) -> dict[str, np.ndarray]:
    key, event, arrival = np.array(rows, np.int64).reshape(-1, 3).T
    return {"keys": np.array(["A|v", "B|v"]), "key": key, "ts_event": event, "arrival": arrival}


def venue(*rows: tuple[int, int]) -> np.ndarray:
    log = np.zeros(len(rows), BBO_LOG)
    log["ts"], log["instrument"] = np.array(rows).T
    return log


S = 10**9


def test_only_changes_intended_inside_the_window_count() -> None:
    log = venue((1 * S, 0), (12 * S, 0), (13 * S, 0), (14 * S, 1), (25 * S, 0))
    deliveries = seen((0, 1 * S, 2 * S), (1, 14 * S, 14 * S + 7), (0, 13 * S, 13 * S + 5), (0, 25 * S, 26 * S))
    found = window.delivered(log, deliveries, ["A", "B"], mark(10), mark(20))
    assert sorted(found.latency_ns.tolist()) == [7, S + 5], (
        "the older of A's two changes is what its delivery is late for"
    )
    assert (found.conflated, found.undelivered) == (1, 0)


def test_a_client_that_came_late_is_no_measurement() -> None:
    with pytest.raises(RigError, match="nothing before the window"):
        window.delivered(venue((12 * S, 0)), seen((0, 12 * S, 12 * S)), ["A", "B"], mark(10), mark(20))


def test_cpu_counts_inside_the_window_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window.psutil, "cpu_count", lambda: 2)
    shares = window.cpu_shares(mark(10, {"a": 5.0, "b": 1.0}), mark(20, {"a": 9.0, "b": 2.0, "late": 1.0}))
    assert shares == pytest.approx({"a": 0.4, "b": 0.1, "late": 0.1, "total": 0.6, "machine": 2.0})


def test_nine_clients_take_fifty_different_symbols_each() -> None:
    symbols = [f"S{i}" for i in range(1000)]
    sets = list(load.symbol_sets(symbols))
    assert [len(set(one)) for one in sets] == [50] * 9
    assert len(set().union(*map(set, sets))) == 450
    assert [len(set(one)) for one in load.symbol_sets(symbols[:20])] == [20] * 9


def figures(**changes: object) -> Figures:
    quantiles = dict.fromkeys(pipeline.QUANTILES, 10.0) | {"count": 1}
    values = {
        "rate": 1e4, "latency_us": dict.fromkeys((*pipeline.STAGES, *pipeline.CONTROLS), quantiles),
        "cpu": {"a": 0.5, "total": 0.5, "machine": 0.6}, "rss_begin": {"a": 10.0}, "rss_end": {"a": 12.0}, "conflated": {"ws": 0.25},
        "lost": {"wire": 0}, "books_checked": 3, "books_differing": 0, "undelivered": 0, "gaps": 0,
    }  # fmt: skip
    return Figures(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "words"),
    [({}, None), ({"lost": {"wire": 2}}, "2 lost at wire"), ({"books_differing": 1}, "1 of 3 books differ"),
     ({"undelivered": 4}, "4 changes never delivered"), ({"gaps": 1}, "1 gaps")],
)  # fmt: skip
def test_what_must_never_be_is_named(changes: dict, words: str | None) -> None:
    found = pipeline.wrong(1e4, [figures(), figures(**changes)])
    assert len(found) == (words is not None)
    assert words is None or found[0].startswith(f"10k run 2: {words}")


def test_above_the_goals_rate_a_drop_towards_the_subscriber_of_everything_is_no_fault() -> None:
    dropped = [figures(lost={"ring": 0, "publisher": 7})]
    assert pipeline.wrong(1e5, dropped) == ["100k run 1: 7 lost at publisher"]
    assert pipeline.wrong(2e5, dropped) == []
    assert pipeline.wrong(2e5, [figures(lost={"ring": 3, "publisher": 7})]) == ["200k run 1: 3 lost at ring"]
    assert "publisher 7" in pipeline.text(2e5, dropped)


def test_every_latency_stands_beside_a_bare_hop_of_the_same_quantile() -> None:
    found = {one.name: one for one in pipeline.results(1e4, [figures(), figures(rate=2e4)])}
    one = found["e2e/10k/source_to_ws/p99"]
    assert (one.peer, one.ratio, len(one.runs)) == ("loopback TCP hop p99", 1.0, 2)
    assert found["e2e/10k/rss_growth/a"].median == 2.0
    assert "goal" not in pipeline.text(1e4, [figures()])
    assert "MISSED" in pipeline.text(1e5, [figures(cpu={"total": 1.8, "machine": 1.9})])
    assert "goal" in pipeline.text(1e5, [figures()])


def test_a_run_that_fails_says_why_and_the_next_rate_still_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(asked: object) -> Figures:
        if asked.rate == 1000:  # type: ignore[attr-defined]
            raise RigError("the venue ended")
        return figures()

    monkeypatch.setattr(pipeline, "run", run)
    out = tmp_path / "r.json"
    assert pipeline.main(["--rates", "1000,2000", "--json", str(out), "--folder", str(tmp_path)]) == 1
    assert "1k run 1 failed: RigError: the venue ended" in capsys.readouterr().err
    names = [one["name"] for one in json.loads(out.read_text())["results"]]
    assert names
    assert all(name.startswith("e2e/2k/") for name in names)


def test_a_part_that_breaks_leaves_the_others(tmp_path: Path) -> None:
    def broken(_options: argparse.Namespace) -> Iterator[Result]:
        yield result.result("half", "ns", ([1.0], []))
        raise RuntimeError("no")

    def good(_options: argparse.Namespace) -> Iterator[Result]:
        yield result.result("whole", "ns", ([1.0], []))

    out = tmp_path / "r.json"
    assert result.run(argparse.Namespace(json=out), (broken, good)) == 1
    assert [one.name for one in result.load(out)] == ["half", "whole"]


def test_the_bench_names_a_module_that_fails(tmp_path: Path) -> None:
    assert bench.step("perf.no_such_module", [], 60, tmp_path) == ([], "exit code 1")


def test_growth_is_a_robust_slope() -> None:
    seconds = [10.0 * i for i in range(10)]
    assert soak.slope_per_minute(seconds, [100 + t / 60 for t in seconds]) == pytest.approx(1.0)
    assert soak.slope_per_minute(seconds, [100.0] * 9 + [500.0]) == 0.0
    assert soak.slope_per_minute([1.0], [1.0]) == 0.0
