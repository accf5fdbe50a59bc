"""Only what exceeds the error bars is flagged."""

import json
from pathlib import Path

import pytest

from perf import compare
from perf.compare import Verdict
from perf.result import Result, document, in_turns, load, result


def figure(*runs: float, name: str = "x", unit: str = "ns") -> Result:
    return result(name, unit, (list(runs), []))


def verdicts(base: list[Result], new: list[Result]) -> list[Verdict]:
    return [one.verdict for one in compare.compare(base, new)]


@pytest.mark.parametrize(
    ("base", "new", "unit", "expected"),
    [
        ((100, 101, 99, 100, 100), (120, 121, 119, 120, 120), "ns", Verdict.WORSE),
        ((100, 101, 99, 100, 100), (80, 81, 79, 80, 80), "ns", Verdict.BETTER),
        ((100, 101, 99, 100, 100), (80, 81, 79, 80, 80), "records/s", Verdict.WORSE),
        ((100, 101, 99, 100, 100), (120, 121, 119, 120, 120), "records/s", Verdict.BETTER),
        ((100, 100, 100), (104, 104, 104), "ns", Verdict.SAME),
        ((100, 80, 120, 90, 110), (115, 135, 95, 125, 105), "ns", Verdict.SAME),
        ((100,), (120,), "ns", Verdict.SAME),
        ((100,), (130,), "ns", Verdict.WORSE),
        ((0, 0, 0), (0, 0, 0), "lost", Verdict.SAME),
        ((0, 0, 0), (1, 1, 1), "lost", Verdict.WORSE),
    ],
)
def test_a_change_counts_beyond_floor_and_scatter(base: tuple, new: tuple, unit: str, expected: Verdict) -> None:
    assert verdicts([figure(*base, unit=unit)], [figure(*new, unit=unit)]) == [expected]


def test_what_is_no_longer_measured_is_gone_and_what_is_new_is_no_fault() -> None:
    assert verdicts([figure(1, name="a")], [figure(1, name="b")]) == [Verdict.GONE, Verdict.NEW]
    assert verdicts([figure(name="a")], [figure(1, name="a")]) == [Verdict.NEW]


def write(path: Path, *results: Result) -> str:
    path.write_text(json.dumps(document(results)))
    return str(path)


def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = write(tmp_path / "a", figure(100, 100, 100))
    worse = write(tmp_path / "b", figure(200, 200, 200))
    assert compare.main([base, base]) == 0
    assert compare.main([base, worse]) == 1
    assert "WORSE  x: 100 -> 200 ns +100.0%" in capsys.readouterr().out
    assert compare.main([worse, base]) == 0
    assert compare.main([base, write(tmp_path / "c")]) == 1
    (tmp_path / "d").write_text("{}")
    assert compare.main([base, str(tmp_path / "d")]) == 2
    assert compare.main([base, str(tmp_path / "missing")]) == 2


def test_a_document_has_exactly_the_agreed_keys(tmp_path: Path) -> None:
    one = result("a", "ns", ([2.0, 4.0, 3.0], [9.0]), "b", ([6.0], []))
    path = Path(write(tmp_path / "r", one))
    read = json.loads(path.read_text())
    assert set(read) == {"machine", "commit", "results"}
    assert read["results"] == [
        {"name": "a", "unit": "ns", "median": 3.0, "p99": 9.0, "runs": [2.0, 4.0, 3.0], "peer": "b", "peer_median": 6.0, "ratio": 0.5}
    ]  # fmt: skip
    assert load(path) == [one]


def test_a_count_of_runs_stands_for_one_figure(tmp_path: Path) -> None:
    row = {
        "name": "a",
        "unit": "ns",
        "median": 3.0,
        "p99": None,
        "runs": 1,
        "peer": None,
        "peer_median": None,
        "ratio": None,
    }
    (tmp_path / "r").write_text(json.dumps({"results": [row]}))
    assert load(tmp_path / "r")[0].runs == [3.0]


def test_contenders_take_turns() -> None:
    calls: list[str] = []
    found = in_turns(2, 3, {"a": (lambda: calls.append("a"), 1), "b": (lambda: calls.append("b"), 10)})
    assert "".join(calls) == "ab" + "aaabbb" * 2
    assert [len(found[name][0]) for name in "ab"] == [2, 2]
