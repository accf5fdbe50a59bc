"""Segments with arbitrary bytes: whoever opens one gets it whole or one SegmentError; reading what was opened ends."""

import os
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feedhandler.errors import SegmentError
from tests.support.segments import CLOCK, DIRECTORY, SEGMENTS, WAIT, Segment

RELAXED = settings(max_examples=150, suppress_health_check=list(HealthCheck))
HEADER_BYTES = 320
edges = st.sampled_from(
    [0, 1, 63, 64, 65, 4095, 4096, 4097, 1 << 16, 1 << 31, 1 << 32, 1 << 62, 1 << 63, (1 << 64) - 1]
)
words = st.one_of(edges, st.integers(0, (1 << 64) - 1), st.integers(0, 300))
patches = st.lists(st.tuples(st.integers(0, HEADER_BYTES // 4), st.sampled_from("IQ"), words), min_size=1, max_size=4)
lengths = st.one_of(st.none(), st.integers(0, 20_000))


class Made:
    """A good segment, to be spoiled and mended again."""

    def __init__(self, kind: Segment, folder: Path) -> None:
        self.kind, self.path = kind, kind.make(folder)
        self.size = self.path.stat().st_size
        self.good = self.path.read_bytes().rstrip(b"\0")

    def __repr__(self) -> str:
        return self.kind.name


@pytest.fixture(
    scope="module",
    params=[kind for kind in SEGMENTS if kind is not DIRECTORY],
    ids=lambda kind: kind.name.replace(" ", "-"),
)
def made(request) -> Iterator[Made]:
    with tempfile.TemporaryDirectory(prefix="fh-fuzz-", dir="/dev/shm") as name:
        yield Made(request.param, Path(name))


def put(path: Path, data: bytes, size: int) -> None:
    """The file with this content, zeros up to its size: holes on disk, memory elsewhere."""
    with path.open("r+b") as file:
        file.truncate(0)
        file.write(data[:size])
        file.truncate(size)
        if size < 1 << 20:
            os.posix_fallocate(file.fileno(), 0, max(1, size))


def use(kind: Segment, path: Path) -> bool:
    """Whether it could be opened."""
    try:
        kind.use(path.parent)
    except SegmentError as error:
        text = str(error)
        assert "\n" not in text
        assert str(path.parent) in text
        return False
    except RuntimeError as error:
        if "stayed half written" not in str(error):  # a board's row with an odd version
            raise
    return True


@RELAXED
@given(changes=patches, length=lengths)
def test_headers_of_any_numbers(made, changes, length) -> None:
    data = bytearray(made.good.ljust(HEADER_BYTES + 16, b"\0"))
    for place, form, value in changes:
        struct.pack_into(f"<{form}", data, place * 4, value & ((1 << (32 if form == "I" else 64)) - 1))
    try:
        put(made.path, bytes(data), made.size if length is None else length)
        use(made.kind, made.path)
    finally:
        put(made.path, made.good, made.size)
    assert use(made.kind, made.path), "the good one still opens: nobody wrote into it"


@RELAXED
@given(data=st.binary(max_size=9000), magic=st.booleans())
def test_files_of_any_bytes(made, data, magic) -> None:
    content = made.good[:16] + data if magic else data
    try:
        put(made.path, content, len(content))
        assert not use(made.kind, made.path) or content[:24] == made.good[:24] or made.kind in (WAIT, CLOCK)
    finally:
        put(made.path, made.good, made.size)
