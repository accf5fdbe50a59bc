"""What a Parquet file of ticks looks like: columns, units, encodings, and how names become folder names.

Layout (docs/decisions/0003-parquet-layout.md): `date=<UTC day of ts_recv>/source=<name>/`, rows sorted by
(symbol, ts_recv) within a file, so that row-group statistics find a symbol without reading the others.
"""

from typing import Any, Final
from urllib.parse import quote, unquote

import msgspec
import numpy as np
import pyarrow as pa

from feedhandler.record.names import Names
from feedhandler.tick import LAYOUT_VERSION, TICK, Flag, Kind, Side, State
from feedhandler.tick import Action as RecordAction

DAY_NS: Final = 86_400_000_000_000
ROW_GROUP_ROWS: Final = 65536
COMPRESSION_LEVEL: Final = 1
_CHUNK_ROWS: Final = 4096  # 256 KiB of records: they stay in the cache while their columns are taken out
_TABLE_IDS: Final = 1 << 22  # ids below it are counted in a table

NAME = pa.dictionary(pa.int32(), pa.string())
COLUMNS: Final[tuple[tuple[str, Any, str], ...]] = (
    ("ring", NAME, "ring the record was read from; (ring, epoch, seq) identifies it for ever"),
    ("epoch", pa.uint64(), "epoch of the ring"),
    ("seq", pa.uint64(), "position in the epoch, from 1"),
    ("symbol", NAME, "normalized symbol; #<id> where the directory did not know it, * for a whole source"),
    ("venue_symbol", NAME, "the venue's own symbol"),
    ("instrument", pa.uint32(), "id in the instrument directory; 0 = the whole source"),
    ("source_id", pa.uint16(), "id of the source; its name is the partition column `source`"),
    ("ts_event", pa.int64(), "venue's time, ns since the Unix epoch (UTC); 0 = none"),
    ("ts_recv", pa.int64(), "time of receipt, ns since the Unix epoch (UTC)"),
    ("delay", pa.uint32(), "publish time minus ts_recv, ns, saturating"),
    ("kind", pa.uint8(), "what the record is; ticks are 2 and 3"),
    ("side", pa.uint8(), "side of the book, or the aggressor's"),
    ("action", pa.uint8(), "what a level does to its book"),
    ("flags", pa.uint8(), "bits"),
    ("level", pa.uint16(), "position where the venue keys by position; code of STATE, STATUS, QUALITY"),
    ("price", pa.float64(), "in the instrument's currency; NaN = none"),
    ("size", pa.float64(), "in the instrument's unit; NaN = none; absolute, 0 on delete"),
    ("ref", pa.uint64(), "by kind: venue sequence, entry handle, trade id, reason, first lost"),
)
RECORD_COLUMNS: Final = tuple(name for name, _, _ in COLUMNS if name not in ("ring", "epoch", "symbol", "venue_symbol"))
DICTIONARY_COLUMNS: Final = [
    "ring", "epoch", "symbol", "venue_symbol", "instrument", "source_id",
    "kind", "side", "action", "flags", "level", "price", "size",
]  # fmt: skip
# Sorted by symbol and time, neighbours differ little: smaller and cheaper than zstd alone.
DELTA_COLUMNS: Final = dict.fromkeys(("seq", "ts_event", "ts_recv", "delay", "ref"), "DELTA_BINARY_PACKED")


def _enum(values: Any) -> dict[str, str]:
    return {str(int(each)): each.name for each in values}


def data_dictionary() -> dict[str, Any]:
    """Return meaning, unit and codes of every column, as it stands in each file's metadata."""
    return {
        "layout_version": LAYOUT_VERSION,
        "columns": {name: text for name, _, text in COLUMNS},
        "partitions": {"date": "UTC day of ts_recv", "source": "name of the source, percent-encoded in the path"},
        "codes": {
            "kind": _enum(Kind), "side": _enum(Side), "action": _enum(RecordAction),
            "flags": _enum(Flag), "level of kind 6 (STATE)": _enum(State),
        },
    }  # fmt: skip


def schema() -> pa.Schema:
    """Return the schema of every file, with the data dictionary in its metadata (key `feedhandler`)."""
    fields = [pa.field(name, kind, nullable=False, metadata={"description": text}) for name, kind, text in COLUMNS]
    return pa.schema(fields, metadata={"feedhandler": msgspec.json.encode(data_dictionary())})


def encode_name(name: str) -> str:
    """Encode a name for one path component: percent-encoding of all but letters, digits, '_', '-', '.', '~'."""
    return quote(name, safe="")


