"""What docs/reading.md says: its Python runs on a real ring, its frames hold the records."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from feedhandler.tick import TICK, Kind
from tests.support.rings import Ring

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reading.md").read_text()
PYTHON = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
EXPECTED = [
    r"4 records, 2 trades\n$",
    r"True \[1\.  1\.5 2\. \]\n$",
    r"turnover 0\.0\n$",
    r"4\n$",
    r"1 passed, 3 did not\n$",
    r"(handler1 \d+ \d\n){4}derived \d+ 1\n$",
    r"4 records\n$",
    r"(?s).*instrument.*price",
    r"(?s)instrument\n1 +1\.5\n2 +2\.0\n9 +3\.0",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ring = Ring(tmp_path, "handler1")
    ring.publish(1.0, 1.5, instrument=1, ts_recv=1)
    ring.publish(2.0, instrument=2, kind=Kind.TRADE, ts_recv=2)
    ring.publish(3.0, instrument=9, kind=Kind.TRADE, ts_recv=3)
    derived = Ring(tmp_path, "derived")
    derived.publish(0.0, ts_recv=4)
    return tmp_path


@pytest.mark.parametrize(("number", "expected"), list(enumerate(EXPECTED)))
def test_the_python_of_the_page_runs(folder: Path, number: int, expected: str) -> None:
    program = PYTHON[number].replace("/dev/shm/feedhandler-example", str(folder))
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(program, f"docs/reading.md block {number}", "exec"), {"__name__": "page"})
    assert re.match(expected, said.getvalue()), said.getvalue()


def test_every_block_is_run() -> None:
    assert len(PYTHON) == len(EXPECTED)


@pytest.fixture
def records() -> np.ndarray:
    made = np.zeros(3, TICK)
    made["seq"], made["price"], made["flags"], made["ref"] = [1, 2, 3], [0.5, np.nan, -1.0], [0, 64, 128], (1 << 64) - 1
    return made


@pytest.mark.parametrize("library", [pl, pd], ids=["polars", "pandas"])
def test_frames_hold_every_field_and_outlive_the_batch(records: np.ndarray, library) -> None:
    expression = re.search(rf"^frame = ({library.__name__}\.DataFrame\(.*\))$", PAGE, re.MULTILINE)
    assert expression is not None

    class Once:
        """A reader with one batch, whose memory it uses again."""

        def read(self, timeout: float) -> "Once":
            self.records = records
            return self

    frame = eval(expression[1], {library.__name__: library, "reader": Once()})
    expected = {name: records[name].copy() for name in TICK.names}
    records[:] = 0
    assert list(frame.columns) == list(TICK.names)
    for name, column in expected.items():
        np.testing.assert_array_equal(frame[name].to_numpy(), column)
