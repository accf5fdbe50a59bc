"""The receiving half of a FIX session: whether a message is admitted, and where it stands in the sequence.

It behaves as QuickFIX's sessions do; where it differs, docs/contracts/fix-session.md says so and why.
`next_in` passes a number only when that message was handled, was gap-filled, or is lost and reported.
"""

from collections.abc import Callable

from feedhandler.wire import fix_checks as checks
from feedhandler.wire.fix_admin import SessionAdmin
from feedhandler.wire.fix_checks import Problem, find_missing_party
from feedhandler.wire.fix_events import App, SessionState
from feedhandler.wire.fix_gap import UP_STATES
from feedhandler.wire.fix_message import Message
from feedhandler.wire.fix_time import NS_PER_SECOND, parse_timestamp
from feedhandler.wire.fix_validate import find_problem


class SessionRules(SessionAdmin):
    """Rules for one whole message at a time; `Session` adds framing, connection and time."""

    application: Callable[[App, int], None] | None = None
    """Takes application messages at once instead of as events, where their answers must leave in their turn."""

    def _process(self, message: Message, now_ns: int) -> None:
        if message.get(8) != self._header.begin_string:
            self._on_wrong_version(message, now_ns)
            return
        problem = find_missing_party(message)
        if problem is None and message.get(34) is None:
            self._on_no_number(now_ns)
            return
        problem = problem or find_problem(message, self.config.rules, self._appl_ver_id)
        if problem is not None:
            self._reject(message, problem, now_ns)
            return
        if self._admit(message, now_ns):
            self._act(message, now_ns)

    def _act(self, message: Message, now_ns: int) -> None:
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
            message = self._take_kept()
            if message is None:
                return
            # Logon and ResendRequest were acted upon when they came; only their number is left to count.
            if message.msg_type in (b"A", b"2"):
                self.store.next_in += 1
            else:
                self._process(message, now_ns)

    def _on_sequenced(self, message: Message, now_ns: int) -> None:
        match message.msg_type:
            case b"0":
                pass
            case b"1":
                if self._within(self._answers, 1, "TestRequests", now_ns):
                    self._send_admin(b"0", [(112, message.get(112) or b"")], now_ns)
            case b"3":
                self._note_peer_reject(message)
            case msg_type:
                event = App(msg_type, message.integer(34) or 0, message.flag(43), message.raw)
                if self.application is None:
                    self._events.append(event)
                else:
                    self.application(event, now_ns)

    # ---- before the sequence ----

    def _admit(self, message: Message, now_ns: int) -> bool:
        """State, SendingTime and CompIDs; then the peer counts as heard."""
        if not self._is_expected(message):
            self._disconnect("Logon state is not valid for message")
            return False
        # Whole seconds, as the clocks of most counterparties tell no more.
        off_s = abs(now_ns - (parse_timestamp(message.get(52) or b"") or 0)) // NS_PER_SECOND
        if self.config.max_latency_s and off_s > self.config.max_latency_s:
            self._reject_and_logout(message, Problem(checks.SENDING_TIME), now_ns)
            return False
        parties = (message.get(49), message.get(56))
        if self.config.check_comp_id and parties != (self._header.target, self._header.sender):
            self._reject_and_logout(message, Problem(checks.COMP_ID), now_ns)
            return False
        self._live.heard(now_ns)
        return True

    def _is_expected(self, message: Message) -> bool:
        up = self._state in UP_STATES
        if message.msg_type == b"A":
            return not up or message.flag(141)
        # A venue may say no to a Logon with a Logout, or explain itself with a Reject first.
        return up or (message.msg_type in (b"3", b"5") and self._state is SessionState.LOGON_SENT)

    def _on_wrong_version(self, message: Message, now_ns: int) -> None:
        if self._state is SessionState.CONNECTED:
            self._refuse("Incorrect BeginString", message)
        elif message.msg_type == b"5":
            self._on_logout(message, now_ns)
        else:
            self._begin_logout("Incorrect BeginString", now_ns)
            if message.integer(34) == self.store.next_in:
                self.store.next_in += 1

    def _on_no_number(self, now_ns: int) -> None:
        """Without MsgSeqNum nothing that follows could be trusted."""
        text = "Received message without MsgSeqNum"
        if self._state in UP_STATES:
            self._end(text, now_ns)
        else:
            self._disconnect(text)

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
