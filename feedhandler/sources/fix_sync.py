"""When a source counts as in sync: the books that were asked for have come, and no gap is open."""

from feedhandler import _native
from feedhandler.sources.states import Reason, StateWriter
from feedhandler.tick import State

SNAPSHOTS_WAIT_NS = 10_000_000_000
"""A venue that answers a subscription otherwise than by W counts as in sync after this time."""


class Sync:
    """Writes SYNCED once it is so. `loop` counts the W of session `index`."""

    def __init__(self, loop: _native.FixLoop, index: int, states: StateWriter) -> None:
        self._loop = loop
        self._index = index
        self._states = states
        self._awaited = 0  # W to come before the source is in sync, counted since the beginning; 0 = none
        self._until_ns = 0
        self._gap = False

    def _snapshots(self) -> int:
        return int(self._loop.counts(self._index)["snapshots"])

    def expect(self, books: int, now_ns: int, asking_ns: int = 0) -> None:
        """Wait for so many books; asking for them takes `asking_ns`, because of a pace."""
        self._awaited = self._snapshots() + books
        self._until_ns = now_ns + SNAPSHOTS_WAIT_NS + asking_ns

    def refused(self, books: int) -> None:
        """Note books that will not come."""
        self._awaited = max(1, self._awaited - books) if self._awaited else 0

    def gap(self) -> None:
        """Note a gap that is being filled."""
        self._gap = True

    def forget(self) -> None:
        """Begin anew: there is no connection."""
        self._awaited, self._gap = 0, False

    def settle(self, now_ns: int, *, gap_pending: bool) -> None:
        """Say SYNCED where that is so now and was not before."""
        if gap_pending:
            self._gap = True
            return
        if self._awaited:
            if self._snapshots() < self._awaited and now_ns < self._until_ns:
                return
            self._awaited, self._gap = 0, False
            self._states.write(State.SYNCED, Reason.SUBSCRIBED, now_ns)
        elif self._gap:
            self._gap = False
            self._states.write(State.SYNCED, Reason.GAP_FILLED, now_ns)
