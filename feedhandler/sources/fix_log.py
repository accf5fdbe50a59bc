"""What one FIX source says in the log: each kind of trouble once, and at level debug every session message, masked."""

import re
from typing import Any

from feedhandler.wire.fix_mask import Mask

KINDS_MAX = 100
MARKET_DATA = (b"W", b"X")
_TYPE = re.compile(rb"\A8=[^\x01]*\x019=\d+\x0135=([^\x01]*)\x01")
_END = re.compile(rb"\x0110=\d{3}\x01")


class SourceLog:
    """The log of one source. `messages`: log what the session sends and receives, market data excepted."""

    def __init__(self, log: Any, source: str, mask: Mask, *, messages: bool) -> None:
        self._log = log.bind(source=source)
        self._mask = mask
        self._messages = messages
        self._complained: set[tuple[str, str]] = set()

    def info(self, what: str, **facts: Any) -> None:
        """Log what is as it should be."""
        self._log.info(what, **facts)

    def warning(self, what: str, **facts: Any) -> None:
        """Log what is not."""
        self._log.warning(what, **facts)

    def complain(self, what: str, why: str) -> None:
        """Log each kind of trouble once; the counters have the rest."""
        if len(self._complained) < KINDS_MAX and (what, why) not in self._complained:
            self._complained.add((what, why))
            self._log.warning(what, why=why)

    def received(self, raw: bytes) -> None:
        """Log one message of the venue's."""
        if self._messages:
            self._message("in", raw)

    def sent(self, data: bytes) -> None:
        """Log the messages of an output, each by itself."""
        if not self._messages:
            return
        begin = 0
        for end in _END.finditer(data):
            self._message("out", data[begin : end.end()])
            begin = end.end()

    def _message(self, direction: str, raw: bytes) -> None:
        kind = _TYPE.match(raw)
        if kind is None or kind[1] not in MARKET_DATA:
            self._log.debug("message", direction=direction, fix=self._mask.text(raw))
