"""When a message counts as received: once its echo is on its way."""

from collections.abc import Iterable

from feedhandler.wire.fix_store import FileStore, MemoryStore


class LateStore:
    """A store whose `next_in` moves at `commit`: a crash before it makes the peer send the message again, as PossDup.

    `next_out` and sent messages are kept at once, so no number is used twice.
    """

    def __init__(self, store: FileStore | MemoryStore) -> None:
        self._store = store
        self.next_in = store.next_in

    @property
    def next_out(self) -> int:
        """The MsgSeqNum of our next message."""
        return self._store.next_out

    @next_out.setter
    def next_out(self, value: int) -> None:
        self._store.next_out = value

    @property
    def created_ns(self) -> int:
        """When the numbers last began at 1."""
        return self._store.created_ns

    def append(self, seq: int, message: bytes) -> None:
        """Keep a sent message."""
        self._store.append(seq, message)

    def messages(self, begin: int, end: int) -> Iterable[tuple[int, bytes]]:
        """Kept messages of that range, ascending."""
        return self._store.messages(begin, end)

    def reset(self, now_ns: int) -> None:
        """Forget all messages; both numbers become 1."""
        self._store.reset(now_ns)
        self.next_in = 1

    def commit(self) -> None:
        """Count what was received so far as dealt with."""
        if self._store.next_in != self.next_in:
            self._store.next_in = self.next_in

    def close(self) -> None:
        """Commit and release."""
        self.commit()
        self._store.close()
