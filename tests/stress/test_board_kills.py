"""The board's writer killed at every named point while others read; every row is whole, or says that it is not."""

import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from feedhandler import _native
from tests.stress.outcomes import Race
from tests.stress.processes import end_of, until

ROWS, DEPTH = 16, 3
UPDATES = 168  # offset of `updates` in a row: the count of its writes
REPORT = np.dtype([
    ("intent", "<u8", (64,)), ("done", "<u8", (64,)), ("whole", "<u8"), ("refused", "<u8"), ("torn", "<u8"),
    ("went_back", "<u8"), ("attached", "<u8"),
])  # fmt: skip

# Point: (passages at which it is tried, what is found of the row that was written, or of the file that was made).
POINTS = {
    "board.created": ((1,), "old_file"),
    "board.ready": ((1,), "old_file"),
    "board.renamed": ((1,), "empty_file"),
    "board.hinted": ((1,), "empty_file"),
    "board.opened": ((1, 2, 40, 1001), "unreadable"),
    "words.stored": ((1, 2, 30, 41, 42, 43, 5000), "unreadable"),
    "board.closed": ((1, 2, 40, 1001), "new_row"),
    "board.logged": ((1, 2, 40, 1001), "new_row"),
    "board.told": ((1, 2, 40, 1001), "new_row"),
}
ALLOWED = {
    "old_file": "killed before the rename: readers have the board before it, row by row",
    "empty_file": "killed behind the rename: a board of no rows",
    "unreadable": "killed inside a row: that row fails to read, all others are whole",
    "new_row": "killed behind a row: it is whole and new",
}
FORBIDDEN = {
    "torn": "words of two writes in one row",
    "another_row": "a row that the writer was not in fails to read, or is not as it was written last",
    "went_back": "an older state of a row behind a newer one",
}


class Board:
    def __init__(self, programs: Path) -> None:
        self.programs, self.runs = programs, 0
        self.folder = Path(tempfile.mkdtemp(prefix="fh-stress-", dir="/dev/shm"))
        self.processes: list[subprocess.Popen] = []

    def start(self, mode: str, *, points: bool = False, **options: object) -> tuple[subprocess.Popen, Path]:
        self.runs += 1
        report = self.folder / f"{self.runs}.report"
        given = {"mode": mode, "dir": self.folder, "report": report, "rows": ROWS, "depth": DEPTH, "epoch": self.runs}
        arguments = [f"{key}={value}" for key, value in {**given, **options}.items()]
        process = subprocess.Popen([self.programs / ("board_points" if points else "board"), *arguments])
        self.processes.append(process)
        return process, report

    def rows(self) -> dict[int, int | None]:
        """{instrument: count of its writes}; None where it fails to read."""
        reader = _native.BoardReader(str(self.folder))
        out = np.zeros(reader.row_bytes // 8, np.uint64)
        reader.bind(out.view(np.uint8), np.zeros(ROWS, np.uint32))
        return {row: int(out[UPDATES // 8]) if reader.read_row(row) else None for row in range(1, ROWS + 1)}


@pytest.fixture
def board(programs: Path) -> Iterator[Board]:
    made = Board(programs)
    yield made
    for process in made.processes:
        process.kill()
        process.wait()
    shutil.rmtree(made.folder)


def report_of(path: Path) -> np.void:
    return np.fromfile(path, REPORT, 1)[0]


def outcome(found: dict[int, int | None], before: dict[int, int | None], report: np.void, *, new_file: bool) -> str:
    """Name what a killed writer left."""
    if not new_file:
        return "old_file" if found == before else "another_row"
    intent, done = report["intent"].tolist(), report["done"].tolist()
    inside = [row for row in found if intent[row] != done[row]]
    others = {row: count for row, count in found.items() if row not in inside}
    if others != {row: done[row] for row in others}:
        return "another_row"
    if not inside:
        return "empty_file" if not any(done) else "new_row"
    return "unreadable" if found[inside[0]] is None else "new_row" if found[inside[0]] == intent[inside[0]] else "torn"


def test_a_writer_killed_at_any_point_leaves_whole_rows(board: Board, tell) -> None:
    race = Race("the board's writer, killed at every point", ALLOWED, FORBIDDEN)
    first, _ = board.start("write", runs=100)
    assert end_of(first) == 0
    readers = [board.start("read") for _ in range(4)]
    for point, (turns, expected) in POINTS.items():
        for turn in turns:
            before, file = board.rows(), (board.folder / "board").stat().st_ino
            process, report = board.start("write", points=True, die=f"{point}:{turn}:{int(signal.SIGKILL)}")
            assert end_of(process) == -signal.SIGKILL
            new_file = (board.folder / "board").stat().st_ino != file
            seen = outcome(board.rows(), before, report_of(report), new_file=new_file)
            race.saw(seen)
            assert seen == expected, f"killed at {point}, passage {turn}"
    process, report = board.start("write")
    until(lambda: report.exists() and report.stat().st_size and report_of(report)["done"][ROWS] > 2000, "many writes")
    time.sleep(0.3)
    process.kill()
    process.wait()
    for reader, path in readers:
        until(lambda path=path: report_of(path)["whole"] > 0, "rows are read")
        assert reader.poll() is None
        race.saw("torn", int(report_of(path)["torn"]))
        race.saw("went_back", int(report_of(path)["went_back"]))
    whole = sum(int(report_of(path)["whole"]) for _, path in readers)
    tell(f"{race.judge(*ALLOWED)}\n  rows read whole meanwhile: {whole:,}")


def test_no_point_of_the_board_is_left_out() -> None:
    headers = (Path(__file__).resolve().parents[2] / "shm").glob("board*.hpp")
    named = {name for header in headers for name in re.findall(r'FH_POINT\("([\w.]+)"\)', header.read_text())}
    assert named - POINTS.keys() == {"board.copied", "board.listed"}, "a reader's own steps"
