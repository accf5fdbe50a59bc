"""The board: its layout in both languages, rows that are never torn, successors that are noticed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from feedhandler import _native, clock
from feedhandler.board import Board, row_dtype

DEPTH = 4
ROWS = 8

WRITER = """
import sys
import numpy as np
from feedhandler import _native
from feedhandler.board import row_dtype
board = _native.BoardWriter(sys.argv[1], 4, 8, 1)
row = np.zeros(1, row_dtype(4))
raw = row.view(np.uint8)
print("ready", flush=True)
n = 0
while True:
    n += 1
    row["instrument"] = 1 + n % 8
    row["ring_seq"] = row["updates"] = n
    for field in ("bid", "bid_size", "ask", "ask_size", "open", "turnover", "bids", "asks"):
        row[field] = n
    board.write(1 + n % 8, raw)
"""


def row(value: float, instrument: int = 1) -> np.ndarray:
    made = np.zeros(1, row_dtype(DEPTH))
    made["instrument"], made["bid"], made["bids"] = instrument, value, value
    return made


def write(board: _native.BoardWriter, made: np.ndarray) -> None:
    board.write(int(made["instrument"][0]), made.view(np.uint8))


def test_both_languages_agree_on_every_field_of_a_row() -> None:
    native = _native.board_layout()
    dtype = row_dtype(DEPTH)
    size = native.pop("row_bytes")
    fields = dtype.fields
    assert fields is not None
    assert {name: fields[name][1] for name in native} == native
    assert (fields["bids"][1], fields["asks"][1]) == (size, size + DEPTH * 16)
    assert set(fields) == {*native, "bids", "asks"}
    assert dtype.itemsize == size + DEPTH * 32


def test_a_row_nobody_wrote_has_no_prices(tmp_path: Path) -> None:
    writer = _native.BoardWriter(str(tmp_path), DEPTH, ROWS, 1)
    board = Board(tmp_path)
    fresh = board.row(3)
    assert np.isnan([fresh[name] for name in ("bid", "bid_size", "ask", "ask_size", "last_price", "open")]).all()
    assert np.isnan(fresh["bids"]).all()
    assert (fresh["instrument"], fresh["volume"], fresh["trades"]) == (0, 0, 0)
    assert len(board.rows()) == 0
    write(writer, row(2.5, 3))
    assert (board.row(3)["bid"], board.rows()["instrument"].tolist()) == (2.5, [3])


def test_a_row_beyond_the_board_is_an_error_that_says_so(tmp_path: Path) -> None:
    writer = _native.BoardWriter(str(tmp_path), DEPTH, ROWS, 1)
    with pytest.raises(RuntimeError, match=r"no row 9: the board has rows 1\.\.8"):
        Board(tmp_path).row(ROWS + 1)
    del writer


def test_a_row_whose_writer_died_in_it_is_not_called_missing(tmp_path: Path) -> None:
    writer = _native.BoardWriter(str(tmp_path), DEPTH, ROWS, 1)
    with (tmp_path / "board").open("r+b") as file:
        file.seek(4096 + 1 * row_dtype(DEPTH).itemsize)
        file.write((7).to_bytes(8, "little"))  # odd: being written
    with pytest.raises(RuntimeError, match="its writer died in it"):
        Board(tmp_path).row(1)
    del writer


def test_readers_of_a_replaced_board_notice(tmp_path: Path) -> None:
    writer = _native.BoardWriter(str(tmp_path), DEPTH, ROWS, 1)
    write(writer, row(1.0))
    board = Board(tmp_path)
    assert board.alive
    del writer
    assert not board.alive
    successor = _native.BoardWriter(str(tmp_path), DEPTH, ROWS, 2)
    write(successor, row(2.0))
    assert not board.alive, "the old file has a living writer no more, though the lock is held again"
    assert (board.row(1)["bid"], board.publisher_epoch) == (1.0, 1)
    board.attach()
    assert (board.alive, board.row(1)["bid"], board.publisher_epoch) == (True, 2.0, 2)


def test_a_failed_attach_keeps_the_map_it_has(tmp_path: Path) -> None:
    writer = _native.BoardWriter(str(tmp_path), DEPTH, ROWS, 1)
    write(writer, row(1.0))
    board = Board(tmp_path)
    (tmp_path / "other").write_bytes(bytes(8192))
    (tmp_path / "other").rename(tmp_path / "board")
    with pytest.raises(RuntimeError, match="not a board of this version"):
        board.attach()
    assert board.row(1)["bid"] == 1.0


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    writer = _native.BoardWriter(str(tmp_path), DEPTH, ROWS, 1)
    with pytest.raises(RuntimeError, match="has a writer already"):
        _native.BoardWriter(str(tmp_path), DEPTH, ROWS, 2)
    del writer


def test_no_row_is_ever_torn(tmp_path: Path) -> None:
    """Allowed: a row of one write, whole, never older than the last one seen. Forbidden: a mixture of two writes."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        board = Board(tmp_path)
        newest = dict.fromkeys(range(1, ROWS + 1), 0)
        deadline = clock.monotonic_ns() + 1_000_000_000
        reads = changes = 0
        while clock.monotonic_ns() < deadline:
            for instrument, seen in newest.items():
                got = board.row(instrument)
                n = int(got["ring_seq"])
                reads += 1
                if n == 0:
                    continue
                numbers = [got[name] for name in ("updates", "bid", "bid_size", "ask", "ask_size", "open", "turnover")]
                assert numbers == [n] * len(numbers)
                assert (got["bids"] == n).all()
                assert (got["asks"] == n).all()
                assert (got["instrument"], got["version"] % 2) == (instrument, 0)
                assert n >= seen
                changes += n > seen
                newest[instrument] = n
        assert reads > changes > 100
    finally:
        process.kill()
        process.wait()
