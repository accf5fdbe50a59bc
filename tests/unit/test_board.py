"""The board: rows that are whole or refused, bulk reads, successors, boards that are none."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from feedhandler import _native, board, clock
from feedhandler.board import NEVER_NS, Board
from feedhandler.errors import NoRowError, SegmentBusyError, SegmentDamagedError, SegmentVersionError, TornRowError
from feedhandler.ring import Attach
from feedhandler.tick import Flag, State
from tests.support import boards
from tests.support.boards import DEPTH, ROWS, make, tear, write


def test_a_row_nobody_wrote_has_no_prices(tmp_path: Path) -> None:
    writer = make(tmp_path)
    reader = Board(tmp_path)
    fresh = reader.row(3)
    prices = ("bid", "bid_size", "ask", "ask_size", "last_price", "last_size", "open", "high", "low", "vwap")
    assert np.isnan([fresh[name] for name in prices]).all()
    assert np.isnan(fresh["bids"]).all()
    assert (fresh["instrument"], fresh["volume"], fresh["turnover"], fresh["trades"]) == (0, 0, 0, 0)
    assert len(reader.rows()) == 0
    write(writer, 3, 2.5)
    assert (reader.row(3)["bid"], reader.rows()["instrument"].tolist()) == (2.5, [3])


@pytest.mark.parametrize("instrument", [0, -1, ROWS + 1, 1 << 32, 1 << 70, "EUR/USD", None, 1.5])
def test_a_row_that_is_not_there_is_an_error_that_says_so(tmp_path: Path, instrument: object) -> None:
    writer = make(tmp_path)
    with pytest.raises(NoRowError, match=rf"no row {instrument}: the board has rows 1\.\.8"):
        Board(tmp_path).row(instrument)  # type: ignore[arg-type]
    del writer


@pytest.mark.parametrize("instruments", [[1, 0], [1, -1], [1, ROWS + 1], [1, 1 << 32]])
def test_a_list_with_a_row_that_is_not_there_names_it(tmp_path: Path, instruments: list) -> None:
    writer = make(tmp_path)
    with pytest.raises(NoRowError, match=rf"no row {instruments[1]}: the board has rows 1\.\.8"):
        Board(tmp_path).read(instruments)
    del writer


def test_the_writer_tells_of_a_row_that_it_does_not_have(tmp_path: Path) -> None:
    writer = make(tmp_path)
    made = boards.row(1, 1.0).view(np.uint8)
    assert [writer.write(instrument, made) for instrument in (0, 1, ROWS, ROWS + 1)] == [False, True, True, False]


def test_bulk_reads_agree_with_single_rows(tmp_path: Path) -> None:
    writer = make(tmp_path)
    for instrument in (7, 2, 5):
        write(writer, instrument, instrument * 1.5)
    reader = Board(tmp_path)
    table = reader.table()
    assert [table[i].tobytes() for i in range(1, ROWS + 1)] == [reader.row(i).tobytes() for i in range(1, ROWS + 1)]
    assert (len(table), table[0]["instrument"]) == (ROWS + 1, 0)
    assert reader.rows().tobytes() == table[[2, 5, 7]].tobytes()
    assert reader.read([5, 1, 5]).tobytes() == table[[5, 1, 5]].tobytes()
    assert reader.read(np.array([7], np.int64)).tobytes() == table[[7]].tobytes()
    assert len(reader.read([])) == 0


def test_bulk_reads_fill_memory_that_is_given_and_refuse_what_does_not_fit(tmp_path: Path) -> None:
    writer = make(tmp_path)
    write(writer, 2, 4.0)
    reader = Board(tmp_path)
    out = np.zeros(ROWS + 1, reader.dtype)
    assert np.shares_memory(reader.table(out), out)
    assert (reader.read([2], out)["bid"].tolist(), out["bid"][0]) == ([4.0], 4.0)
    assert reader.rows(out)["instrument"].tolist() == [2]
    for bad in (out[:ROWS], out[::2], np.zeros(ROWS + 1, board.row_dtype(DEPTH + 1)), out.reshape(3, 3)):
        with pytest.raises(ValueError, match=r"expected 9 rows of board\.dtype"):
            reader.table(bad)


def test_a_row_whose_writer_died_in_it_is_one_error_and_the_others_go_on(tmp_path: Path) -> None:
    writer = make(tmp_path)
    for instrument in (1, 2, 3):
        write(writer, instrument, 2.0)
    tear(tmp_path, 2)
    del writer
    reader = Board(tmp_path)
    with pytest.raises(TornRowError, match="row 2 is half written: its writer died in it"):
        reader.row(2)
    assert [reader.row(i)["bid"] for i in (1, 3)] == [2.0, 2.0]
    for rows in (reader.rows(), reader.read([1, 2, 3]), reader.table()[1:4]):
        assert rows["instrument"].tolist() == [1, 2, 3]
        assert board.torn(rows).tolist() == board.trusted(rows)[[1, 0, 1]].tolist() == [False, True, False]
        assert rows["flags"].tolist() == [0, Flag.MAYBE_BAD_BOOK, 0]
        numbers = [rows[name][1] for name in boards.NUMBERS]
        assert np.isnan(numbers).all()
        assert np.isnan(rows["bids"][1]).all()


def test_a_writer_that_stands_still_in_a_row_is_told_from_a_dead_one(tmp_path: Path) -> None:
    writer = make(tmp_path)
    write(writer, 2, 2.0)
    tear(tmp_path, 2)
    before = clock.monotonic_ns()
    with pytest.raises(TornRowError, match="its writer stands still in it"):
        Board(tmp_path).row(2)
    assert clock.monotonic_ns() - before >= 50_000_000, "it was given time"
    del writer


def test_a_new_file_never_shows_fewer_rows_than_its_writer_restored(tmp_path: Path) -> None:
    old = make(tmp_path, 1)
    write(old, 1, 1.0)
    reader = Board(tmp_path)
    del old
    successor = _native.BoardWriter(str(tmp_path), DEPTH, ROWS, 2, 0, publish_now=False)
    write(successor, 1, 1.0)
    assert (Board(tmp_path).publisher_epoch, reader.follow()) == (1, False), "not to be seen before it is filled"
    successor.publish()
    assert reader.follow()
    assert (reader.publisher_epoch, reader.row(1)["bid"]) == (2, 1.0)


def test_a_draft_that_is_not_published_goes_with_its_writer(tmp_path: Path) -> None:
    writer = _native.BoardWriter(str(tmp_path), DEPTH, ROWS, 2, 0, publish_now=False)
    del writer
    assert sorted(path.name for path in tmp_path.iterdir()) == ["board.lock", "board.parking"]


def test_readers_of_a_replaced_board_notice(tmp_path: Path) -> None:
    writer = make(tmp_path)
    write(writer, 1, 1.0)
    reader = Board(tmp_path)
    assert (reader.alive, reader.follow(), reader.writer()) == (True, False, Attach.OK)
    del writer
    assert (reader.alive, reader.follow(), reader.writer()) == (False, False, Attach.WRITER_DEAD)
    successor = make(tmp_path, 2, depth=2)
    write(successor, 1, 2.0, depth=2)
    assert not reader.alive, "the old file has a living writer no more, though the lock is held again"
    assert (reader.row(1)["bid"], reader.publisher_epoch) == (1.0, 1)
    assert reader.follow()
    assert (reader.alive, reader.row(1)["bid"], reader.publisher_epoch, reader.depth) == (True, 2.0, 2, 2)
    assert reader.row(1)["bids"].shape == (2, 2)


def test_a_writer_that_stands_still_is_stalled(tmp_path: Path) -> None:
    writer = make(tmp_path)
    reader = Board(tmp_path)
    writer.heartbeat(clock.monotonic_ns() - 1_000_000_000)
    assert (reader.writer(), reader.writer(stall_ns=500_000_000)) == (Attach.OK, Attach.STALLED)


def test_a_failed_attach_keeps_the_map_it_has(tmp_path: Path) -> None:
    writer = make(tmp_path)
    write(writer, 1, 1.0)
    reader = Board(tmp_path)
    (tmp_path / "other").write_bytes(bytes(8192))
    (tmp_path / "other").rename(tmp_path / "board")
    with pytest.raises(SegmentDamagedError, match="not a board: it begins with zeros"):
        reader.attach()
    assert (reader.row(1)["bid"], reader.changes(0).ids.tolist()) == (1.0, [1])


def test_a_second_writer_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    writer = make(tmp_path)
    with pytest.raises(SegmentBusyError, match=rf"has a writer already, pid {os.getpid()}$"):
        make(tmp_path, 2)
    del writer


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"depth": 0}, "depth: got 0, expected 1 to 1000"),
        ({"depth": 1001}, "depth: got 1001, expected 1 to 1000"),
        ({"rows": 0}, "rows: got 0, expected 1 to 1048576"),
        ({"rows": 1 << 21}, "rows: got 2097152, expected 1 to 1048576"),
        ({"log_capacity": 512}, "log_capacity: got 512, expected 1024 to 1048576"),
        ({"log_capacity": 1025}, "log_capacity: got 1025, expected a power of two"),
    ],
)
def test_what_does_not_fit_the_layout_is_refused(tmp_path: Path, options: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make(tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_board_that_memory_does_not_hold_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    writer = make(tmp_path)
    write(writer, 1, 1.0)
    del writer
    program = (
        "import resource, signal, sys; from feedhandler import _native\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, resource.RLIM_INFINITY))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "try: _native.BoardWriter(sys.argv[1], 10, 1000, 2)\n"
        "except OSError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{tmp_path}/board: taking ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["board", "board.lock", "board.parking"]
    assert Board(tmp_path).row(1)["bid"] == 1.0, "the old board is still there"


def damage(at: int, number: int, width: int = 4) -> "object":
    def change(data: bytes) -> bytes:
        return data[:at] + number.to_bytes(width, "little") + data[at + width :]

    return change


HOSTILE = {
    "empty": lambda _: b"",
    "short": lambda data: data[:4095],
    "cut in a row": lambda data: data[:-1],
    "zeros": lambda data: bytes(len(data)),
    "random": lambda data: np.random.default_rng(7).bytes(len(data)),
    "another kind": lambda data: b"\0FHRING1" + data[8:],
    "no depth": damage(12, 0),
    "deep": damage(12, (1 << 27) + DEPTH),
    "many rows": damage(16, ROWS + 1),
    "rows beyond all": damage(16, 0xFFFFFFFF),
    "row bytes": damage(20, 64),
    "rows offset": damage(24, 4096),
    "log offset": damage(48, 0),
    "log capacity": damage(52, 1000),
    "log of nothing": damage(52, 0),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_no_board_of_this_version_is_one_error(tmp_path: Path, kind: str) -> None:
    writer = make(tmp_path)
    del writer
    path = tmp_path / "board"
    path.write_bytes(HOSTILE[kind](path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(SegmentDamagedError, match=f"^{path}: (not a board|it has|its header says)"):
        Board(tmp_path)


def test_a_board_of_another_version_says_what_to_do(tmp_path: Path) -> None:
    writer = make(tmp_path)
    del writer
    path = tmp_path / "board"
    for version, age in ((1, "an older"), (3, "a newer")):
        path.write_bytes(damage(8, version)(path.read_bytes()))  # type: ignore[operator]
        with pytest.raises(
            SegmentVersionError,
            match=rf"{age} feedhandler wrote it: layout version {version}, .*; restart the conflator",
        ):
            Board(tmp_path)


def test_no_board_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Board(tmp_path)


def test_state_age_and_trust_of_rows(tmp_path: Path) -> None:
    writer = make(tmp_path)
    kinds = [(State.SYNCED, 0, 100), (State.STALE, 0, 60), (State.NONE, 4, 0), (State.NONE, 0, 130)]
    for instrument, (state, flags, heard) in enumerate(kinds, 1):
        made = boards.row(instrument, 1.0)
        made["state"], made["flags"], made["ts_record"] = state, flags, heard
        writer.write(instrument, made.view(np.uint8))
    reader = Board(tmp_path)
    rows = reader.rows()
    assert board.state_names(rows).tolist() == ["SYNCED", "STALE", "NONE", "NONE"]
    assert board.age_ns(rows, 130).tolist() == [30, 70, NEVER_NS, 0]
    assert board.trusted(rows).tolist() == [True, False, False, True]
    one = reader.row(2)
    assert (board.state_names(one), board.age_ns(one, 130), bool(board.trusted(one))) == ("STALE", 70, False)
    assert not board.trusted(reader.row(7)), "nothing came of it yet"


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder that strangers may look into."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="fh-board-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_reader_that_may_write_nothing_reads_and_waits(readable: Path) -> None:
    writer = make(readable)
    write(writer, 1, 1.0)
    for name in ("board", "board.lock", "board.parking"):
        (readable / name).chmod(0o444)

    def look() -> bool:
        reader = Board(readable)
        if os.access(readable / "board.parking", os.W_OK):
            return False
        cursor = reader.cursor
        found = reader.changes(0).ids.tolist(), reader.row(1)["bid"], reader.alive, reader.wait(cursor, 1_000_000)
        return found == ([1], 1.0, True, False)

    assert boards.as_stranger(look)
