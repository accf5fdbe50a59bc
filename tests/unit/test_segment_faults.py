"""Files that are not the segment they should be: one type of error, one line, whatever the kind; never a crash or a hang."""

import os
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from feedhandler import _native
from feedhandler.board import Board
from feedhandler.clock import Clock
from feedhandler.counters import Counters
from feedhandler.errors import (
    AlreadyRunningError,
    FeedhandlerError,
    SegmentBusyError,
    SegmentDamagedError,
    SegmentDeniedError,
    SegmentError,
    SegmentMissingError,
    SegmentSpaceError,
    SegmentVersionError,
)
from feedhandler.instruments import Directory
from feedhandler.ring import Attach, Reader
from tests.support.as_user import as_user, need_root
from tests.support.mounts import mounted
from tests.support.segments import (
    BOARD,
    CLOCK,
    COUNTERS,
    DIRECTORY,
    RING,
    SEGMENTS,
    WAIT,
    Segment,
    make_ring,
    make_sparse,
    patch,
    version_of,
)

NOBODY = 65534


def kinds_but(*others: Segment) -> pytest.MarkDecorator:
    chosen = [kind for kind in SEGMENTS if kind not in others]
    return pytest.mark.parametrize("kind", chosen, ids=lambda kind: kind.name.replace(" ", "-"))


