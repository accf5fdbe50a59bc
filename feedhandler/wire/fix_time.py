"""UTCTimestamp text to integer nanoseconds since the Unix epoch and back, exactly.

No float and no `datetime` stands between the two, so no precision is lost or invented.
"""

import re
from datetime import date
from typing import Final

NS_PER_SECOND: Final = 1_000_000_000
_SECONDS_PER_DAY: Final = 86_400
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_FRACTION: Final = {"s": (0, 1), "ms": (3, 1_000_000), "us": (6, 1_000), "ns": (9, 1)}
_PATTERN: Final = re.compile(rb"(\d{4})(\d\d)(\d\d)-(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?")


def format_timestamp(time_ns: int, precision: str = "ms") -> bytes:
    """`20261121-10:58:41.123` for `time_ns`; digits beyond `precision` (s, ms, us, ns) are cut, not rounded.

    Cutting keeps a stamp from lying in the future. Years 1970 to 9999.
    """
    digits, unit_ns = _FRACTION[precision]
    seconds, fraction_ns = divmod(time_ns, NS_PER_SECOND)
    days, second = divmod(seconds, _SECONDS_PER_DAY)
    day = date.fromordinal(_EPOCH_ORDINAL + days)
    text = f"{day.year:04}{day.month:02}{day.day:02}-{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    if digits:
        text += f".{fraction_ns // unit_ns:0{digits}}"
    return text.encode()


def parse_timestamp(text: bytes) -> int | None:
    """Nanoseconds since the epoch, or None when `text` is not a UTCTimestamp (0 to 9 fraction digits).

    Second 60 (a leap second) is accepted and counts as the next minute's first.
    """
    found = _PATTERN.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    if hour > 23 or minute > 59 or second > 60:
        return None
    try:
        days = date(year, month, day).toordinal() - _EPOCH_ORDINAL
    except ValueError:
        return None
    fraction = (found[7] or b"").ljust(9, b"0")
    return (((days * 24 + hour) * 60 + minute) * 60 + second) * NS_PER_SECOND + int(fraction)
