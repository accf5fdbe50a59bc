"""The Parquet sink: every record once, whatever kills it, and readable by anyone's tools."""

import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedhandler.record import manifest
from feedhandler.record.format import GapReason
from feedhandler.record.journal import NO_RECORDS, Block
from feedhandler.record.names import FixedNames
from feedhandler.record.parquet import ParquetSink
from feedhandler.record.parquet_read import files, read_table
from feedhandler.record.parquet_schema import COLUMNS, DAY_NS, decode_name, encode_name
from feedhandler.record.sink import SinkError
from feedhandler.tick import TICK

SYMBOLS = ["BTC/USDT:USDT", "EUR/USD", "a b", "ÄÖ%2F", "#5", "=x=y"]
NAMES = FixedNames(
    json.dumps(
        {
            "sources": {"1": "sim/venue:1", "2": "plain", "3": "50% off=x"},
            "instruments": [
                {"id": i + 1, "symbol": s, "venue_symbol": s.replace("/", "")} for i, s in enumerate(SYMBOLS)
            ],
        }
    ).encode()
)
T0 = 20_000 * DAY_NS - 50_000_000  # 50 ms before midnight UTC


def block(first: int, count: int, *, ring: str = "h1", epoch: int = 9) -> Block:
    records = np.zeros(count, TICK)
    seq = np.arange(first, first + count)
    records["seq"] = seq
    records["ts_recv"] = T0 + seq * 100_000
    records["ts_event"] = np.where(seq % 4 == 0, 0, T0 + seq)
    records["price"] = np.where(seq % 5 == 0, np.nan, seq / 7)
    records["size"] = seq / 3
    records["ref"] = np.uint64(2**64 - 1) - seq.astype(np.uint64)
    records["instrument"] = seq % 8  # 0 is the whole source, 7 is unknown
    records["source"] = seq % 5  # 0 is none, 4 is unknown
    records["kind"] = seq % 15
    records["side"] = seq % 3
    records["action"] = seq % 7
    records["flags"] = seq % 256
    records["level"] = seq % 65536
    records["delay"] = np.uint32(2**32 - 1) - seq.astype(np.uint32)
    return Block(ring, epoch, first, first + count - 1, records)


def sink(folder: Path, rows: int = 10_000) -> ParquetSink:
    made = ParquetSink(folder, NAMES, rows, 5.0)
    made.open()
    return made


def rows_of(table: Any) -> list[tuple[Any, ...]]:
    """Rows as plain tuples (NaN as None), in the order of their identity."""
    names = [name for name, _, _ in COLUMNS] + ["date", "source"]
    columns = [[None if v != v else v for v in table.column(name).to_pylist()] for name in names]
    return sorted(zip(*columns, strict=True), key=lambda row: (row[0], row[1], row[2]))


def expected_rows(blocks: list[Block]) -> list[tuple[Any, ...]]:
    rows = []
    for each in blocks:
        for record in each.records:
            fields = {name: None if record[name] != record[name] else record[name].item() for name in TICK.names}
            symbol, venue = NAMES.symbol(fields["instrument"])
            named = {
                "ring": each.ring, "epoch": each.epoch, "symbol": symbol, "venue_symbol": venue,
                "source_id": fields["source"],
            }  # fmt: skip
            row = {**fields, **named}
            date = str(np.datetime64(fields["ts_recv"], "ns").astype("datetime64[D]"))
            rows.append((*(row[name] for name, _, _ in COLUMNS), date, NAMES.source(fields["source"])))
    return sorted(rows, key=lambda row: (row[0], row[1], row[2]))


