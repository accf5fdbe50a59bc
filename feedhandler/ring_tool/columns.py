"""Records as Arrow tables in the order of seq: with codes for Parquet, with names for CSV."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from feedhandler.record.parquet_schema import COLUMNS, NAME, schema
from feedhandler.ring import Records
from feedhandler.ring_tool.names import Origin
from feedhandler.tick import Action, Kind, Side

SOURCE = pa.field("source", NAME, nullable=False, metadata={"description": "name of the source"})
_CODES: dict[str, Any] = {"kind": Kind, "side": Side, "action": Action}
_NAMES = {field: {member.value: member.name for member in codes} for field, codes in _CODES.items()}
_TEXTS = {field: pa.array([names.get(code, str(code)) for code in range(256)]) for field, names in _NAMES.items()}


class Columns:
    """Tables of one ring's epoch: the recorder's columns (docs/recorder.md) and the source's name. One thread."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        recorded = schema()
        self.schema = recorded.append(SOURCE)
        fields = [pa.field(field.name, _text_type(field)) for field in self.schema]
        self.text_schema = pa.schema(fields)

    def table(self, records: Records) -> pa.Table:
        """Return Parquet's columns: kinds and sides as codes, NaN as NaN."""
        return pa.Table.from_arrays([self._column(name, records) for name in self.schema.names], schema=self.schema)

    def text_table(self, records: Records) -> pa.Table:
        """Return CSV's columns: kinds, sides and actions as names, NaN as nothing."""
        arrays = [self._text(name, records) for name in self.schema.names]
        return pa.Table.from_arrays(arrays, schema=self.text_schema)

    def _column(self, name: str, records: Records) -> pa.Array:
        names = self._origin.names
        match name:
            case "ring":
                return _named(np.zeros(len(records), np.int32), lambda _: self._origin.ring)
            case "symbol" | "venue_symbol":
                return _named(records["instrument"], lambda each: names.symbol(each)[name == "venue_symbol"])
            case "source":
                return _named(records["source"], names.source)
            case "epoch":
                values = np.full(len(records), self._origin.epoch, np.uint64)
            case "source_id":
                values = np.ascontiguousarray(records["source"])
            case _:
                values = np.ascontiguousarray(records[name])
        return pa.array(values)

    def _text(self, name: str, records: Records) -> pa.Array:
        if name in _TEXTS:
            return _TEXTS[name].take(pa.array(np.ascontiguousarray(records[name])))
        if name in ("price", "size"):
            return pa.array(np.ascontiguousarray(records[name]), from_pandas=True)
        column = self._column(name, records)
        return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _named(ids: Records, name_of: Callable[[int], str]) -> pa.Array:
    unique, places = np.unique(ids, return_inverse=True)
    names = pa.array([name_of(int(each)) for each in unique], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(places.astype(np.int32)), names)


def _text_type(field: pa.Field) -> pa.DataType:
    named = field.name in _TEXTS or pa.types.is_dictionary(field.type)
    return pa.string() if named else field.type


assert [name for name, _, _ in COLUMNS] == schema().names
