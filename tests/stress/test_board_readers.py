"""Reader processes beside a writer that never waits and is killed again and again.

Allowed: a row of one write, whole, never older than the one before; a row that says that its writer died in it, until
the successor's board; a change told late, or by a scan of all rows. Forbidden: a mixture of two writes; a row that goes
back; an end at which a reader that only ever looked at changes holds another value than the board.
"""

import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from feedhandler.board import Board

ROOT = Path(__file__).resolve().parents[2]
INSTRUMENTS = 40
READERS = 4

# Writes rows at random until its input has a line; then a last word for each, and stays until it is killed. Every word
# of a row is the same number, which names the instrument too, so that a mixture of two writes shows.
WRITER = """
import random, select, sys
import numpy as np
from feedhandler import _native, clock
from feedhandler.board import row_dtype
folder, epoch = sys.argv[1], int(sys.argv[2])
board = _native.BoardWriter(folder, 4, 40, epoch, 1024)
raw = np.zeros(row_dtype(4).itemsize, "u1")
words = raw.view("<u8")
value = epoch * 1_000_000_000
def put(instrument):
    global value
    value += 1
    words.fill(value * 64 + instrument)
    board.write(instrument, raw)
chance = random.Random(epoch)
for instrument in range(1, 41):
    put(instrument)
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    hot = [chance.randint(1, 40), 1, 2, 3, 1, 3, 2]
    for _ in range(20):
        for instrument in hot:
            put(instrument)
    board.wake()
    board.heartbeat(clock.monotonic_ns())
for instrument in range(1, 41):
    put(instrument)
board.wake()
print(value * 64, flush=True)
select.select([], [], [], 300)
"""

# Holds what changes() told it, by the way of reading that it is given; ends once it holds the last word.
READER = """
import json, select, sys, time
from feedhandler import clock
from feedhandler.board import Board
from feedhandler.errors import TornRowError
folder, way, pause_ns = sys.argv[1], sys.argv[2], int(sys.argv[3])
board, cursor, held = Board(folder), 0, {}
seen = dict(rows=0, mixtures=0, backwards=0, torn=0, rescans=0, restarts=0, turns=0)
def take(instrument, words):
    seen["rows"] += 1
    value = int(words[2])
    if (words[2:48] != value).any() or value % 64 != instrument:
        seen["mixtures"] += 1
    elif value < held.get(instrument, 0):
        seen["backwards"] += 1
    else:
        held[instrument] = value
def bulk(ids):
    rows = board.read(ids) if way == "read" else board.table()[ids]
    for instrument, words in zip(ids.tolist(), rows.view("<u8").reshape(len(ids), 48)):
        if words[0] & 1:
            seen["torn"] += 1
        else:
            take(instrument, words)
def one_by_one(ids):
    for instrument in ids.tolist():
        try:
            take(instrument, board.row(instrument).reshape(1).view("<u8"))
        except TornRowError:
            seen["torn"] += 1
print("ready", flush=True)
last, deadline = None, clock.monotonic_ns() + 600_000_000_000
while clock.monotonic_ns() < deadline:
    if last is None and select.select([sys.stdin], [], [], 0)[0]:
        last = int(sys.stdin.readline())
    if last is not None and len(held) == 40 and max(held.values()) >= last:
        break
    board.wait(cursor, 20_000_000)
    if board.follow():
        seen["restarts"] += 1
        held.clear()
    ids, cursor, rescanned = board.changes(cursor)
    seen["rescans"] += rescanned
    seen["turns"] += 1
    (one_by_one if way == "row" else bulk)(ids.copy())
    time.sleep(pause_ns / 1e9)
print(json.dumps([seen, held]), flush=True)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="fh-board-stress-"))
    yield path
    shutil.rmtree(path)


def start(program: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", program, *map(str, arguments)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def run(folder: Path, lives: int, life_s: float) -> list[list]:
    """Let readers follow a writer over so many lives; return what each reader saw and holds."""
    chance = random.Random(lives)
    writer = start(WRITER, folder, 1)
    ways = [("row", 0), ("read", 0), ("table", 1_000_000), ("read", 50_000_000)][:READERS]
    readers = [start(READER, folder, *way) for way in ways]
    try:
        for epoch in range(2, lives + 1):
            with pytest.raises(subprocess.TimeoutExpired):
                writer.wait(life_s * (0.5 + chance.random()))
            writer.kill()
            writer.wait()
            writer = start(WRITER, folder, epoch)
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(life_s)
        writer.stdin.write("\n")  # type: ignore[union-attr]
        writer.stdin.flush()  # type: ignore[union-attr]
        last = writer.stdout.readline()  # type: ignore[union-attr]
        answers = [json.loads(reader.communicate(last, timeout=120)[0]) for reader in readers]
    finally:
        for process in (writer, *readers):
            process.kill()
            process.wait()
    return answers


def judge(folder: Path, answers: list[list], lives: int) -> None:
    rows = Board(folder).rows()
    words = rows.view("<u8").reshape(len(rows), 48)
    final = {str(n % 64): n for n in words[:, 2].tolist()}
    assert len(final) == INSTRUMENTS
    for seen, held in answers:
        assert (seen["mixtures"], seen["backwards"]) == (0, 0), seen
        assert held == final, seen
        assert 0 < seen["restarts"] < lives, seen
        assert min(seen["rows"], seen["turns"]) > 10, seen
    assert answers[-1][0]["rescans"] > lives, "the slow one is overtaken by the log"


def test_readers_hold_the_boards_last_word_over_killed_writers(folder: Path) -> None:
    lives = 3
    judge(folder, run(folder, lives, 0.3), lives)


@pytest.mark.soak
def test_readers_hold_the_boards_last_word_over_many_killed_writers(folder: Path) -> None:
    lives = 100
    judge(folder, run(folder, lives, 1.0), lives)