def test_every_field_of_every_record_comes_back(tmp_path: Path) -> None:
    made = sink(tmp_path)
    blocks = [block(1, 700), block(1, 300, ring="derived"), block(701, 500), block(1, 100, epoch=10)]
    for each in blocks:
        made.add(each)
    made.commit(0)
    made.close()
    expected = expected_rows(blocks)
    assert rows_of(read_table(tmp_path)) == expected
    assert len({row[-2] for row in expected}) == 2  # the batch spans midnight
    # Anyone's tools see the same rows and the same names, by hive discovery over a plain glob.
    dataset = ds.dataset(tmp_path, format="parquet", partitioning="hive").to_table()
    assert rows_of(dataset) == expected
    assert rows_of(pq.read_table(tmp_path)) == expected
    con = duckdb.connect()
    glob = f"read_parquet('{tmp_path}/**/*.parquet', hive_types_autocast=false)"
    columns = ", ".join([name for name, _, _ in COLUMNS] + ["date", "source"])
    assert rows_of(con.sql(f"SELECT {columns} FROM {glob}").to_arrow_table()) == expected


@given(st.text(min_size=1))
def test_names_round_trip_through_folder_names(name: str) -> None:
    if any(0xD800 <= ord(c) < 0xE000 for c in name):
        return  # lone surrogates are not text
    encoded = encode_name(name)
    assert decode_name(encoded) == name
    assert not set(encoded) & set("/:=# *?")


def test_symbols_are_found_by_row_group_statistics(tmp_path: Path) -> None:
    made = ParquetSink(tmp_path, NAMES, 200_000, 5.0)
    made.open()
    big = block(1, 150_000)
    big.records["source"] = 2
    big.records["ts_recv"] = T0
    made.add(big)
    made.commit(0)
    made.close()
    (file,) = files(tmp_path)
    data = pq.ParquetFile(tmp_path / file.path)
    place = data.schema_arrow.get_field_index("symbol")
    bounds = [data.metadata.row_group(i).column(place).statistics for i in range(data.num_row_groups)]
    assert [(b.min, b.max) for b in bounds] == sorted((b.min, b.max) for b in bounds)
    assert sum(b.min <= "EUR/USD" <= b.max for b in bounds) < len(bounds)
    assert data.metadata.row_group(0).column(place).compression == "ZSTD"
    got = read_table(tmp_path, symbol="EUR/USD", columns=["symbol", "seq"])
    assert got.column("seq").to_pylist() == [s for s in range(1, 150_001) if s % 8 == 2]


def test_metadata_tells_columns_units_and_codes(tmp_path: Path) -> None:
    made = sink(tmp_path)
    made.add(block(1, 10))
    made.commit(0)
    made.close()
    schema = pq.read_schema(tmp_path / files(tmp_path)[0].path)
    told = json.loads(schema.metadata[b"feedhandler"])
    assert set(told["columns"]) == {name for name, _, _ in COLUMNS} == set(schema.names)
    assert told["codes"]["kind"]["2"] == "LEVEL"
    assert b"ns since the Unix epoch" in schema.field("ts_recv").metadata[b"description"]


def test_it_commits_by_rows_and_by_age(tmp_path: Path) -> None:
    made = sink(tmp_path, rows=100)
    assert not made.due(0)
    made.add(block(1, 60))
    assert made.room == 40
    assert not made.due(1_000_000_000)
    assert not made.due(5_999_999_999)
    assert made.due(6_000_000_000)
    made.add(block(61, 40))
    assert made.due(1_000_000_000)
    made.commit(0)
    assert (made.room, made.stats.rows, made.stats.commits) == (100, 100, 1)
    assert not made.due(99_000_000_000)


class Killed(BaseException):
    """SIGKILL at a chosen moment: nothing after it runs, not even a handler of OSError."""


