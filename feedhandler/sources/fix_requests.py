"""What one FIX source asks of its venue: at the pace that is allowed, until the answers have come."""

from collections import deque

from feedhandler.instruments import Instrument
from feedhandler.sources.fix_subscription import Subscription
from feedhandler.sources.fix_sync import Sync
from feedhandler.sources.throttle import Throttle
from feedhandler.wire.fix_events import SessionState
from feedhandler.wire.fix_message import Field
from feedhandler.wire.fix_session import Session


class Requests:
    """The requests of a session that wait to be sent; no more than the subscription makes of its instruments."""

    def __init__(
        self, session: Session, subscription: Subscription, sync: Sync, *, per_s: float, resnapshot_per_s: float
    ) -> None:
        """Send at most `per_s` requests a second; 0: without a limit. The subscription's own pace is in instruments."""
        self._session = session
        self._subscription = subscription
        self._sync = sync
        self._throttle = Throttle(per_s)
        self._resnapshot_per_s = resnapshot_per_s
        self._waiting: deque[list[Field]] = deque()

    @property
    def waiting(self) -> int:
        """Requests that the throttle holds back."""
        return len(self._waiting)

    def send(self, now_ns: int) -> int:
        """Send what pace and throttle allow; return how many. The output is the session's."""
        if self._session.state is not SessionState.LOGGED_ON:
            return 0
        if not self._waiting:
            self._waiting.extend(self._subscription.due(now_ns))
        count = 0
        while self._waiting and self._throttle.take(now_ns):
            self._session.send(b"V", self._waiting.popleft(), now_ns)
            count += 1
        return count

    def everything(self, now_ns: int) -> None:
        """Subscribe to all, after a logon."""
        self._waiting.clear()
        self._waiting.extend(self._subscription.all())
        self._sync.expect(self._subscription.active, now_ns, self._throttle.time_ns(len(self._waiting)))
        self.send(now_ns)

    def afresh(self, now_ns: int) -> None:
        """Ask for every book again, at the subscription's pace."""
        self._subscription.want(None)
        books = self._subscription.active
        self._sync.expect(books, now_ns, int(books / self._resnapshot_per_s * 1e9))

    def add(self, instruments: list[Instrument]) -> None:
        """Subscribe to more instruments, now or with the next Logon; nothing else is asked for anew."""
        self._queue(self._subscription.add(instruments))

    def remove(self, ids: list[int]) -> None:
        """End the subscription of instruments."""
        self._queue(self._subscription.remove(ids))

    def _queue(self, requests: list[list[Field]]) -> None:
        if self._session.state is SessionState.LOGGED_ON:  # else the Logon is followed by everything
            self._waiting.extend(requests)

    def refused(self, request_id: str, text: str) -> None:
        """Note that the venue refused a request: its books are not waited for."""
        self._sync.refused(self._subscription.refused(request_id, text))

    def forget(self) -> None:
        """Note that the connection is gone."""
        self._waiting.clear()
        self._sync.forget()
