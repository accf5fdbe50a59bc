"""The board's benchmark runs whole, at small sizes, and every figure stands beside its peer."""

import json
from pathlib import Path

import pytest

from perf.micro import board, native


def test_every_figure_of_the_board_is_measured_beside_its_peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def small(name: str, runs: str) -> tuple:
        assert (name, runs) == ("board_bench", "1")
        figures = "write_row read_row read_many read_top copy_in copy_out changes_64 scan_1000 changes_none"
        return {figure: ([10.0], [20.0]) for figure in figures.split()}, []

    monkeypatch.setattr(native, "run", small)
    for name, size in {"ROWS": 90, "CHANGED": 16, "CALLS": 3, "CHUNKS": 2}.items():
        monkeypatch.setattr(board, name, size)
    out = tmp_path / "board.json"
    assert board.main(["--runs", "1", "--json", str(out)]) == 0
    rows = {row["name"]: row for row in json.loads(out.read_text())["results"]}
    native_names = ["write_row", "read_row", "read_many", "read_top", "changes_64", "changes_none"]
    python_names = ["row", "row_and_bid", "table", "read", "rows", "changes_64", "changes_none"]
    assert list(rows) == [f"board/{name}" for name in native_names] + [f"board/python_{name}" for name in python_names]
    assert [name for name, row in rows.items() if row["peer"] is None] == ["board/changes_none"]
    assert all(row["median"] > 0 and len(row["runs"]) == 1 for row in rows.values())
