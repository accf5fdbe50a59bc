"""The kinds of values that a configuration has, each with what a user is told who wrote another."""

from datetime import time
from typing import Annotated, Literal

from msgspec import Meta

from feedhandler import limits

WaitPolicyName = Literal["spin", "yield", "park", "adaptive"]
Keying = Literal["price", "id"]
TlsVersion = Literal["1.2", "1.3"]
Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
TimeOfDay = Annotated[time, Meta(tz=False, description="a time of day such as 17:00:00")]

Name = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z][A-Za-z0-9_-]*\Z",
        max_length=limits.NAME_CHARS_MAX,
        description=f"a name of 1..{limits.NAME_CHARS_MAX} letters, digits, '-' and '_', a letter first",
    ),
]
Variable = Annotated[
    str,
    Meta(pattern=r"\A([A-Za-z_][A-Za-z0-9_]*)?\Z", description="the name of an environment variable, or nothing"),
]
Text = Annotated[str, Meta(pattern=r"\A[^\x00-\x1f\x7f]*\Z", description="text without control characters")]
NonEmpty = Annotated[
    str, Meta(pattern=r"\A[^\x00-\x1f\x7f]+\Z", description="non-empty text without control characters")
]
Symbol = Annotated[
    str,
    Meta(
        pattern=r"\A[!-{}~]([ -{}~]*[!-{}~])?\Z",
        max_length=limits.SYMBOL_CHARS_MAX,
        description=f"1..{limits.SYMBOL_CHARS_MAX} printable ASCII characters without '|' or spaces around",
    ),
]
Currency = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9]{0,13}\Z", description="at most 13 letters and digits")]
Account = Annotated[
    str,
    Meta(pattern=r"\A([A-Za-z0-9_][A-Za-z0-9_.-]{0,31})?\Z", description="a name or a number of this host, or nothing"),
]
Port = Annotated[int, Meta(ge=1, le=65535)]
PositiveFloat = Annotated[float, Meta(gt=0)]
Seconds = Annotated[float, Meta(gt=0, le=86400)]
SecondsOrNone = Annotated[float, Meta(ge=0, le=86400)]
Capacity = Annotated[int, Meta(ge=limits.RING_CAPACITY_MIN, le=limits.RING_CAPACITY_MAX)]
Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Decimals = Annotated[int, Meta(ge=0, le=15)]
