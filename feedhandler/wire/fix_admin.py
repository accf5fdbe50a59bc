"""What the administrative messages do to a FIX session, and how it ends."""

from feedhandler.wire import fix_checks as checks
from feedhandler.wire.fix_budget import Budget
from feedhandler.wire.fix_checks import Problem
from feedhandler.wire.fix_events import LoggedOn, LogonRefused, Role, SequenceReset, SessionConfig, SessionState
from feedhandler.wire.fix_gap import UP_STATES, SessionGap
from feedhandler.wire.fix_liveness import NEVER_NS
from feedhandler.wire.fix_message import Message
from feedhandler.wire.fix_store import SequenceStore
from feedhandler.wire.fix_time import NS_PER_SECOND, parse_timestamp

NUMBER_END = 2**63 - 2**20  # a session whose numbers come here ends, while they still fit everywhere


class SessionAdmin(SessionGap):
    """Logon, Logout, ResendRequest, SequenceReset; rejecting; numbers that come too late."""

    def __init__(self, config: SessionConfig, store: SequenceStore) -> None:
        """As `Session`."""
        super().__init__(config, store)
        self._deadline_ns = NEVER_NS  # of logon or logout
        self._sent_reset = False
        self._answers = Budget(*config.limits.answers)
        self._rejects = Budget(*config.limits.rejects)
        self._resends = Budget(*config.limits.resends)
        self.duplicate_count = 0  # PossDup of something already processed
        self.reject_count = 0  # our Rejects
        self.overdone_count = 0  # sessions that ended because the peer asked for too much

    # ---- the end ----

    def _begin_logout(self, text: str, now_ns: int) -> None:
        if self._state is SessionState.LOGOUT_SENT:
            return
        self._send_logout(text, now_ns)
        self._deadline_ns = now_ns + int(self.config.logout_timeout_s * NS_PER_SECOND)
        self._state = SessionState.LOGOUT_SENT

    def _end(self, text: str, now_ns: int, *, say: str | None = None) -> None:
        """Say why in a Logout and disconnect, without waiting for an answer."""
        if self._state is not SessionState.LOGOUT_SENT:
            self._send_logout(text if say is None else say, now_ns)
        self._disconnect(text)

    def _refuse(self, reason: str, message: Message) -> None:
        """Disconnect before the logon, without a word: who is no party to the session learns nothing."""
        self._events.append(LogonRefused(reason, message.raw))
        self._disconnect(reason)

    def _within(self, budget: Budget, amount: int, what: str, now_ns: int) -> bool:
        """Whether the peer may ask for this; else the session ends."""
        if budget.take(amount, now_ns):
            return True
        self.overdone_count += 1
        self._end(f"Too many {what}", now_ns)
        return False

    # ---- rejecting ----

    def _reject(self, message: Message, problem: Problem, now_ns: int) -> None:
        if self._state not in UP_STATES:
            self._refuse(f"{problem.text} before logon", message)
            return
        if message.msg_type not in (b"A", b"4") and message.integer(34) == self.store.next_in:
            self.store.next_in += 1
        self.reject_count += 1
        self._note_reject(message, problem)
        if self._within(self._rejects, 1, "rejected messages", now_ns):
            self._send_reject(message, problem, now_ns)

    def _reject_and_logout(self, message: Message, problem: Problem, now_ns: int) -> None:
        self._reject(message, problem, now_ns)
        if self._state in UP_STATES:
            self._begin_logout("", now_ns)

    def _on_too_low(self, message: Message, seq: int, now_ns: int) -> None:
        if not message.flag(43):
            self._end(f"MsgSeqNum too low, expecting {self.store.next_in} but received {seq}", now_ns)
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

    # ---- Logon ----

    def _on_logon(self, message: Message, now_ns: int) -> None:
        answers = self.config.role is Role.ACCEPTOR or self._state in UP_STATES
        if not self._accept_terms(message, now_ns):
            return
        reset = message.flag(141)
        if reset and not self._sent_reset:
            self.store.reset(now_ns)
            self._forget_gap()
            if not answers:
                self.store.next_out = 2  # a venue that resets counts the Logon it answers as our first message
        elif answers and self.config.reset_on_logon and self._state not in UP_STATES:
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
        # A Logon that resets is number 1, whatever it says.
        if reset or seq == self.store.next_in or self._on_too_high(message, seq, now_ns):
            self.store.next_in += 1

    def _accept_terms(self, message: Message, now_ns: int) -> bool:
        """Whether we can do what the Logon wants: a heartbeat interval and a version of the application messages."""
        if (message.get(108) or b"").startswith(b"-"):
            self._end("HeartBtInt must not be negative", now_ns)
            return False
        if not self.is_fixt:
            return True
        version = message.text(1137)
        if not version:
            self._refuse("Required tag missing before logon", message)
            return False
        known = self.config.rules.application
        if known and version not in known:
            self._end(f"Unsupported DefaultApplVerID {version}", now_ns)
            return False
        if self.config.role is Role.ACCEPTOR:
            self._appl_ver_id = version
        return True

    # ---- SequenceReset, ResendRequest, Logout ----

    def _on_sequence_reset(self, message: Message, now_ns: int) -> None:
        gap_fill = message.flag(123)
        if gap_fill and not self._in_sequence(message, now_ns):
            return
        new, old = message.integer(36) or 0, self.store.next_in
        if new < old:
            self._reject(message, Problem(checks.BAD_VALUE), now_ns)
        elif new > old:
            self.store.next_in = new
            self._drop_queue(new)
            self._events.append(SequenceReset(new, old, gap_fill))

    def _in_sequence(self, message: Message, now_ns: int) -> bool:
        raise NotImplementedError

    def _on_resend_request(self, message: Message, now_ns: int) -> None:
        begin, end = message.integer(7) or 0, message.integer(16) or 0
        last = self.store.next_out - 1
        to_the_end = end == 0 or (end == 999_999 and self.config.begin_string <= "FIX.4.2")
        if begin > last or (not to_the_end and end < begin):
            self._reject(message, Problem(checks.BAD_VALUE, 7 if begin > last else 16), now_ns)
            return
        if message.integer(34) == self.store.next_in:
            self.store.next_in += 1
        cost = self._resend(max(begin, 1), last if to_the_end else min(end, last), now_ns)
        self._within(self._resends, cost, "ResendRequests", now_ns)

    def _on_logout(self, message: Message, now_ns: int) -> None:
        if message.integer(34) == self.store.next_in:
            self.store.next_in += 1
        if self._state is not SessionState.LOGOUT_SENT:
            self._send_logout("", now_ns)
        self._disconnect("logged out", peer_text=message.text(58))
        if self.config.reset_on_logout:
            self.store.reset(now_ns)
