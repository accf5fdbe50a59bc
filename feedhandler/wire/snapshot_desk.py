"""Which snapshots to ask for, one at a time, paced, with a deadline. No socket, no clock."""

from feedhandler.topics import encode_request
from feedhandler.wire.subscriber_events import Action, ResetSnapshotSocket, SendRequest, SubscriberCounts

TIMEOUT_NS = 1_000_000_000
PAUSE_NS = 5_000_000  # between requests: topics that break together are asked for together
RETRY_MAX_NS = 5_000_000_000
TOPICS_SINGLE_MAX = 8  # above this many topics of one subscription, ask for all of the subscription
NEVER = 1 << 62


class SnapshotDesk:
    """The queue of wanted snapshots of one subscriber.

    Replies carry no request id: a DEALER's replies come in the order of its requests, so only one is
    ever outstanding, and after a timeout the socket is replaced.
    """

    def __init__(self, counts: SubscriberCounts) -> None:
        self._counts = counts
        self._wanted: dict[str, str] = {}  # topic text or prefix -> the subscription it belongs to
        self._deadline_ns = NEVER
        self._next_ns = 0
        self._retry_ns = PAUSE_NS
        self._owner = ""  # the subscription that the outstanding request belongs to
        self.outstanding: str | None = None
        """Prefix of the request whose replies are coming in."""
        self.answered: set[bytes] = set()
        """Topics among the replies to the latest request."""

    def want(self, prefix: str, subscription: str) -> None:
        """Ask for everything under `prefix` at the next opportunity."""
        self._wanted[prefix] = subscription

    def forget(self, subscription: str) -> None:
        """Drop what is wanted for a subscription that is gone."""
        self._wanted = {p: s for p, s in self._wanted.items() if s != subscription}
        if self._owner == subscription and self.outstanding is not None:
            self._owner = ""  # its replies may still come; nobody waits for them

    def cancel(self) -> list[Action]:
        """Void the outstanding request and all that is wanted; its late replies must not be read."""
        self._wanted.clear()
        voided = self.outstanding is not None
        self.outstanding = None
        self._deadline_ns = NEVER
        return [ResetSnapshotSocket()] if voided else []

    def done(self, now_ns: int, pause_ns: int = PAUSE_NS) -> None:
        """Note that the last reply to the outstanding request has arrived; rest for `pause_ns`."""
        self.outstanding = None
        self._deadline_ns = NEVER
        self._retry_ns = PAUSE_NS
        self._next_ns = now_ns + pause_ns

    def failed(self, now_ns: int) -> None:
        """Put the outstanding request back, for later and later."""
        if self.outstanding is not None and self._owner:
            self._wanted.setdefault(self.outstanding, self._owner)
        self.outstanding = None
        self._deadline_ns = NEVER
        self._next_ns = now_ns + self._retry_ns
        self._retry_ns = min(2 * max(self._retry_ns, 50_000_000), RETRY_MAX_NS)

    def poll(self, now_ns: int) -> list[Action]:
        """Return what is due: a timeout's consequence, the next request, or nothing."""
        actions: list[Action] = []
        if now_ns >= self._deadline_ns:
            self._counts.snapshot_timeouts += 1
            self.failed(now_ns)
            actions.append(ResetSnapshotSocket())
        if self.outstanding is None and self._wanted and now_ns >= self._next_ns:
            prefix = self._take()
            self.outstanding = prefix
            self.answered.clear()
            self._deadline_ns = now_ns + TIMEOUT_NS
            self._counts.snapshots_requested += 1
            actions.append(SendRequest(encode_request("snapshot", prefix)))
        return actions

    def next_timer_ns(self) -> int:
        """Return when `poll` has something to do; NEVER if nothing is on."""
        if self.outstanding is not None:
            return self._deadline_ns
        return self._next_ns if self._wanted else NEVER

    def progress(self, now_ns: int) -> None:
        """Note a reply: a long snapshot may take longer in all than one timeout."""
        self._deadline_ns = now_ns + TIMEOUT_NS

    def _take(self) -> str:
        """Remove and return the next prefix, or its whole subscription's where many topics broke."""
        first = next(iter(self._wanted))
        subscription = self._wanted[first]
        same = [p for p, s in self._wanted.items() if s == subscription]
        if len(same) > TOPICS_SINGLE_MAX or subscription in same:
            for prefix in same:
                del self._wanted[prefix]
            first = subscription
        else:
            del self._wanted[first]
        self._owner = subscription
        return first
