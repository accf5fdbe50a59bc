"""FIX messages as text for people, without what nobody may read: passwords, signatures, configured tags."""

import re
from collections.abc import Iterable

from feedhandler import secret

TAGS = (554, 925, 96)
"""Password, NewPassword, RawData: always masked. 96 is data of a length (95) and may hold SOH."""

_RAW = re.compile(rb"\x0195=(\d{1,9})\x0196=")


class Mask:
    """What is hidden in the messages of one session."""

    def __init__(self, tags: Iterable[int] = ()) -> None:
        """Hide `tags` beside TAGS."""
        chosen = b"|".join(b"%d" % tag for tag in sorted({*TAGS, *tags}))
        self._fields = re.compile(rb"(\x01(?:%s)=)[^\x01]*" % chosen)

    def text(self, message: bytes) -> str:
        """Return a message with `|` for SOH, its secrets as ***, bytes beyond ASCII as backslash escapes."""
        if raw := _RAW.search(message):
            message = message[: raw.end()] + b"***" + message[raw.end() + int(raw[1]) :]
        masked = self._fields.sub(rb"\1***", message)
        return secret.redact(masked.replace(b"\x01", b"|").decode("ascii", "backslashreplace"))
