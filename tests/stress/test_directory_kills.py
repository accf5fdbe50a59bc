"""Appenders of the instrument directory killed at every named point, alone and several at once, while others read."""

import re
import signal
import subprocess
import time
from pathlib import Path

from feedhandler.instruments import Directory, Instrument
from tests.stress.outcomes import Race
from tests.stress.processes import end_of

# Point: (passages at which it is tried, what a reader finds of the append).
POINTS = {
    "directory.ready": ((1,), "not_there"),
    "directory.renamed": ((1,), "not_there"),
    "directory.source_written": ((1,), "not_there"),
    "directory.source_counted": ((1,), "not_there"),
    "directory.locked": ((1, 2, 50), "not_there"),
    "words.stored": ((1, 6, 7, 8, 20, 38, 39, 70, 500), "not_there"),
    "directory.written": ((1, 2, 50), "not_there"),
    "directory.counted": ((1, 2, 50), "there"),
}
ALLOWED = {
    "not_there": "killed before the count was raised: the entry, the source or the file does not exist",
    "there": "killed behind it: the entry is whole",
}
FORBIDDEN = {
    "in_part": "an entry that is not what its appender wrote",
    "lost": "an entry whose id was handed out is not there",
    "twice": "one instrument with two ids",
}


BATCH = 100
BATCHES = {
    # Point: passage, and how many batches a reader finds. A source's name is 6 words, an entry 32.
    "directory.locked": ((1, 2), 0),
    "words.stored": ((7, 6 + 32 * 50, 6 + 32 * BATCH, 6 + 32 * BATCH + 1, 6 + 32 * (BATCH + 50)), 0),
    "directory.written": ((1, 2), 0),
    "directory.counted": ((1, 2), 1),
}


def start(
    programs: Path, path: Path, name: str, *, count: int = 1000, batch: int = 1, die: str = ""
) -> subprocess.Popen:
    program = programs / ("directory_points" if die else "directory")
    options = [f"path={path}", f"name={name}", f"count={count}", f"batch={batch}", f"die={die}"]
    return subprocess.Popen([program, *options], stdout=subprocess.PIPE, text=True)


def expected(name: str, source: int, n: int, number: int) -> Instrument:
    return Instrument(
        id=number, source=source, venue_symbol=f"{name}-{n}", symbol=f"{name}-{n}/{'x' * 40}"[:71], tick=float(n),
        lot=1.0 / n, price_decimals=n % 9, size_decimals=0, keying="none", currency="EUR", calendar="always",
    )  # fmt: skip


def judge(directory: Directory, handed_out: dict[str, list[int]], race: Race) -> None:
    """Compare every entry with what its appender wrote, and every id that was handed out with its entry."""
    seen: dict[tuple[int, str], int] = {}
    for entry in directory.all():
        name, _, n = entry.venue_symbol.partition("-")
        if entry != expected(name, directory.source_id(name), int(n), entry.id):
            race.saw("in_part")
        if (entry.source, entry.venue_symbol) in seen:
            race.saw("twice")
        seen[entry.source, entry.venue_symbol] = entry.id
    for name, ids in handed_out.items():
        for n, number in enumerate(ids, 1):
            if seen.get((directory.source_id(name), f"{name}-{n}")) != number:
                race.saw("lost")


def test_an_appender_killed_at_any_point_leaves_whole_entries(programs: Path, tmp_path: Path, tell) -> None:
    race = Race("an appender of the directory, killed at every point", ALLOWED, FORBIDDEN)
    handed_out: dict[str, list[int]] = {}
    reader = None
    for i, (point, turn) in enumerate((point, turn) for point, (turns, _) in POINTS.items() for turn in turns):
        path = tmp_path / ("fresh" if point in ("directory.ready", "directory.renamed") else "instruments.dir")
        process = start(programs, path, f"s{i}", die=f"{point}:{turn}:{int(signal.SIGKILL)}")
        ids = [int(line) for line in process.stdout]
        assert end_of(process) == -signal.SIGKILL, f"{point} was not passed {turn} times"
        if path.name == "fresh":
            assert path.exists() == (point == "directory.renamed")
            race.saw("not_there")
            continue
        handed_out[f"s{i}"] = ids
        reader = reader or Directory(path)
        reader.refresh()
        found = sum(entry.venue_symbol.startswith(f"s{i}-") for entry in reader.all())
        outcome = {0: "not_there", 1: "there"}[found - len(ids)]
        race.saw(outcome)
        assert outcome == POINTS[point][1], f"killed at {point}, passage {turn}"
        assert (reader.source_id(f"s{i}") > 0) == (
            point != "directory.source_written" and not (point == "words.stored" and turn <= 6)
        )
    process = start(programs, tmp_path / "instruments.dir", "last", count=100)
    handed_out["last"] = [int(line) for line in process.stdout]
    assert end_of(process) == 0
    assert len(handed_out["last"]) == 100
    reader.refresh()
    judge(reader, handed_out, race)
    judge(Directory(tmp_path / "instruments.dir"), handed_out, race)
    tell(race.judge(*ALLOWED))


def test_a_bulk_append_killed_at_any_point_is_there_whole_or_not_at_all(programs: Path, tmp_path: Path, tell) -> None:
    race = Race("a bulk append, killed at every point", ALLOWED, FORBIDDEN)
    path = tmp_path / "instruments.dir"
    reader = Directory(path, writable=True)
    handed_out: dict[str, list[int]] = {}
    for i, (point, turn) in enumerate((point, turn) for point, (turns, _) in BATCHES.items() for turn in turns):
        name = f"b{i}"
        process = start(programs, path, name, batch=BATCH, die=f"{point}:{turn}:{int(signal.SIGKILL)}")
        handed_out[name] = [int(line) for line in process.stdout]
        assert end_of(process) == -signal.SIGKILL, f"{point} was not passed {turn} times"
        reader.refresh()
        more = sum(one.venue_symbol.startswith(f"{name}-") for one in reader.all()) - len(handed_out[name])
        outcome = {0: "not_there", BATCH: "there"}.get(more, "in_part")
        race.saw(outcome)
        assert more == BATCH * BATCHES[point][1], f"killed at {point}, passage {turn}"
    judge(Directory(path), handed_out, race)
    tell(race.judge(*ALLOWED))


def test_several_appenders_killed_at_random_hand_out_every_id_once(programs: Path, tmp_path: Path, tell) -> None:
    race = Race("four appenders at once, killed at random", ALLOWED, FORBIDDEN)
    path = tmp_path / "instruments.dir"
    reader = Directory(path, writable=True)
    handed_out: dict[str, list[int]] = {}
    for turn in range(8):
        running = {f"t{turn}x{i}": start(programs, path, f"t{turn}x{i}", count=100_000) for i in range(4)}
        time.sleep(0.01 * (turn + 1))
        reader.refresh()
        for process in running.values():
            process.kill()
        for name, process in running.items():
            handed_out[name] = [int(line) for line in process.stdout.read().splitlines()[:-1]]
            process.wait()
    judge(Directory(path), handed_out, race)
    reader.refresh()
    judge(reader, handed_out, race)
    race.saw("there", sum(map(len, handed_out.values())))
    tell(race.judge("there"))


def test_no_point_of_the_directory_is_left_out() -> None:
    text = (Path(__file__).resolve().parents[2] / "shm" / "directory.hpp").read_text()
    assert set(re.findall(r'FH_POINT\("([\w.]+)"\)', text)) == POINTS.keys() - {"words.stored"}
