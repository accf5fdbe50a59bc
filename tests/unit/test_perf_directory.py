"""The directory's benchmark runs whole, at small sizes, and every lookup stands beside its peer."""

import json
from pathlib import Path

import pytest

from perf.micro import directory, native


def test_every_figure_of_the_directory_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def small(name: str, runs: str) -> tuple:
        assert (name, runs) == ("directory_bench", "1")
        return {figure: ([10.0], [20.0]) for figure in ["add_many", "open", "find", "of_symbol", "map", "get"]}, []

    monkeypatch.setattr(native, "run", small)
    for name, size in {"COUNT": 100, "SINGLE": 10, "CHUNKS": 2}.items():
        monkeypatch.setattr(directory, name, size)
    out = tmp_path / "directory.json"
    assert directory.main(["--runs", "1", "--json", str(out)]) == 0
    rows = {row["name"]: row for row in json.loads(out.read_text())["results"]}
    names = ["add_many", "open", "find", "of_symbol", "get"]
    python_names = ["add", "add_many", "find", "of_symbol", "get"]
    assert list(rows) == [f"directory/{n}" for n in names] + [f"directory/python_{n}" for n in python_names]
    assert {n for n, row in rows.items() if row["peer"] is None} == {
        f"directory/{n}" for n in ("add_many", "open", "get")
    }
    assert all(row["median"] > 0 and len(row["runs"]) == 1 for row in rows.values())
