"""A counterparty's sequence store: the session reads and writes what the native venue numbers."""

from collections.abc import Callable, Iterator
from typing import Final

from feedhandler import _native

STORE_BYTES: Final = 48 * 1024 * 1024


class VenueStore:
    """`fix_store.SequenceStore` over the native store, which keeps W and X. Everything else is gap-filled.

    `on_resend(instrument, entries)` is called for each stored message that is handed out again.
    """

    def __init__(self, on_resend: Callable[[int, int], None]) -> None:
        self.native = _native.SimStore(STORE_BYTES)
        self._on_resend = on_resend

    @property
    def next_in(self) -> int:
        """The MsgSeqNum expected next from the client."""
        return self.native.next_in

    @next_in.setter
    def next_in(self, value: int) -> None:
        self.native.next_in = value

    @property
    def next_out(self) -> int:
        """The MsgSeqNum of the venue's next message."""
        return self.native.next_out

    @next_out.setter
    def next_out(self, value: int) -> None:
        self.native.next_out = value

    @property
    def created_ns(self) -> int:
        """Not told: the venue's sessions have no schedule."""
        return 0

    def append(self, seq: int, message: bytes) -> None:
        """Refusals (35=Y, 35=j) are not worth resending: a gap fill takes their place."""

    def messages(self, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Kept messages begin..end, ascending, for a resend; each one is counted as resent."""
        for seq, raw, instrument, entries in self.native.stored(begin, end):
            self._on_resend(instrument, entries)
            yield seq, raw

    def reset(self, now_ns: int) -> None:  # noqa: ARG002 - the protocol's shape
        """Forget all messages; both numbers become 1."""
        self.native.next_in = 1
        self.native.next_out = 1