def decode_name(text: str) -> str:
    """Return the name that encode_name() made `text` of."""
    return unquote(text)


def day_of(ts_recv: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """UTC days since the Unix epoch."""
    return np.asarray(ts_recv // DAY_NS)


class SortedColumns:
    """The record columns of a batch in a given order. Its memory is used again by the next batch.

    Fresh memory for every batch would be most of the work: the kernel clears it page by page.
    """

    def __init__(self) -> None:
        self._columns: dict[str, np.ndarray[Any, Any]] = {}
        self._chunk = np.empty(_CHUNK_ROWS, TICK)

    def take(self, records: "np.ndarray[Any, Any]", order: "np.ndarray[Any, Any]") -> "dict[str, np.ndarray[Any, Any]]":
        """Return {field: values of `records[order]`}; valid until the next call."""
        if len(order) > len(self._columns.get("seq", ())):
            self._columns = {name: np.empty(len(order), TICK[name]) for name in TICK.names or ()}
        for start in range(0, len(order), _CHUNK_ROWS):
            rows = order[start : start + _CHUNK_ROWS]
            chunk = self._chunk[: len(rows)]
            np.take(records, rows, out=chunk, mode="clip")  # "raise" would copy once more
            for name, column in self._columns.items():
                column[start : start + len(rows)] = chunk[name]
        return {name: column[: len(order)] for name, column in self._columns.items()}


def _places(ids: "np.ndarray[Any, Any]") -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
    """Return (the ids that occur, the place of each element's id among them), as np.unique without its sort."""
    if len(ids) == 0 or int(ids.max()) >= _TABLE_IDS:
        return np.unique(ids, return_inverse=True)
    present = np.flatnonzero(np.bincount(ids))
    place = np.zeros(int(present[-1]) + 1, np.uint32)
    place[present] = np.arange(len(present))
    return present, place[ids]


class TableBuilder:
    """Turns records into sorted Arrow tables. Remembers names it has seen; one thread."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._seen: dict[int, tuple[str, str]] = {}
        self._schema = schema()
        self._columns = SortedColumns()

    def table(
        self, records: "np.ndarray[Any, Any]", rings: "np.ndarray[Any, Any]", labels: list[tuple[str, int]]
    ) -> pa.Table:
        """Return a table of `records`; `rings[i]` is the place of record i's (ring, epoch) in `labels`.

        The table is valid until the next call, which uses its memory again.
        """
        ids, place = _places(records["instrument"])
        symbols = [self._symbol(int(each)) for each in ids]
        order_of = sorted(range(len(ids)), key=lambda i: symbols[i])
        rank = np.empty(len(ids), np.uint16 if len(ids) < 1 << 16 else np.uint32)  # 16 bits sort by radix
        rank[order_of] = np.arange(len(ids))
        ranks = rank[place]
        order = np.argsort(ranks, kind="stable")
        if len(labels) > 1:
            order = np.lexsort((records["seq"], records["ts_recv"], ranks))
        columns = self._columns.take(records, order)
        columns["source_id"] = columns["source"]
        named = self._named(
            pa.array(ranks[order].astype(np.int32)), [symbols[i] for i in order_of], labels, rings[order]
        )
        return pa.Table.from_arrays(
            [named[name] if name in named else pa.array(columns[name]) for name, _, _ in COLUMNS], schema=self._schema
        )

    @staticmethod
    def _named(
        indices: pa.Array, symbols: list[tuple[str, str]], labels: list[tuple[str, int]], label: "np.ndarray[Any, Any]"
    ) -> dict[str, pa.Array]:
        """Return the columns that are not fields of a record."""
        ring_names = sorted({ring for ring, _ in labels})
        ring_of = np.array([ring_names.index(ring) for ring, _ in labels], np.int32)
        epoch_of = np.array([epoch for _, epoch in labels], np.uint64)
        return {
            "ring": pa.DictionaryArray.from_arrays(pa.array(ring_of[label]), pa.array(ring_names)),
            "epoch": pa.array(epoch_of[label]),
            "symbol": pa.DictionaryArray.from_arrays(indices, pa.array([symbol for symbol, _ in symbols])),
            "venue_symbol": pa.DictionaryArray.from_arrays(indices, pa.array([venue for _, venue in symbols])),
        }

    def _symbol(self, instrument: int) -> tuple[str, str]:
        known = self._seen.get(instrument)
        if known is None:
            self._names.refresh()
            known = self._names.symbol(instrument)
            if not known[0].startswith("#"):
                self._seen[instrument] = known
        return known

    def source(self, source: int) -> str:
        """Name of a source."""
        return self._names.source(source)
