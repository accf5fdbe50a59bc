"""The instrument directory: stable ids, shared, on disk."""

import gzip
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import google_crc32c
import pytest

from feedhandler import cli
from feedhandler.errors import (
    SegmentDamagedError,
    SegmentFullError,
    SegmentMissingError,
    SegmentSpaceError,
    SegmentVersionError,
)
from feedhandler.instruments import Directory, Instrument
from tests.support.as_user import as_user
from tests.support.mounts import mounted

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
HEADER_BYTES, ENTRY_BYTES, COUNT_AT, DURABLE_AT, NAMES_AT = 3264, 256, 64, 68, 192


def instruments(source: int, count: int, first: int = 1) -> list[Instrument]:
    """Two venue symbols for each normalized one."""
    return [
        Instrument(source=source, venue_symbol=f"V{i}", symbol=f"S{i // 2}/USD", tick=i / 8)
        for i in range(first, first + count)
    ]


def patch(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def entry_at(number: int) -> int:
    """The offset of an entry."""
    return HEADER_BYTES + (number - 1) * ENTRY_BYTES


def test_ids_survive_a_restart_and_readers_see_appends(tmp_path: Path) -> None:
    path = tmp_path / "instruments.dir"
    writer = Directory(path, writable=True)
    source = writer.add_source("lmax")
    euro = Instrument(source=source, venue_symbol="4001", symbol="EUR/USD", tick=1e-5, lot=0.01, price_decimals=5)
    assert (writer.add(euro), writer.add(euro)) == (1, 1)
    reader = Directory(path)
    pound = Instrument(source=source, venue_symbol="4002", symbol="GBP/USD", keying="id", currency="USD", calendar="fx")
    assert writer.add(pound) == 2
    assert reader.find(source, "4002") == 0
    assert reader.refresh() == 2
    assert reader.find(source, "4002") == 2
    del writer
    again = Directory(path, writable=True)
    assert again.add_source("lmax") == source
    assert again.add(pound) == 2
    assert [entry.venue_symbol for entry in again.all()] == ["4001", "4002"]
    assert again.get(2) == Instrument(**{**{f: getattr(pound, f) for f in Instrument.__struct_fields__}, "id": 2})
    assert again.get(3) is None


def test_the_same_venue_symbol_of_two_sources_has_two_ids(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "i.dir", writable=True)
    first, second = directory.add_source("a"), directory.add_source("b")
    ids = [directory.add(Instrument(source=s, venue_symbol="X", symbol="X/Y")) for s in (first, second)]
    assert ids == [1, 2]
    assert directory.sources() == {1: "a", 2: "b"}


def test_what_is_not_a_directory_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "i.dir"
    path.write_bytes(b"something else")
    with pytest.raises(SegmentDamagedError, match="it has 14 bytes, too few for an instrument directory"):
        Directory(path)
    with pytest.raises(SegmentMissingError, match=r"missing\.dir: there is none"):
        Directory(tmp_path / "missing.dir")


def test_a_reader_cannot_append_and_names_must_fit(tmp_path: Path) -> None:
    path = tmp_path / "i.dir"
    writer = Directory(path, writable=True)
    with pytest.raises(ValueError, match="venue_symbol is longer than 71 bytes"):
        writer.add(Instrument(source=1, venue_symbol="x" * 72, symbol="x"))
    with pytest.raises(RuntimeError, match="opened for reading"):
        Directory(path).add_source("a")


def test_a_hundred_thousand_instruments_are_added_at_once_and_found_each_way(tmp_path: Path) -> None:
    path = tmp_path / "i.dir"
    writer = Directory(path, writable=True)
    early = Directory(path)
    names = [f"source{i}" for i in range(4)]
    wanted = [one for name in names for one in instruments(writer.add_source(name), 25_000)]
    ids = writer.add_many(wanted)
    assert ids == list(range(1, 100_001))
    assert writer.add_many(reversed(wanted[:10])) == list(range(10, 0, -1))
    writer.sync()
    late = Directory(path)
    assert (early.refresh(), len(late), len(writer)) == (100_000, 100_000, 100_000)
    for directory in (early, late):
        assert [directory.find(one.source, one.venue_symbol) for one in wanted] == ids
        by_symbol: dict[str, list[int]] = {}
        for number, one in zip(ids, wanted, strict=True):
            by_symbol.setdefault(one.symbol, []).append(number)
        assert {symbol: directory.of_symbol(symbol) for symbol in by_symbol} == by_symbol
    assert [(one.id, one.source, one.venue_symbol, one.tick) for one in late.all()] == [
        (number, one.source, one.venue_symbol, one.tick) for number, one in zip(ids, wanted, strict=True)
    ]
    assert (late.find(1, "V0"), late.find(5, "V1"), late.of_symbol("V1"), late.get(100_001)) == (0, 0, [], None)
    assert path.stat().st_blocks * 512 < 40 << 20


def test_a_batch_gives_what_is_there_its_id_and_twins_one(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "i.dir", writable=True)
    source = directory.add_source("a")
    first = instruments(source, 3)
    assert directory.add_many(first) == [1, 2, 3]
    again = Instrument(source=source, venue_symbol="V2", symbol="another/name", tick=99.0)
    twins = [Instrument(source=source, venue_symbol="N", symbol="N/N", tick=t) for t in (1.0, 2.0)]
    assert directory.add_many([again, *twins, first[2]]) == [2, 4, 4, 3]
    assert [one.tick for one in directory.all()] == [1 / 8, 2 / 8, 3 / 8, 1.0]
    assert directory.of_symbol("another/name") == []
    assert directory.add_many([]) == []


def test_a_batch_that_does_not_fit_adds_nothing(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "i.dir", writable=True)
    source = directory.add_source("a")
    directory.add_many(instruments(source, 131_070))
    with pytest.raises(SegmentFullError, match="it holds 131070 instruments of at most 131072: no room for 3 more"):
        directory.add_many(instruments(source, 4, first=131_070))
    with pytest.raises(ValueError, match="symbol is longer"):
        directory.add_many(
            [*instruments(source, 1, first=200_000), Instrument(source=1, venue_symbol="b", symbol="x" * 99)]
        )
    assert directory.refresh() == 131_070
    assert directory.add_many(instruments(source, 2, first=131_071)) == [131_071, 131_072]
    assert directory.add_many(instruments(source, 131_072)) == list(range(1, 131_073))
    for i in range(2, 65):
        assert directory.add_source(f"s{i}") == i
    with pytest.raises(SegmentFullError, match="at most 64 sources"):
        directory.add_source("one too many")


@pytest.mark.parametrize("torn", ["zeros", "half", "a bit"])
def test_a_torn_last_entry_is_not_there_and_the_next_writer_takes_its_place(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "i.dir"
    writer = Directory(path, writable=True)
    source = writer.add_source("a")
    writer.add_many(instruments(source, 4))
    writer.sync()
    writer.add_many(instruments(source, 2, first=5))
    del writer
    data = path.read_bytes()[entry_at(6) : entry_at(7)]
    broken = {
        "zeros": bytes(256),
        "half": data[:128] + bytes(128),
        "a bit": bytes([*data[:44], data[44] ^ 1, *data[45:]]),
    }
    patch(path, entry_at(6), broken[torn])
    reader = Directory(path)
    assert (len(reader), reader.find(source, "V5"), reader.find(source, "V6"), reader.get(6)) == (5, 5, 0, None)
    writer = Directory(path, writable=True)
    assert writer.add_many(instruments(source, 1, first=9)) == [6]
    assert (reader.refresh(), reader.find(source, "V9"), reader.find(source, "V6")) == (6, 6, 0)


def test_an_entry_that_had_been_durable_is_not_cut_but_refused(tmp_path: Path) -> None:
    path = tmp_path / "i.dir"
    writer = Directory(path, writable=True)
    writer.add_many(instruments(writer.add_source("a"), 10))
    writer.sync()
    del writer
    patch(path, entry_at(4) + 50, b"?")
    before = path.read_bytes()
    for writable in (False, True):
        with pytest.raises(SegmentDamagedError, match=r"entry 4 of 10 contradicts its checksum; put back a copy"):
            Directory(path, writable=writable)
    assert path.read_bytes() == before


def test_an_entry_carries_the_sum_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "i.dir"
    writer = Directory(path, writable=True)
    writer.add_many(instruments(writer.add_source("a"), 3))
    for number in (1, 2, 3):
        entry = path.read_bytes()[entry_at(number) : entry_at(number + 1)]
        assert struct.unpack("<I", entry[252:]) == (google_crc32c.value(entry[:252]),)
        assert zlib.crc32(entry[:252]) != google_crc32c.value(entry[:252]), "CRC-32C, not zlib's"


def test_texts_that_are_no_utf_8_are_listed_with_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "i.dir"
    writer = Directory(path, writable=True)
    writer.add(Instrument(source=writer.add_source("lmax"), venue_symbol="EUR", symbol="EUR/USD"))
    patch(path, NAMES_AT, b"l\xff\xc3ax")
    entry = bytearray(path.read_bytes()[entry_at(1) : entry_at(2)])
    entry[40:43] = b"\xfeUR"
    entry[112:184] = b"s" * 72  # no zero byte
    entry[252:] = struct.pack("<I", google_crc32c.value(bytes(entry[:252])))
    patch(path, entry_at(1), bytes(entry))
    directory = Directory(path)
    assert directory.sources() == {1: "l\\xff\\xc3ax"}
    found = directory.get(1)
    assert found is not None
    assert (found.venue_symbol, found.symbol) == ("\\xfeUR", "s" * 72)
    patch(path, 128, struct.pack("<I", 4_000_000_000))  # source_count
    assert len(Directory(path).sources()) == 64


def test_a_full_disk_is_an_error_and_leaves_the_directory_as_it_was() -> None:
    with mounted("tmpfs", "size=1m,mode=755") as folder:

        def fill_and_add() -> tuple[int, int, bool]:
            directory = Directory(folder / "i.dir", writable=True)
            source = directory.add_source("a")
            directory.add_many(instruments(source, 1000))
            (folder / "filler").write_bytes(bytes(os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize))
            added = len(directory.add_many(instruments(source, 23, first=1001)))  # the disk it has
            with pytest.raises(SegmentSpaceError, match=r"taking .* bytes"):
                directory.add_many(instruments(source, 5000, first=2000))
            with pytest.raises(SegmentSpaceError):
                Directory(folder / "another.dir", writable=True)
            return added, Directory(folder / "i.dir").refresh(), (folder / "another.dir").exists()

        assert as_user(fill_and_add, 0, 0) == (23, 1023, False)  # in a child: SIGBUS would end it


def old_directory(folder: Path) -> Path:
    """The golden version 1: five instruments of two sources."""
    path = folder / "instruments.dir"
    path.write_bytes(gzip.decompress((GOLDEN / "directory-v1.gz").read_bytes()))
    return path


def test_version_1_is_read_not_written_and_upgraded_in_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = old_directory(tmp_path)
    before = Directory(path).all()
    with pytest.raises(SegmentVersionError, match="stop all processes and run `feedhandler directory upgrade"):
        Directory(path, writable=True)
    for said in (
        f"{path}: layout version 1, now 2, 5 instruments\n",
        f"{path}: layout version 2 already, 5 instruments\n",
    ):
        assert cli.main(["directory", "upgrade", str(path)]) == 0
        assert capsys.readouterr().out == said
    assert struct.unpack_from("<II", path.read_bytes(), COUNT_AT) == (5, 5)
    writer = Directory(path, writable=True)
    assert writer.all() == before
    assert writer.add(Instrument(source=1, venue_symbol="new", symbol="N/N")) == 6
    patch(path, entry_at(2) + 44, b"?")
    with pytest.raises(SegmentDamagedError, match="entry 2 of 5"):
        Directory(path)


def test_what_is_no_directory_is_not_upgraded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    newer = old_directory(tmp_path)
    patch(newer, 8, struct.pack("<I", 3))
    text = tmp_path / "text"
    text.write_bytes(b"something else")
    cases: list[tuple[Path, str]] = [
        (newer, "a newer feedhandler wrote it: layout version 3"),
        (text, "too few for an instrument directory"),
        (tmp_path / "missing", "there is none"),
    ]
    for path, why in cases:
        assert cli.main(["directory", "upgrade", str(path)]) == 1
        assert why in capsys.readouterr().err
    assert not (tmp_path / "missing").exists()


def test_an_upgrade_cuts_what_a_power_loss_took(tmp_path: Path) -> None:
    path = old_directory(tmp_path)
    patch(path, entry_at(5), bytes(256))
    assert cli.main(["directory", "upgrade", str(path)]) == 0
    assert struct.unpack_from("<II", path.read_bytes(), COUNT_AT) == (4, 4)
    assert len(Directory(path, writable=True).all()) == 4


def refusals(directory: Directory) -> list[tuple[Callable[[], object], type[Exception], str]]:
    return [
        (lambda: directory.add(Instrument(source=1, venue_symbol="a\0b", symbol="x")), ValueError, "a zero byte"),
        (lambda: directory.add(Instrument(source=1, venue_symbol="a", symbol="x", keying="no")), ValueError, "keying"),  # type: ignore[arg-type]
        (lambda: directory.add_source(""), ValueError, "1 to 47"),
        (lambda: directory.add_source("x" * 48), ValueError, "1 to 47"),
    ]


def test_what_cannot_be_stored_is_refused(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "i.dir", writable=True)
    for act, kind, why in refusals(directory):
        with pytest.raises(kind, match=why):
            act()
    assert (len(directory), directory.sources()) == (0, {})
