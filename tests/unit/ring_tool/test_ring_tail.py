"""`feedhandler ring tail`: records for people and for programs, as they come."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ring_rig import COMMAND, T0, connected, directory, level, publish, ring, trade, writer

from feedhandler.tick import Flag, Kind

TIME = "2023-11-14T22:13:20.000000000Z"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[object]:
    started = []

    def run(*arguments: object) -> "subprocess.Popen[str]":
        command = [*COMMAND, "tail", "r1", "--shm-dir", tmp_path, *arguments]
        process = subprocess.Popen([str(each) for each in command], stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


def lines(*arguments: object) -> list[str]:
    done = ring("tail", "r1", "--no-follow", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_records_read_like_sentences(tmp_path: Path) -> None:
    state = directory(tmp_path)
    held = writer(tmp_path)
    skip = {"kind": Kind.SKIP, "ref": 9, "size": 300, "instrument": 2, "flags": Flag.LAST | Flag.GAP}
    odd = {"kind": 99, "instrument": 7, "source": 5, "ts_recv": 0, "level": 3}
    publish(held, connected(), level(1.25, 3.0), trade(1.5, 1e13, 2), skip, odd)
    assert lines("--shm-dir", tmp_path, "--state-dir", state) == [
        f"{TIME}           1  simvenue *  STATE  CONNECTED  reason 2  LAST",
        f"{TIME}           2  simvenue EUR/USD  LEVEL  BID NEW 1.25 x 3.0  LAST",
        f"{TIME}           3  simvenue GBP/USD  TRADE  ASK 1.5 x 10000000000000.0 ref 77  LAST",
        f"{TIME}           4  simvenue GBP/USD  SKIP  300 records from 9 on were not written  LAST|GAP",
        "-           5  #5 #7  99  at 3  LAST",
    ]


def test_json_is_the_record_with_its_names(tmp_path: Path) -> None:
    state = directory(tmp_path)
    held = writer(tmp_path)
    publish(held, level(1.25, 3.0))
    (line,) = lines("--shm-dir", tmp_path, "--state-dir", state, "--json")
    assert json.loads(line) == {
        "ring": "r1", "epoch": held.epoch, "seq": 1, "ts_event": T0 - 5, "ts_recv": T0, "price": 1.25, "size": 3.0,
        "ref": 0, "instrument": 1, "source": 1, "kind": "LEVEL", "side": "BID", "action": "NEW", "flags": 128,
        "level": 0, "delay": 1000, "symbol": "EUR/USD", "source_name": "simvenue",
    }  # fmt: skip


def seqs(*arguments: object) -> list[int]:
    return [json.loads(line)["seq"] for line in lines("--json", *arguments)]


def test_how_much_of_what_is_held(tmp_path: Path) -> None:
    held = writer(tmp_path, capacity=64)
    publish(held, *[trade(1.5, i) for i in range(20)])
    at = ("--shm-dir", tmp_path)
    assert seqs(*at) == list(range(11, 21))
    assert seqs(*at, "--last", 3) == [18, 19, 20]
    assert seqs(*at, "--last", 0) == []
    assert seqs(*at, "--all") == list(range(1, 21))
    assert seqs(*at, "--all", "--count", 4) == [1, 2, 3, 4]
    assert seqs(*at, "--count", 4) == [17, 18, 19, 20]
    publish(held, *[trade(1.5, i) for i in range(100)])
    assert seqs(*at, "--all")[-1] == 120
    assert seqs(*at, "--all")[0] > 120 - 64


def test_filters_look_back_for_what_passes(tmp_path: Path) -> None:
    state = directory(tmp_path)
    held = writer(tmp_path)
    publish(held, connected(), level(1, 1), trade(2, 1, 2), *[level(1, i) for i in range(300)])
    at = ("--shm-dir", tmp_path, "--state-dir", state)
    assert seqs(*at, "--symbol", "GBP/USD") == [3]
    assert seqs(*at, "--symbol", "GBPUSD") == [3]
    assert seqs(*at, "--symbol", "#2") == [3]
    assert seqs(*at, "--kind", "trade", "--kind", "STATE") == [1, 3]
    assert seqs(*at, "--symbol", "GBP/USD", "--symbol", "EUR/USD", "--last", 301)[:2] == [3, 4]
    assert seqs(*at, "--source", "simvenue", "--kind", "state") == [1]
    assert seqs(*at, "--source", "#9") == []


@pytest.mark.parametrize(
    ("option", "code", "message"),
    [
        (("--symbol", "EUR/USB"), 1, "no symbol 'EUR/USB' in the instrument directory; did you mean 'EUR/USD'?\n"),
        (("--source", "zzz"), 1, "no source 'zzz' in the instrument directory\n"),
        (("--kind", "tick"), 2, "'tick' is no kind of record; kinds are event, level, trade, "),
    ],
)
def test_a_filter_that_names_nothing_is_one_line(tmp_path: Path, option: tuple, code: int, message: str) -> None:
    state = directory(tmp_path)
    held = writer(tmp_path)
    done = ring("tail", "r1", "--shm-dir", tmp_path, "--state-dir", state, *option)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
    assert done.stderr.startswith(message)
    del held


def test_names_need_the_directory(tmp_path: Path) -> None:
    held = writer(tmp_path)
    done = ring("tail", "r1", "--shm-dir", tmp_path, "--symbol", "EUR/USD")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "give --config or --state-dir" in done.stderr
    del held


def test_a_ring_that_is_not_there(tmp_path: Path) -> None:
    done = ring("tail", "r1", "--shm-dir", tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"{tmp_path}/r1: ")


def test_it_follows_a_restart_and_tells_what_happens(tmp_path: Path, start) -> None:  # type: ignore[no-untyped-def]
    held = writer(tmp_path)
    publish(held, trade(1.5, 1))
    process = start("--json")
    told = [json.loads(process.stdout.readline())]
    old = held.epoch
    del held
    told.append(json.loads(process.stdout.readline()))
    held = writer(tmp_path)
    told.append(json.loads(process.stdout.readline()))
    publish(held, trade(1.75, 1))
    told.append(json.loads(process.stdout.readline()))
    assert [(each["epoch"], each.get("state"), each.get("previous_epoch"), each.get("price")) for each in told] == [
        (old, None, None, 1.5),
        (old, "WRITER_DEAD", None, None),
        (held.epoch, None, old, None),
        (held.epoch, None, None, 1.75),
    ]
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert process.stdout.read() == ""


def test_a_lap_is_told_with_its_number(tmp_path: Path, start) -> None:  # type: ignore[no-untyped-def]
    held = writer(tmp_path, capacity=64)
    publish(held, trade(1.5, 1))
    process = start("--count", 40)
    assert process.stdout.readline().split()[1] == "1"
    process.send_signal(signal.SIGSTOP)
    for _ in range(10):
        publish(held, *[trade(1.5, 1)] * 20)
    process.send_signal(signal.SIGCONT)
    told = process.stdout.readline()
    words = told.split()
    assert words[:3] + words[4:] == ["--", "r1:", "lost", "records:", "overwritten", "before", "they", "were", "read"]
    lost = int(words[3])
    assert int(process.stdout.readline().split()[1]) == 2 + lost
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0


def test_count_ends_it_while_it_follows(tmp_path: Path, start) -> None:  # type: ignore[no-untyped-def]
    held = writer(tmp_path)
    publish(held, trade(1.5, 1))
    process = start("--count", 3)
    assert process.stdout.readline().split()[1] == "1"
    publish(held, *[trade(1.5, 1)] * 10)
    out, _ = process.communicate(timeout=30)
    assert [line.split()[1] for line in out.splitlines()] == ["2", "3"]
    assert process.returncode == 0


def test_cat_is_json_lines_of_what_is_held(tmp_path: Path) -> None:
    held = writer(tmp_path)
    publish(held, trade(1.5, 1), trade(1.5, 2))
    done = ring("cat", tmp_path, "r1")
    assert [json.loads(line)["size"] for line in done.stdout.splitlines()] == [1.0, 2.0]
    assert ring("cat", tmp_path, "r1", "--no-oldest").stdout == ""
