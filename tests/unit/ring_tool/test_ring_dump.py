"""`feedhandler ring dump`: a range of an epoch in each format, of living, dead and copied rings."""

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from ring_rig import T0, connected, directory, level, publish, ring, trade, writer

from feedhandler import _native
from feedhandler.ring import aligned_records
from feedhandler.ring_tool.dump import chunks
from feedhandler.tick import TICK, Kind


@pytest.fixture
def filled(tmp_path: Path) -> tuple[_native.RingWriter, Path]:
    held = writer(tmp_path)
    publish(held, connected(), level(0.1, 3.0), trade(1e-12, 1e13, 2), {"kind": 99, "instrument": 9})
    return held, directory(tmp_path)


def dumped(*arguments: object) -> list[dict]:
    done = ring("dump", *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") == 1
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_json_lines_are_those_of_tail(tmp_path: Path, filled: tuple) -> None:
    held, state = filled
    at = ("r1", "--shm-dir", tmp_path, "--state-dir", state)
    done = ring("dump", *at)
    assert done.stdout == ring("tail", *at, "--json", "--no-follow").stdout
    assert done.stderr == f"r1.{held.epoch}: seq 1 to 4, 4 records written\n"


def test_raw_records_come_back_bit_by_bit(tmp_path: Path, filled: tuple) -> None:
    out = tmp_path / "d.npy"
    done = ring("dump", "r1", "--shm-dir", tmp_path, "--out", out)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.endswith(f": seq 1 to 4, 4 records written to {out}\n")
    got = np.load(out)
    reader = _native.RingReader(str(tmp_path), "r1")
    reader.attach(0, True)
    expected = aligned_records(4)
    assert reader.read_into(expected.view(np.uint8)) == (4, 0)
    assert got.dtype == TICK
    assert got.tobytes() == expected.tobytes()
    assert [path.name for path in tmp_path.glob("*.part")] == []


def test_parquet_has_the_recorders_columns_in_the_order_of_seq(tmp_path: Path, filled: tuple) -> None:
    held, state = filled
    out = tmp_path / "d.parquet"
    ring("dump", "r1", "--shm-dir", tmp_path, "--state-dir", state, "--out", out)
    table = pq.read_table(out)
    rows = table.to_pylist()
    assert [(row["seq"], row["symbol"], row["venue_symbol"], row["source"]) for row in rows] == [
        (1, "*", "*", "simvenue"),
        (2, "EUR/USD", "EURUSD", "simvenue"),
        (3, "GBP/USD", "GBPUSD", "simvenue"),
        (4, "#9", "#9", "simvenue"),
    ]
    assert rows[2] == {
        "ring": "r1", "epoch": held.epoch, "seq": 3, "symbol": "GBP/USD", "venue_symbol": "GBPUSD", "instrument": 2,
        "source_id": 1, "ts_event": T0 - 5, "ts_recv": T0, "delay": 1000, "kind": 3, "side": 2, "action": 0,
        "flags": 128, "level": 0, "price": 1e-12, "size": 1e13, "ref": 77, "source": "simvenue",
    }  # fmt: skip
    assert np.isnan(rows[0]["price"])
    assert json.loads(table.schema.metadata[b"feedhandler"])["layout_version"] == 1


def test_csv_has_names_and_exact_numbers(tmp_path: Path, filled: tuple) -> None:
    _, state = filled
    done = ring("dump", "r1", "--shm-dir", tmp_path, "--state-dir", state, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    short = [(row["kind"], row["side"], row["action"], row["symbol"], row["source"]) for row in rows]
    assert short == [
        ("STATE", "NONE", "NONE", "*", "simvenue"),
        ("LEVEL", "BID", "NEW", "EUR/USD", "simvenue"),
        ("TRADE", "ASK", "NONE", "GBP/USD", "simvenue"),
        ("99", "NONE", "NONE", "#9", "simvenue"),
    ]
    assert rows[0]["price"] == rows[0]["size"] == ""
    assert [(float(row["price"]), float(row["size"])) for row in rows[1:3]] == [(0.1, 3.0), (1e-12, 1e13)]


def test_ranges(tmp_path: Path) -> None:
    held = writer(tmp_path)
    publish(held, *[trade(1.5, i, 1 + i % 2) for i in range(1, 11)])

    def seqs(*arguments: object) -> list[int]:
        return [row["seq"] for row in dumped("r1", "--shm-dir", tmp_path, *arguments)]

    assert seqs() == list(range(1, 11))
    assert seqs("--first", 4, "--last", 6) == [4, 5, 6]
    assert seqs("--count", 2) == [9, 10]
    assert seqs("--last", 6, "--count", 2) == [5, 6]
    assert seqs("--first", 9, "--last", 99) == [9, 10]
    assert seqs("--first", 11) == []
    assert seqs("--first", 2, "--symbol", "#1") == [2, 4, 6, 8, 10]
    assert seqs("--kind", "level") == []


def test_epochs(tmp_path: Path) -> None:
    first = writer(tmp_path)
    publish(first, trade(1.5, 1))
    old = first.epoch
    del first
    second = writer(tmp_path)
    publish(second, trade(1.75, 1), trade(1.75, 1))
    at = ("r1", "--shm-dir", tmp_path)
    assert [row["epoch"] for row in dumped(*at)] == [second.epoch] * 2
    assert [(row["epoch"], row["price"]) for row in dumped(*at, "--epoch", old)] == [(old, 1.5)]
    missing = ring("dump", *at, "--epoch", 5)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr == f"{tmp_path}/r1.5: no such epoch; held are {old}, {second.epoch}\n"


def test_a_dead_writers_file_copied_elsewhere_under_another_name(tmp_path: Path) -> None:
    held = writer(tmp_path)
    publish(held, trade(1.5, 1))
    path, epoch = tmp_path / f"r1.{held.epoch}", held.epoch
    del held
    (tmp_path / "evidence").mkdir()
    copy = tmp_path / "evidence" / "crash-of-monday"
    shutil.copy(path, copy)
    path.unlink()
    assert [(row["ring"], row["epoch"], row["price"]) for row in dumped(copy)] == [("r1", epoch, 1.5)]


def test_a_copy_made_while_its_writer_ran_gives_no_record_for_another(tmp_path: Path) -> None:
    # The header is of before, the records of after the ring went round.
    held = writer(tmp_path, capacity=64)
    publish(held, *[trade(1.0, i) for i in range(40)])
    path = tmp_path / f"r1.{held.epoch}"
    header = path.read_bytes()[:4096]
    publish(held, *[trade(2.0, i) for i in range(30)])
    copy = tmp_path / "copy"
    copy.write_bytes(header + path.read_bytes()[4096:])
    done = ring("dump", copy)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["seq"] for row in rows] == list(range(7, 41))
    assert {row["price"] for row in rows} == {1.0}
    assert done.stderr.endswith("seq 1 to 40, 34 records written; 6 of the range were overwritten\n")


def test_what_is_overwritten_while_it_is_read_is_counted(tmp_path: Path) -> None:
    held = writer(tmp_path, capacity=64)
    publish(held, *[trade(1.0, i) for i in range(10)])
    file = _native.RingFile(str(tmp_path / f"r1.{held.epoch}"))
    publish(held, *[trade(1.0, i) for i in range(70)])
    got = np.concatenate([chunk.copy() for chunk in chunks(file, 1, 80)])
    first = file.oldest
    assert got["seq"].tolist() == list(range(first, 81))
    assert first > 16
    assert [len(chunk) for chunk in chunks(file, 1, 10)] in ([], [0])
    done = ring("dump", "r1", "--shm-dir", tmp_path, "--first", 1)
    assert done.stderr.endswith(f"{81 - first} records written; {first - 1} of the range were overwritten\n")


def test_more_than_a_chunk(tmp_path: Path) -> None:
    held = writer(tmp_path, capacity=1 << 18)
    for _ in range(150):
        publish(held, *[{"kind": Kind.LEVEL, "instrument": 1, "price": 1.5}] * 1000)
    out = tmp_path / "d.npy"
    ring("dump", "r1", "--shm-dir", tmp_path, "--out", out, "--first", 2)
    assert np.array_equal(np.load(out)["seq"], np.arange(2, 150_001))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--format", "parquet"), 2, "parquet goes to a file: give --out\n"),
        (("--out", "x.xlsx"), 2, "'xlsx' is no format; formats are json, csv, parquet, npy: "),
        (("--out", "/nowhere/x.npy"), 1, "/nowhere/x.npy: No such file or directory\n"),
        (("--first", "0"), 2, "--first 0: seqs begin with 1\n"),
    ],
)
def test_one_line_says_what_is_wrong(tmp_path: Path, arguments: tuple, code: int, message: str) -> None:
    held = writer(tmp_path)
    done = ring("dump", "r1", "--shm-dir", tmp_path, *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
    assert done.stderr.startswith(message)
    del held


def test_files_that_are_no_rings(tmp_path: Path) -> None:
    (tmp_path / "zeros").write_bytes(b"\0" * 70_000)
    (tmp_path / "short").write_bytes(b"\0FHRING1" * 10)
    for name in ("zeros", "short"):
        done = ring("dump", tmp_path / name)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert done.stderr.startswith(f"{tmp_path}/{name}")
