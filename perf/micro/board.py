"""`python -m perf.micro.board`: rows of the board and finding what changed, natively and from Python.

The peers in Python are what one has without a board: a dict of this process's own numpy rows, a copy of the same bytes,
and a look at the version of every row. None of them is shared with another process or safe beside a writer.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from feedhandler import _native
from feedhandler.board import Board, Rows
from perf import result
from perf.micro import native
from perf.result import Result

ROWS = 1000
DEPTH = 10
CHANGED = 64
CALLS = 500
CHUNKS = 20

Contenders = dict[str, tuple[Callable[[], Any], int]]


def rows(options: argparse.Namespace) -> Iterator[Result]:
    """Native: rows of ten levels, beside memcpy; 64 changes of 1,000 rows, beside a look at all first lines."""
    found, _ = native.run("board_bench", str(options.runs))
    for name, peer, what in (
        ("write_row", "copy_in", "memcpy of the same row"),
        ("read_row", "copy_out", "memcpy of the same row"),
        ("read_many", "copy_out", "memcpy of the same row"),
        ("read_top", "copy_out", "memcpy of the whole row"),
    ):
        yield result.result(f"board/{name}", "ns/row", found[name], what, found[peer])
    yield result.result("board/changes_64", "ns/call", found["changes_64"], "look at 1,000 rows", found["scan_1000"])
    yield result.result("board/changes_none", "ns/call", found["changes_none"])


class Bench:
    """A board of ROWS rows, all written, and a reader."""

    def __init__(self, folder: str) -> None:
        self.writer = _native.BoardWriter(folder, DEPTH, ROWS, 1)
        self.board = Board(folder)
        self.made = np.zeros(1, self.board.dtype)
        self.raw = self.made.view(np.uint8)
        self.write(range(1, ROWS + 1))
        self.out: Rows = np.zeros(ROWS + 1, self.board.dtype)
        self.plain = self.out.copy()

    def write(self, instruments: Sequence[int]) -> None:
        """Write these rows."""
        for instrument in instruments:
            self.made["instrument"] = self.made["bid"] = instrument
            self.writer.write(instrument, self.raw)


def single_rows(options: argparse.Namespace) -> Iterator[Result]:
    """Python: a consistent copy of one row, beside a copy out of a dict of rows."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        bench = Bench(folder)
        row = bench.board.row
        stored = bench.board.rows()
        held = {number: stored[number - 1 : number].view(np.uint8) for number in range(1, ROWS + 1)}
        target = bench.out[:1].view(np.uint8)
        ids = [1 + i * 37 % ROWS for i in range(CALLS)]

        def board() -> None:
            for instrument in ids:
                row(instrument)

        def board_field() -> None:
            for instrument in ids:
                row(instrument)["bid"]

        def own() -> None:
            for instrument in ids:
                np.copyto(target, held[instrument])

        contenders: Contenders = {"row": (board, CALLS), "field": (board_field, CALLS), "dict": (own, CALLS)}
        found = result.in_turns(options.runs, CHUNKS, contenders)
        peer = "numpy copy out of a dict of rows"
        yield result.result("board/python_row", "ns/call", found["row"], peer, found["dict"])
        yield result.result("board/python_row_and_bid", "ns/call", found["field"], peer, found["dict"])


def bulk(options: argparse.Namespace) -> Iterator[Result]:
    """Python: 1,000 rows in one call, beside a numpy copy of the same bytes."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        bench = Bench(folder)
        ids = np.arange(1, ROWS + 1, dtype=np.uint32)
        source, target = (array.view(np.uint8) for array in (bench.plain, bench.out))
        contenders: Contenders = {
            "table": (lambda: bench.board.table(bench.out), 1),
            "read": (lambda: bench.board.read(ids, bench.out), 1),
            "rows": (lambda: bench.board.rows(bench.out), 1),
            "copy": (lambda: np.copyto(target, source), 1),
        }
        found = result.in_turns(options.runs, 10 * CHUNKS, contenders)
        for name in ("table", "read", "rows"):
            yield result.result(f"board/python_{name}", "ns/call", found[name], "numpy copy", found["copy"])


def changes(options: argparse.Namespace) -> Iterator[Result]:
    """Python: what changed, beside a numpy comparison of a table's change numbers; nothing changed, beside len()."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        bench = Bench(folder)
        board, cursor, turn = bench.board, bench.board.cursor, 0
        held = board.table(bench.out)["change"].copy()

        def refill() -> None:
            nonlocal cursor, held, turn
            cursor, held, turn = board.cursor, board.table(bench.out)["change"].copy(), turn + 1
            bench.write([1 + (turn * 17 + i * 5) % ROWS for i in range(CHANGED)])

        def log() -> None:
            if len(board.changes(cursor).ids) != CHANGED:
                raise RuntimeError("a change was not told")

        def table() -> None:
            if len(np.flatnonzero(board.table(bench.out)["change"] != held)) != CHANGED:
                raise RuntimeError("a change was not found")

        refill()
        contenders: Contenders = {"log": (log, 1), "table": (table, 1)}
        found = result.in_turns(options.runs, 10 * CHUNKS, contenders, after=refill)
        yield result.result("board/python_changes_64", "ns/call", found["log"], "table compared", found["table"])
        cursor = board.cursor
        empty: Contenders = {
            "none": (lambda: [board.changes(cursor) for _ in range(CALLS)], CALLS),
            "call": (lambda: [len(held) for _ in range(CALLS)], CALLS),
        }
        quiet = result.in_turns(options.runs, CHUNKS, empty)
        yield result.result("board/python_changes_none", "ns/call", quiet["none"], "len() of an array", quiet["call"])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = result.parser("perf.micro.board", Path(__file__).stem).parse_args(argv)
    return result.run(options, (rows, single_rows, bulk, changes))


if __name__ == "__main__":
    sys.exit(main())
