"""The instruments file: CSV with a header, one instrument a row."""

import csv
import io
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from feedhandler import limits
from feedhandler.config_text import show, translate
from feedhandler.errors import ConfigError

if TYPE_CHECKING:
    from feedhandler.config import InstrumentSpec

COLUMNS = ("venue", "symbol", "tick", "lot", "price_decimals", "size_decimals", "currency", "calendar")
REQUIRED = COLUMNS[:6]
# Plain decimals only: Python's float() also takes "nan", "1_000" and Arabic digits.
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?\Z")
_INTEGER = re.compile(r"-?[0-9]{1,9}\Z")


def read(file: object, key: str, path: str, spec: "type[InstrumentSpec]") -> Iterator[tuple[int, "InstrumentSpec"]]:
    """Yield (row number, instrument); the header is row 1, as in a spreadsheet.

    `file` and `key` are where the configuration names `path`. Raises ConfigError naming the row.
    """
    reader = csv.reader(io.StringIO(_text(file, key, path), newline=""), strict=True)
    header: list[str] = []
    while True:
        row = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            if not header:
                raise ConfigError(file, key, f"the empty file {path}", f"the columns {','.join(COLUMNS)}") from None
            return
        except csv.Error as error:
            raise ConfigError(file, key, f"row {row} of {path}: {error}", "CSV") from None
        if not any(cell.strip() for cell in cells):
            continue
        if not header:
            header = _header(file, key, path, cells)
            continue
        if len(cells) != len(header):
            raise ConfigError(file, key, f"row {row} of {path}: {len(cells)} values", f"{len(header)}, one a column")
        yield row, _instrument(file, f"{key} row {row} of {path}", dict(zip(header, cells, strict=True)), spec)


def _text(file: object, key: str, path: str) -> str:
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(file, key, f'"{path}" ({reason})', "a readable CSV file") from None
    if len(data) > limits.INSTRUMENTS_FILE_BYTES_MAX:
        raise ConfigError(file, key, f"{path} of {len(data)} bytes", f"at most {limits.INSTRUMENTS_FILE_BYTES_MAX}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(file, key, f"row {row} of {path}: byte 0x{data[error.start]:02x}", "UTF-8 text") from None


def _header(file: object, key: str, path: str, cells: list[str]) -> list[str]:
    header = [cell.strip() for cell in cells]
    for name in header:
        if name not in COLUMNS or header.count(name) > 1:
            raise ConfigError(file, key, f"column {show(name)} in {path}", f"the columns {','.join(COLUMNS)}, once")
    for name in REQUIRED:
        if name not in header:
            raise ConfigError(file, key, f"no column {show(name)} in {path}", f"the columns {','.join(COLUMNS)}")
    return header


def _instrument(file: object, place: str, cells: dict[str, str], spec: "type[InstrumentSpec]") -> "InstrumentSpec":
    values: dict[str, object] = {name: text.strip() for name, text in cells.items()}
    for name, pattern, convert in (
        ("tick", _NUMBER, float),
        ("lot", _NUMBER, float),
        ("price_decimals", _INTEGER, int),
        ("size_decimals", _INTEGER, int),
    ):
        if pattern.match(str(values[name])) and math.isfinite(number := convert(str(values[name]))):
            values[name] = number
    if not values.get("calendar", "x"):
        del values["calendar"]
    try:
        return msgspec.convert(values, spec)
    except msgspec.ValidationError as error:
        inner = translate("", values, spec, error)
        raise ConfigError(file, f"{place}, {inner.key}", inner.got, inner.expected) from None
