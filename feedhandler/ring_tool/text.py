"""Columns, sizes, ages: how the tables of `feedhandler ring` look."""

from collections.abc import Sequence
from datetime import UTC, datetime

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_SPANS = ((86_400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))
_SECOND_NS = 1_000_000_000


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Return the rows as lines of aligned columns; those whose numbers are in `right` flush right, the last as is."""
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    lines = []
    for row in rows:
        cells = [row[i].rjust(width) if i in right else row[i].ljust(width) for i, width in enumerate(widths)]
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    return lines


def size(count: int) -> str:
    """Return bytes for people: `64.0 MiB`."""
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{count} B" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def age(ns: int) -> str:
    """Return a span for people: `41s`, `3m12s`, `2d4h`; parts of a second below ten."""
    if ns < 0:
        return f"-{age(-ns)}"
    for scale, unit in ((1_000, "ns"), (1_000_000, "us"), (_SECOND_NS, "ms")):
        if ns < scale:
            return f"{ns * 1000 / scale:.0f}{unit}"
    seconds = ns // _SECOND_NS
    if seconds < 10:
        return f"{ns / _SECOND_NS:.1f}s"
    for span, unit, part, part_unit in _SPANS:
        if seconds >= span:
            return f"{seconds // span}{unit}{seconds % span // part}{part_unit}"
    return f"{seconds}s"


def time_of(ns: int) -> str:
    """Return a time as RFC 3339 in UTC with all nine digits; `-` for none."""
    if ns <= 0:
        return "-"
    seconds, rest = divmod(ns, _SECOND_NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
