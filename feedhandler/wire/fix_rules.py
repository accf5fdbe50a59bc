"""The receiving half of a FIX session: what each message does to sequence, state and output.

It behaves as QuickFIX's FIX44 session does; where it differs, docs/contracts/fix-session.md says so and why.
`next_in` passes a number only when that message was handled, was gap-filled, or is lost and reported.
"""

from feedhandler.wire import fix_checks as checks
from feedhandler.wire.fix_checks import Problem, find_problem
from feedhandler.wire.fix_events import (
    App,
    Disconnect,
    Gap,
    LoggedOn,
    LoggedOut,
    Role,
    SequenceReset,
    SessionConfig,
    SessionState,
)
from feedhandler.wire.fix_liveness import NEVER_NS
from feedhandler.wire.fix_message import ADMIN_TYPES, Message
from feedhandler.wire.fix_output import SessionOutput
from feedhandler.wire.fix_store import SequenceStore
from feedhandler.wire.fix_time import NS_PER_SECOND, parse_timestamp

UP_STATES = (SessionState.LOGGED_ON, SessionState.LOGOUT_SENT)


class SessionRules(SessionOutput):
    """Rules for one whole message at a time; `Session` adds framing, connection and time."""

    def __init__(self, config: SessionConfig, store: SequenceStore) -> None:
        """As `Session`."""
        super().__init__(config, store)
        self._deadline_ns = NEVER_NS  # of logon or logout
        self._sent_reset = False
        self._gap_end = 0
        self._gap_deadline_ns = NEVER_NS
        self._gap_progress = 0
        self._gap_tries = 0
        self._queue: dict[int, Message] = {}
        self.duplicate_count = 0  # PossDup of something already processed
        self.discarded_count = 0  # too high while a resend is under way
        self.reject_count = 0  # our Rejects

    @property
    def gap_pending(self) -> bool:
        """A ResendRequest is outstanding: in-sequence messages count, too-high ones come again."""
        return self._gap_end >= self.store.next_in

    @property
    def gap_end(self) -> int:
        """Last missing number of the gap last asked for; the gap is filled once `next_in` is above it."""
        return self._gap_end

    def _forget_gap(self) -> None:
        self._gap_end = 0
        self._gap_deadline_ns = NEVER_NS
        self._gap_tries = 0
        self._queue.clear()

    def _disconnect(self, reason: str, *, peer_text: str | None = None) -> None:
        """End the connection. LoggedOut comes first if the session was up or the peer sent a Logout."""
        if peer_text is not None or self._state in UP_STATES:
            self._events.append(LoggedOut(reason if peer_text is None else peer_text))
        self._state = SessionState.DISCONNECTED
        self._forget_gap()
        self._events.append(Disconnect(reason))

    def _begin_logout(self, text: str, now_ns: int) -> None:
        if self._state is SessionState.LOGOUT_SENT:
            return
        self._send_logout(text, now_ns)
        self._deadline_ns = now_ns + int(self.config.logout_timeout_s * NS_PER_SECOND)
        self._state = SessionState.LOGOUT_SENT

    # ---- one message ----

    def _process(self, message: Message, now_ns: int) -> None:
        if message.get(8) != self._header.begin_string:
            self._on_wrong_version(message, now_ns)
            return
        problem = find_problem(message)
        if problem is not None:
            self._reject(message, problem, now_ns)
            return
        if not self._admit(message, now_ns):
            return
        match message.msg_type:
            case b"A":
                self._on_logon(message, now_ns)
            case b"4":
                self._on_sequence_reset(message, now_ns)
            case b"2":
                self._on_resend_request(message, now_ns)
            case b"5":
                self._on_logout(message, now_ns)
            case _:
                if self._in_sequence(message, now_ns):
                    self.store.next_in += 1
                    self._on_sequenced(message, now_ns)

    def _process_queue(self, now_ns: int) -> None:
        while self._queue and self._state in UP_STATES:
            message = self._queue.pop(self.store.next_in, None)
            if message is None:
                return
            # Logon and ResendRequest were acted upon when they came; only their number is left to count.
            if message.msg_type in (b"A", b"2"):
                self.store.next_in += 1
            else:
                self._process(message, now_ns)

    def _on_sequenced(self, message: Message, now_ns: int) -> None:
        msg_type = message.msg_type
        if msg_type == b"1":
            self._send_admin(b"0", [(112, message.get(112) or b"")], now_ns)
        elif msg_type == b"3":
            self._note_peer_reject(message)
        elif msg_type not in ADMIN_TYPES:
            self._events.append(App(msg_type, message.integer(34) or 0, message.flag(43), message.raw))

    # ---- before the sequence ----

    def _admit(self, message: Message, now_ns: int) -> bool:
        """State, SendingTime and CompIDs; then the peer counts as heard."""
        if not self._is_expected(message):
            self._disconnect("Logon state is not valid for message")
            return False
        sent_ns = parse_timestamp(message.get(52) or b"") or 0
        limit_ns = int(self.config.max_latency_s * NS_PER_SECOND)
        if limit_ns and abs(now_ns - sent_ns) > limit_ns:
            self._reject_and_logout(message, Problem(checks.SENDING_TIME), now_ns)
            return False
        if message.get(49) != self._header.target or message.get(56) != self._header.sender:
            self._reject_and_logout(message, Problem(checks.COMP_ID), now_ns)
            return False
        self._live.heard(now_ns)
        return True

    def _is_expected(self, message: Message) -> bool:
        up = self._state in UP_STATES
        if message.msg_type == b"A":
            return not up or message.flag(141)
        return up or (message.msg_type == b"5" and self._state is SessionState.LOGON_SENT)

    def _on_wrong_version(self, message: Message, now_ns: int) -> None:
        if self._state is SessionState.CONNECTED:
            self._disconnect("Incorrect BeginString")
        elif message.msg_type == b"5":
            self._on_logout(message, now_ns)
        else:
            self._begin_logout("Incorrect BeginString", now_ns)
            if message.integer(34) == self.store.next_in:
                self.store.next_in += 1

    def _reject(self, message: Message, problem: Problem, now_ns: int) -> None:
        if self._state not in UP_STATES:
            self._disconnect(f"{checks.REASON_TEXT[problem.reason]} before logon")
            return
        if message.msg_type not in (b"A", b"4") and message.integer(34) == self.store.next_in:
            self.store.next_in += 1
        self.reject_count += 1
        self._note_reject(message, problem)
        self._send_reject(message, problem, now_ns)

    def _reject_and_logout(self, message: Message, problem: Problem, now_ns: int) -> None:
        self._reject(message, problem, now_ns)
        if self._state in UP_STATES:
            self._begin_logout("", now_ns)

    # ---- sequence ----

    def _in_sequence(self, message: Message, now_ns: int) -> bool:
        """Whether to act on the message now; else gap, duplicate or end of the session were dealt with."""
        seq = message.integer(34) or 0
        if seq > self.store.next_in:
            return self._on_too_high(message, seq, now_ns)
        if seq < self.store.next_in:
            self._on_too_low(message, seq, now_ns)
            return False
        return True

    def _on_too_high(self, message: Message, seq: int, now_ns: int) -> bool:
        if not self.config.resend_on_gap:
            self._events.append(Gap(self.store.next_in, seq - 1))
            self.store.next_in = seq
            return True
        if len(self._queue) < self.config.queue_max:
            self._queue[seq] = message
        else:
            self.discarded_count += 1
        if not self.gap_pending:
            self._events.append(Gap(self.store.next_in, seq - 1))
            self._gap_end = seq - 1
            self._gap_tries = 0
            self._ask_for_gap(now_ns)
        return False

    def _ask_for_gap(self, now_ns: int) -> None:
        self._gap_progress = self.store.next_in
        self._gap_tries += 1
        self._gap_deadline_ns = now_ns + int(self.config.resend_timeout_s * NS_PER_SECOND)
        self._send_admin(b"2", [(7, b"%d" % self.store.next_in), (16, b"0")], now_ns)

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

    def _on_too_low(self, message: Message, seq: int, now_ns: int) -> None:
        if not message.flag(43):
            text = f"MsgSeqNum too low, expecting {self.store.next_in} but received {seq}"
            if self._state is not SessionState.LOGOUT_SENT:
                self._send_logout(text, now_ns)
            self._disconnect(text)
            return
        if message.msg_type != b"4":
            orig = message.get(122)
            if orig is None:
                self._reject(message, Problem(checks.REQUIRED_MISSING, 122), now_ns)
                return
            if (parse_timestamp(orig) or 0) > (parse_timestamp(message.get(52) or b"") or 0):
                self._reject_and_logout(message, Problem(checks.SENDING_TIME), now_ns)
                return
        self.duplicate_count += 1

    # ---- administrative messages ----

    def _on_logon(self, message: Message, now_ns: int) -> None:
        answers = self.config.role is Role.ACCEPTOR or self._state in UP_STATES
        reset = message.flag(141)
        if reset and not self._sent_reset:
            self.store.reset(now_ns)
            self._forget_gap()
            if not answers:
                self.store.next_out = 2  # a venue that resets counts the Logon it answers as our first message
        elif answers and self.config.reset_on_logon:
            self.store.reset(now_ns)
        seq = message.integer(34) or 0
        if seq < self.store.next_in:
            self._on_too_low(message, seq, now_ns)
            return
        if answers:
            self._live.interval_ns = (message.integer(108) or 0) * NS_PER_SECOND
            self._send_logon(now_ns, reset=reset)
        self._state = SessionState.LOGGED_ON
        self._deadline_ns = NEVER_NS
        self._events.append(LoggedOn(reset or self._sent_reset))
        self._sent_reset = False
        if seq == self.store.next_in or self._on_too_high(message, seq, now_ns):
            self.store.next_in += 1

    def _on_sequence_reset(self, message: Message, now_ns: int) -> None:
        gap_fill = message.flag(123)
        if gap_fill and not self._in_sequence(message, now_ns):
            return
        new, old = message.integer(36) or 0, self.store.next_in
        if new < old:
            self._reject(message, Problem(checks.BAD_VALUE), now_ns)
        elif new > old:
            self.store.next_in = new
            self._queue = {seq: queued for seq, queued in self._queue.items() if seq >= new}
            self._events.append(SequenceReset(new, old, gap_fill))

    def _on_resend_request(self, message: Message, now_ns: int) -> None:
        begin, end = message.integer(7) or 0, message.integer(16) or 0
        last = self.store.next_out - 1
        if begin > last or 0 < end < begin:
            self._reject(message, Problem(checks.BAD_VALUE, 7 if begin > last else 16), now_ns)
            return
        self._resend(max(begin, 1), last if end == 0 else min(end, last), now_ns)
        if message.integer(34) == self.store.next_in:
            self.store.next_in += 1

    def _on_logout(self, message: Message, now_ns: int) -> None:
        if message.integer(34) == self.store.next_in:
            self.store.next_in += 1
        if self._state is not SessionState.LOGOUT_SENT:
            self._send_logout("", now_ns)
        self._disconnect("logged out", peer_text=message.text(58))