each_kind = kinds_but()


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in shared memory that everybody may look into."""
    with tempfile.TemporaryDirectory(prefix="fh-faults-", dir="/dev/shm") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def refusal(kind: Segment, folder: Path, expected: type[SegmentError], path: Path) -> str:
    """What the one error says behind the path that it names."""
    with pytest.raises(expected) as caught:
        kind.use(folder)
    assert type(caught.value) is expected
    text = str(caught.value)
    assert "\n" not in text
    assert text == f"{path}: {caught.value.why}"
    assert caught.value.path == str(path)
    return caught.value.why


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


@each_kind
def test_what_is_whole_is_read(memory: Path, kind: Segment) -> None:
    kind.make(memory)
    kind.use(memory)


@kinds_but(CLOCK, WAIT)  # who opens a clock makes it; a ring without a wait page is waited for by the clock
def test_a_missing_segment_is_worth_another_try(memory: Path, kind: Segment) -> None:
    path = kind.make(memory)
    path.unlink()
    named = memory / "r" if kind is RING else path
    why = "there is no such ring" if kind is RING else "there is none"
    assert refusal(kind, memory, SegmentMissingError, named) == why


@each_kind
@pytest.mark.parametrize("cut", ["to nothing", "in the header", "in half", "by a byte", "longer by a byte"])
def test_a_truncated_or_longer_file_is_damaged(memory: Path, kind: Segment, cut: str) -> None:
    path = kind.make(memory)
    size = path.stat().st_size
    length = {"to nothing": 0, "in the header": 10, "in half": size // 2, "by a byte": size - 1}.get(cut, size + 1)
    os.truncate(path, length)
    if kind is CLOCK and length == 0:
        assert kind.use(memory), "an empty clock is one whose maker died: the next one finishes it"
        return
    why = refusal(kind, memory, SegmentDamagedError, path)
    assert re.match(r"it has (fewer|\d+) bytes|its header and its length contradict", why)


@kinds_but(CLOCK)  # a clock of zeros is one whose maker died: the next one finishes it
def test_zeros_are_a_segment_that_nobody_finished(memory: Path, kind: Segment) -> None:
    path = kind.make(memory)
    rewrite(path, lambda data: bytes(len(data)))
    why = refusal(kind, memory, SegmentDamagedError, path)
    assert why == f"not {article(kind)}: it begins with zeros, so nobody finished it"


@each_kind
def test_noise_and_text_are_foreign(memory: Path, kind: Segment) -> None:
    path = kind.make(memory)
    noise = np.random.default_rng(7).integers(0, 256, path.stat().st_size, np.uint8).tobytes()
    for content in (noise, b"something else entirely, " * 1000):
        path.write_bytes(content)
        why = refusal(kind, memory, SegmentDamagedError, path)
        assert why.startswith(f"not {article(kind)}: it does not begin as one")


@each_kind
def test_a_segment_of_another_kind_is_called_by_its_name(memory: Path, kind: Segment) -> None:
    other = BOARD if kind is not BOARD else COUNTERS
    path = kind.make(memory)
    shutil.copyfile(other.make(memory), path)
    why = refusal(kind, memory, SegmentDamagedError, path)
    assert why.startswith(f"not {article(kind)} but {article(other)}")


@kinds_but(CLOCK)  # its magic is its version
@pytest.mark.parametrize("step", [-1, 1])
def test_another_version_says_how_to_go_on(memory: Path, kind: Segment, step: int) -> None:
    path = kind.make(memory)
    here = version_of(path)
    if here + step == 0 or (kind is DIRECTORY and step < 0):  # the directory's version 1 is still read
        here += 1
        step = 1
    patch(path, 8, "<I", here + step)
    with pytest.raises(SegmentVersionError) as caught:
        kind.use(memory)
    assert caught.value.number == here + step
    age = "a newer" if step > 0 else "an older"
    assert caught.value.why.startswith(f"{age} feedhandler wrote it")
    remedies = {
        RING.name: "`feedhandler ring unlink`", WAIT.name: "restart its writer", BOARD.name: "restart the conflator",
        COUNTERS.name: "restart its process", DIRECTORY.name: "run the release that wrote it",
    }  # fmt: skip
    assert remedies[kind.name] in caught.value.why


@kinds_but(DIRECTORY, CLOCK, WAIT)  # on disk a hole reads as zeros; a single page is there or not
def test_a_sparse_file_is_refused_before_it_can_raise_sigbus(memory: Path, kind: Segment) -> None:
    path = kind.make(memory)
    make_sparse(path)
    size = path.stat().st_size
    assert refusal(kind, memory, SegmentDamagedError, path).startswith("a sparse file: ")
    assert path.stat().st_size == size


@each_kind
@pytest.mark.parametrize("what", ["folder", "pipe", "socket"])
def test_what_is_no_file_is_refused_and_never_waited_for(memory: Path, kind: Segment, what: str) -> None:
    path = kind.make(memory)
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    else:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
    with pytest.raises((SegmentDamagedError, IsADirectoryError)) as caught:
        kind.use(memory)
    assert str(path) in str(caught.value)


@kinds_but(WAIT)  # who may not write the wait page waits by the clock
def test_a_reader_without_permission_is_told_so(memory: Path, kind: Segment) -> None:
    need_root()
    path = kind.make(memory)
    path.chmod(0o600)
    with pytest.raises(SegmentDeniedError) as caught:
        as_user(lambda: kind.use(memory), NOBODY, NOBODY)
    assert str(caught.value).startswith(f"{path}: Permission denied for user {NOBODY}: ")
    assert isinstance(caught.value, PermissionError)


def test_a_folder_without_permission_is_denied_not_missing(memory: Path) -> None:
    need_root()
    make_ring(memory)
    memory.chmod(0o700)

    def look() -> tuple[str, str]:
        reader = Reader(memory, "r", follow=False, losses="count")
        return reader.attach().name, reader.problem

    state, problem = as_user(look, NOBODY, NOBODY)
    assert state == "DENIED"
    assert problem.startswith(f"{memory}/r: Permission denied for user {NOBODY}")


@pytest.mark.parametrize(
    ("offset", "form", "value", "why"),
    [
        (12, "<I", 65, "its header says records of 65 bytes from 4096"),
        (16, "<Q", 0, "its header says a capacity of 0 records"),
        (16, "<Q", 96, "its header says a capacity of 96 records"),
        (16, "<Q", 1 << 58, f"its header says a capacity of {1 << 58} records"),
        (16, "<Q", 128, "it has 8192 bytes, and 12288 by its own header"),
        (24, "<Q", 5, "its header says epoch 5: somebody renamed it"),
        (60, "<I", 8192, "its header says records of 64 bytes from 8192"),
        (128, "<Q", (1 << 64) - 1, f"its cursors contradict each other: published {(1 << 64) - 1}, claimed 96"),
        (64, "<Q", (1 << 64) - 1, f"its cursors contradict each other: published 90, claimed {(1 << 64) - 1}"),
        (256, "<Q", 0, "its header names another ring: somebody renamed it"),
    ],
)
def test_a_ring_whose_header_contradicts_it_is_damaged(
    memory: Path, offset: int, form: str, value: int, why: str
) -> None:
    path = make_ring(memory)
    patch(path, offset, form, value)
    assert refusal(RING, memory, SegmentDamagedError, path) == why
    reader = Reader(memory, "r", follow=False, losses="count")
    assert (reader.attach(), reader.problem) == (Attach.DAMAGED, f"{path}: {why}")


@pytest.mark.parametrize("field", ["depth", "rows", "row_bytes", "rows_offset", "log_offset", "log_capacity"])
def test_a_board_whose_header_contradicts_it_is_damaged(memory: Path, field: str) -> None:
    path = BOARD.make(memory)
    offset = {"depth": 12, "rows": 16, "row_bytes": 20, "rows_offset": 24, "log_offset": 48, "log_capacity": 52}[field]
    good = path.read_bytes()
    for value in (0, 1, 7, 1 << 31, (1 << 32) - 1):
        patch(path, offset, "<I", value)
        refusal(BOARD, memory, SegmentDamagedError, path)
        path.write_bytes(good)


def test_a_reader_keeps_what_it_has_when_the_next_epoch_is_no_ring(memory: Path) -> None:
    make_ring(memory)
    reader = Reader(memory, "r", from_oldest=True, follow=False, losses="count")
    reader.open()
    first = reader.epoch
    while len(reader.read().records) or reader.next <= 90:
        pass
    foreign = memory / f"r.{first + 1}"
    foreign.write_bytes(b"x" * 8192)
    assert not reader.follow()
    assert (reader.epoch, reader.read().lost) == (first, 0)
    make_ring(memory)
    assert reader.follow(), "the one that cannot be read is passed over"
    assert reader.epoch > first + 1
    assert reader.read().lost >= 1, "and counts, as an epoch that is gone does"


def test_a_writer_starts_beside_foreign_files_and_above_their_epochs(memory: Path) -> None:
    ahead = 4_000_000_000_000_000_000
    (memory / f"r.{ahead}").write_bytes(b"foreign")
    writer = _native.RingWriter(str(memory), str(memory), "r", 64)
    assert (writer.epoch, writer.previous_epoch) == (ahead + 1, 0)
    assert Reader(memory, "r", follow=False, losses="count").attach() == Attach.OK


def test_an_epoch_that_no_clock_gives_stops_a_writer_with_its_name(memory: Path) -> None:
    (memory / f"r.{(1 << 64) - 1}").write_bytes(b"foreign")
    with pytest.raises(SegmentDamagedError, match=rf"epoch {(1 << 64) - 1} is none of ours"):
        _native.RingWriter(str(memory), str(memory), "r", 64)


def test_odd_spellings_of_an_epoch_are_other_files(memory: Path) -> None:
    for name in ("r.05", "r.5x", "r.", "r.99999999999999999999999999", "r.-5"):
        (memory / name).write_bytes(b"foreign")
    assert _native.ring_epochs(str(memory), "r") == []
    assert Reader(memory, "r", follow=False, losses="count").attach() == Attach.MISSING


def test_a_wait_page_that_a_reader_spoiled_is_mended_by_the_next_writer(memory: Path) -> None:
    path = WAIT.make(memory)
    path.write_bytes(b"x" * 100)
    refusal(WAIT, memory, SegmentDamagedError, path)
    make_ring(memory)
    assert Reader(memory, "r", follow=False, losses="count").attach() == Attach.OK


def test_a_clock_whose_maker_died_is_finished_by_the_next(memory: Path) -> None:
    reference = Clock(memory).now_ns()
    for content in (b"", bytes(24)):
        (memory / "clock").write_bytes(content)
        assert abs(Clock(memory).now_ns() - reference) < 60_000_000_000
        assert (memory / "clock").stat().st_size == 24


def test_a_second_writer_is_told_the_pid_of_the_first(memory: Path) -> None:
    ring = _native.RingWriter(str(memory), str(memory), "r", 64)
    board = _native.BoardWriter(str(memory), 2, 3, 1)
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: _native.RingWriter(str(memory), str(memory), "r", 64), f"{memory}/r: ring 'r' has a writer already"),
        (lambda: _native.BoardWriter(str(memory), 2, 3, 1), f"{memory}/board: the board has a writer already"),
    ]
    for make, text in cases:
        with pytest.raises(SegmentBusyError) as caught:
            make()
        assert str(caught.value) == f"{text}, pid {os.getpid()}"
        assert caught.value.number == os.getpid()
        assert isinstance(caught.value, AlreadyRunningError)
    del ring, board


def test_full_shared_memory_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with mounted("tmpfs", "size=256k,mode=755") as folder:
        makers: list[Callable[[], object]] = [
            lambda: _native.RingWriter(str(folder), str(tmp_path), "r", 1 << 13),
            lambda: _native.BoardWriter(str(folder), 10, 5000, 1),
        ]
        for make in makers:
            with pytest.raises(SegmentSpaceError) as caught:
                make()
            assert str(folder) in str(caught.value)
            assert "\n" not in str(caught.value)
            assert isinstance(caught.value, OSError)
        left = {path.name for path in folder.iterdir()}
        assert left <= {"r.lock", "r.wait", "board.lock", "board.parking"}
        make_ring(folder)  # what fits still fits
        (folder / "filler").write_bytes(bytes(os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize))
        for last in (lambda: Counters(folder, "p"), lambda: Clock(folder)):
            with pytest.raises(SegmentSpaceError):
                last()
        assert Reader(folder, "r", follow=False, losses="count").attach() == Attach.OK


def test_errors_are_a_small_family() -> None:
    for kind in SegmentError.__subclasses__():
        error = kind("/a/path", "is wrong", 28)
        assert isinstance(error, FeedhandlerError)
        assert str(error) == "/a/path: is wrong"
        assert isinstance(error, OSError) == (getattr(error, "errno", None) == 28)
    assert issubclass(SegmentMissingError, FileNotFoundError)
    assert issubclass(SegmentDeniedError, PermissionError)


def test_opening_is_attaching_with_an_error(memory: Path) -> None:
    reader = Reader(memory, "r", follow=False, losses="count")
    assert (reader.attach(), reader.problem) == (Attach.MISSING, f"{memory}/r: there is no such ring")
    with pytest.raises(SegmentMissingError, match="there is no such ring"):
        reader.open()
    make_ring(memory)
    reader.open()
    assert (reader.attach(), reader.problem) == (Attach.OK, "")
    for attach in (lambda: Board(memory), lambda: Directory(memory / "i.dir")):
        with pytest.raises(SegmentMissingError):
            attach()


def article(kind: Segment) -> str:
    return f"{'an' if kind.name[0] in 'aeiou' else 'a'} {kind.name}"
