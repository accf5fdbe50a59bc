"""Golden segments: every layout version that was ever written is read as it was, or refused with what to do about it.

`python tests/golden/make.py` writes the files of a new version; those of older ones never change.
"""

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from feedhandler import _native
from feedhandler.board import Board
from feedhandler.clock import Clock
from feedhandler.counters import read_file
from feedhandler.errors import SegmentVersionError
from feedhandler.instruments import Directory
from feedhandler.ring import Attach, Reader
from tests.golden.make import KINDS, plain, version_of

HERE = Path(__file__).resolve().parents[1] / "golden"
FILES = sorted(HERE.glob("*.gz"))


class Golden(NamedTuple):
    """One file, unpacked into a folder under the name it had."""

    kind: str
    version: int
    path: Path
    expected: dict[str, Any]


def unpack(packed: Path, folder: Path) -> Golden:
    facts = json.loads(packed.with_suffix(".json").read_text())
    data = gzip.decompress(packed.read_bytes())
    assert hashlib.sha256(data).hexdigest() == facts["provenance"]["sha256"], "a golden file never changes"
    path = folder / facts["provenance"]["file"]
    path.write_bytes(data)
    kind, version = packed.stem.split("-v")
    return Golden(kind, int(version), path, facts["expected"])


def read_ring(golden: Golden) -> Any:
    reader = Reader(golden.path.parent, golden.expected["name"], from_oldest=True, follow=False, losses="count")
    reader.open()
    found = {
        "name": golden.expected["name"], "epoch": reader.epoch, "previous_epoch": reader.previous_epoch,
        "previous_last": reader.previous_last, "capacity": reader.capacity, "published": reader.published,
        "records": plain(reader.read().records),
    }  # fmt: skip
    assert reader.state() == Attach.WRITER_DEAD
    folder = str(golden.path.parent)
    successor = _native.RingWriter(folder, folder, golden.expected["name"], 64)
    assert (successor.previous_epoch, successor.previous_last) == (golden.expected["epoch"], found["published"])
    session = golden.expected["note"][0]
    return {**found, "note": [session, successor.previous_note(session)]}


def read_wait(golden: Golden) -> Any:
    folder = str(golden.path.parent)
    successor = _native.RingWriter(folder, folder, "golden", 64)
    assert successor.epoch > golden.expected["epoch_hint"]
    return {"epoch_hint": golden.expected["epoch_hint"]}


def read_board(golden: Golden) -> Any:
    board = Board(golden.path.parent)
    return {"depth": board.depth, "publisher_epoch": board.publisher_epoch, "rows": plain(board.rows())}


def read_directory(golden: Golden) -> Any:
    directory = Directory(golden.path)
    instruments = [{name: getattr(one, name) for name in one.__struct_fields__} for one in directory.all()]
    for one in instruments:
        assert directory.find(one["source"], one["venue_symbol"]) == one["id"]
    return {"sources": {str(i): name for i, name in directory.sources().items()}, "instruments": instruments}


def read_counters(golden: Golden) -> Any:
    cells = {name: {str(slot): n for slot, n in slots.items()} for name, slots in read_file(golden.path).items()}
    return {"cells": cells}


def read_clock(golden: Golden) -> Any:
    return {"offset_ns": Clock(golden.path.parent).offset_ns, "steps": 0}


READ: dict[str, Callable[[Golden], Any]] = {
    "ring": read_ring, "wait": read_wait, "board": read_board, "directory": read_directory,
    "counters": read_counters, "clock": read_clock,
}  # fmt: skip

# What this release does not read any more, and what it says then. Everything else is read for ever.
REFUSED: dict[str, str] = {
    "board-v1": "an older feedhandler wrote it: layout version 1, and this one reads 2; restart the conflator, which makes a new one",
    "counters-v1": "an older feedhandler wrote it: layout version 1, and this one reads 2; restart its process, which makes a new one",
}


def test_every_kind_has_a_golden_file_of_the_present_version(tmp_path: Path) -> None:
    have = {path.stem for path in FILES}
    for kind, make in KINDS.items():
        folder = tmp_path / kind
        folder.mkdir()
        path, _ = make(folder)
        assert f"{kind}-v{version_of(kind, path.read_bytes())}" in have, "run `python tests/golden/make.py`"


@pytest.mark.parametrize("packed", FILES, ids=lambda path: path.stem)
def test_a_golden_file_is_read_as_it_was_or_refused_with_advice(packed: Path, tmp_path: Path) -> None:
    golden = unpack(packed, tmp_path)
    why = REFUSED.get(packed.stem)
    if why is None:
        assert READ[golden.kind](golden) == golden.expected
        return
    with pytest.raises(SegmentVersionError) as caught:
        READ[golden.kind](golden)
    assert (caught.value.why, caught.value.number) == (why, golden.version)


def test_a_reader_changes_nothing_of_what_it_reads(tmp_path: Path) -> None:
    for packed in FILES:
        golden = unpack(packed, tmp_path)
        if golden.kind in ("ring", "board", "counters", "directory") and packed.stem not in REFUSED:
            before = golden.path.read_bytes()
            readers: dict[str, Callable[[], Any]] = {
                "ring": Reader(tmp_path, "golden", from_oldest=True, follow=False, losses="count").open, "board": lambda: Board(tmp_path).rows(),
                "directory": lambda path=golden.path: Directory(path).all(),
                "counters": lambda path=golden.path: read_file(path),
            }  # fmt: skip
            readers[golden.kind]()
            assert np.array_equal(np.frombuffer(before, np.uint8), np.frombuffer(golden.path.read_bytes(), np.uint8))
