"""Numbers above the expected one: the gap, the ResendRequest, and the messages that came too early."""

from feedhandler.wire.fix_events import Disconnect, Gap, LoggedOut, SessionConfig, SessionState
from feedhandler.wire.fix_liveness import NEVER_NS
from feedhandler.wire.fix_message import Message
from feedhandler.wire.fix_output import SessionOutput
from feedhandler.wire.fix_store import SequenceStore
from feedhandler.wire.fix_time import NS_PER_SECOND

UP_STATES = (SessionState.LOGGED_ON, SessionState.LOGOUT_SENT)


class SessionGap(SessionOutput):
    """What is missing and what was kept. `next_in` is not moved here."""

    def __init__(self, config: SessionConfig, store: SequenceStore) -> None:
        """As `Session`."""
        super().__init__(config, store)
        self._gap_end = 0
        self._asked_end = 0  # of the chunk asked for; above it the rest of the gap is asked for
        self._gap_deadline_ns = NEVER_NS
        self._gap_progress = 0
        self._gap_tries = 0
        self._queue: dict[int, Message] = {}
        self._queue_bytes = 0
        self.discarded_count = 0  # too high while a resend is under way

    @property
    def gap_pending(self) -> bool:
        """A ResendRequest is outstanding: in-sequence messages count, too-high ones come again."""
        return self._gap_end >= self.store.next_in

    @property
    def gap_end(self) -> int:
        """Last missing number of the gap last asked for; the gap is filled once `next_in` is above it."""
        return self._gap_end

    def _forget_gap(self) -> None:
        self._gap_end = self._asked_end = 0
        self._gap_deadline_ns = NEVER_NS
        self._gap_tries = 0
        self._drop_queue(None)

    # ---- the queue ----

    def _keep(self, seq: int, message: Message) -> None:
        size = len(message.raw)
        if len(self._queue) >= self.config.queue_max or self._queue_bytes + size > self.config.queue_bytes_max:
            self.discarded_count += 1
            return
        self._queue_bytes += size - len(self._queue[seq].raw if seq in self._queue else b"")
        self._queue[seq] = message

    def _take_kept(self) -> Message | None:
        message = self._queue.pop(self.store.next_in, None)
        if message is not None:
            self._queue_bytes -= len(message.raw)
        return message

    def _drop_queue(self, below: int | None) -> None:
        """Forget kept messages, all or those with lower numbers."""
        self._queue = {} if below is None else {seq: kept for seq, kept in self._queue.items() if seq >= below}
        self._queue_bytes = sum(len(kept.raw) for kept in self._queue.values())

    # ---- asking ----

    def _on_too_high(self, message: Message, seq: int, now_ns: int) -> bool:
        """Whether to act on the message all the same: where nothing is resent, it is the next one."""
        if not self.config.resend_on_gap:
            self._events.append(Gap(self.store.next_in, seq - 1))
            self.store.next_in = seq
            return True
        self._keep(seq, message)
        if not self.gap_pending:
            self._events.append(Gap(self.store.next_in, seq - 1))
            self._gap_end = seq - 1
            self._gap_tries = 0
            self._ask_for_gap(now_ns)
        elif self.config.redundant_resends:
            self._ask_for_gap(now_ns)
        return False

    def _ask_for_gap(self, now_ns: int) -> None:
        begin, chunk = self.store.next_in, self.config.resend_chunk
        in_parts = 0 < chunk < self._gap_end - begin + 1
        self._asked_end = begin + chunk - 1 if in_parts else self._gap_end
        self._gap_progress = begin
        self._gap_tries += 1
        self._gap_deadline_ns = now_ns + int(self.config.resend_timeout_s * NS_PER_SECOND)
        end = self._asked_end if in_parts else 0 if self.config.begin_string >= "FIX.4.2" else 999_999
        self._send_admin(b"2", [(7, b"%d" % begin), (16, b"%d" % end)], now_ns)

    def _ask_for_next_chunk(self, now_ns: int) -> None:
        """Ask for more of the gap once the part asked for has come."""
        if self._state in UP_STATES and self._asked_end < self.store.next_in <= self._gap_end:
            self._gap_tries = 0
            self._ask_for_gap(now_ns)

    def _poll_gap(self, now_ns: int) -> None:
        """Ask again for a resend that stalls, a few times; QuickFIX would wait for ever."""
        if not self.gap_pending or now_ns < self._gap_deadline_ns:
            return
        if self.store.next_in > self._gap_progress:
            self._gap_tries = 1
            self._gap_progress = self.store.next_in
            self._gap_deadline_ns = now_ns + int(self.config.resend_timeout_s * NS_PER_SECOND)
        elif self._gap_tries >= self.config.resend_tries_max:
            self._disconnect("the gap was not filled")
        else:
            self._ask_for_gap(now_ns)

    # ---- the end ----

    def _disconnect(self, reason: str, *, peer_text: str | None = None) -> None:
        """End the connection. LoggedOut comes first if the session was up or the peer sent a Logout."""
        if peer_text is not None or self._state in UP_STATES:
            self._events.append(LoggedOut(reason if peer_text is None else peer_text))
        self._state = SessionState.DISCONNECTED
        self._forget_gap()
        if self.config.reset_on_disconnect:
            self.store.reset(self._now_ns)
        self._events.append(Disconnect(reason))
