"""The instrument directory: stable ids, shared, on disk."""

from pathlib import Path

import pytest

from feedhandler.errors import SegmentDamagedError, SegmentMissingError
from feedhandler.instruments import Directory, Instrument


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
    with pytest.raises(ValueError, match="venue symbol is too long"):
        writer.add(Instrument(source=1, venue_symbol="x" * 72, symbol="x"))
    with pytest.raises(RuntimeError, match="opened for reading"):
        Directory(path).add_source("a")