@pytest.mark.parametrize("moment", ["before the rename", "between files", "before the manifest", "in the manifest"])
def test_a_kill_in_a_commit_leaves_no_row_twice_and_none_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    made = sink(tmp_path)
    made.add(block(1, 100))
    made.commit(0)
    made.add(block(101, 100))
    replaced = []

    def replace(path: Path, target: Path) -> Path:
        data = target.name.endswith(".parquet")
        if moment == "before the rename" and data:
            raise Killed
        if moment == "between files" and data and replaced:
            raise Killed
        if moment in ("before the manifest", "in the manifest") and not data:
            raise Killed
        replaced.append(target)
        return real(path, target)

    real = Path.replace
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        if moment == "before the manifest":
            patch.setattr(manifest, "replace_file", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            made.commit(0)
    made._lock.release()  # as the process's end does
    again = ParquetSink(tmp_path, NAMES, 10_000, 5.0)
    assert again.open() == {"h1": (9, 100)}
    assert rows_of(pq.read_table(tmp_path)) == expected_rows([block(1, 100)])
    again.add(block(101, 100))
    again.commit(0)
    again.close()
    assert rows_of(pq.read_table(tmp_path)) == expected_rows([block(1, 200)])
    assert rows_of(read_table(tmp_path)) == expected_rows([block(1, 200)])
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_disk_that_refuses_changes_nothing_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = sink(tmp_path)
    made.add(block(1, 100))
    real = pq.write_table
    calls = []

    def refuse(*args: Any, **kwargs: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", refuse)
        with pytest.raises(OSError, match="No space"):
            made.commit(0)
    assert not [path for path in tmp_path.rglob("*part-*") if path.is_file()]
    made.commit(0)
    assert rows_of(pq.read_table(tmp_path)) == expected_rows([block(1, 100)])


def test_gaps_move_the_position_and_are_in_the_manifest(tmp_path: Path) -> None:
    made = sink(tmp_path)
    made.add(block(1, 10))
    made.add(Block("h1", 9, 11, 20, NO_RECORDS, GapReason.LAPPED))
    made.add(block(21, 5))
    made.commit(0)
    made.close()
    (commit,) = manifest.load(tmp_path).recent
    assert commit.ranges == [("h1", 9, 1, 10), ("h1", 9, 21, 25)]
    assert commit.gaps == [("h1", 9, 11, 20, "LAPPED")]
    assert manifest.load(tmp_path).positions == {"h1": (9, 25)}


def test_old_commits_are_sealed_and_still_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "SEAL_COMMITS", 3)
    made = sink(tmp_path)
    for i in range(8):
        made.add(block(1 + i * 4, 4))
        made.commit(0)
    made.close()
    state = manifest.load(tmp_path)
    assert len(state.sealed) == 2
    assert [c.commit for c in manifest.commits(tmp_path, state)] == list(range(1, 9))
    assert rows_of(read_table(tmp_path)) == expected_rows([block(1, 32)])
    again = sink(tmp_path)
    again.close()
    assert rows_of(pq.read_table(tmp_path)) == expected_rows([block(1, 32)])


def test_files_that_are_not_ours_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "date=2020-01-01" / "source=x" / "mine.parquet"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"x")
    sink(tmp_path).close()
    assert other.exists()


def test_a_lost_or_damaged_manifest_is_refused_and_nothing_is_removed(tmp_path: Path) -> None:
    made = sink(tmp_path)
    for i in range(2):
        made.add(block(1 + i * 4, 4))
        made.commit(0)
    made.close()
    before = sorted(tmp_path.rglob("*.parquet"))
    saved = (tmp_path / manifest.NAME).read_bytes()
    (tmp_path / manifest.NAME).unlink()
    with pytest.raises(SinkError, match=r"_manifest\.json is missing"):
        sink(tmp_path)
    (tmp_path / manifest.NAME).write_bytes(saved[:-5])
    with pytest.raises(SinkError, match=r"_manifest\.json"):
        sink(tmp_path)
    (tmp_path / manifest.NAME).write_bytes(saved.replace(b'"version":1', b'"version":7'))
    with pytest.raises(SinkError, match="version 7"):
        sink(tmp_path)
    assert sorted(tmp_path.rglob("*.parquet")) == before


def test_two_sinks_on_one_folder_are_refused(tmp_path: Path) -> None:
    first = sink(tmp_path)
    with pytest.raises(SinkError, match="has a writer already, pid"):
        sink(tmp_path)
    first.close()
    sink(tmp_path).close()
