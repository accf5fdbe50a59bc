"""A FIX session as a state machine without socket, clock or log, in both roles.

    bytes in --> receive --> frames --> on_message --> rules (fix_rules.py) --> events
    time  in --> poll    ----------------------------------------------------> bytes out (fix_output.py)

The rules stand in layers: what is sent (fix_output.py), gaps (fix_gap.py), administrative messages (fix_admin.py),
admission and sequence (fix_rules.py). What must stay true: bad bytes never raise; after a Disconnect event nothing but
`connected` changes anything; between two calls `next_in` and `next_out` may be advanced by native code that receives
or sends on its own.
"""

from feedhandler.wire.fix_admin import NUMBER_END
from feedhandler.wire.fix_events import (
    App,
    Disconnect,
    Event,
    Gap,
    Garbled,
    LoggedOn,
    LoggedOut,
    LogonRefused,
    Rejected,
    Role,
    SequenceReset,
    SessionConfig,
    SessionState,
)
from feedhandler.wire.fix_frame import Framer
from feedhandler.wire.fix_gap import UP_STATES
from feedhandler.wire.fix_liveness import NEVER_NS, Due
from feedhandler.wire.fix_message import Field, Malformed, decode
from feedhandler.wire.fix_rules import SessionRules
from feedhandler.wire.fix_store import MemoryStore, SequenceStore
from feedhandler.wire.fix_time import NS_PER_SECOND

__all__ = [
    "NEVER_NS",
    "App",
    "Disconnect",
    "Event",
    "Gap",
    "Garbled",
    "LoggedOn",
    "LoggedOut",
    "LogonRefused",
    "MemoryStore",
    "Rejected",
    "Role",
    "SequenceReset",
    "SequenceStore",
    "Session",
    "SessionConfig",
    "SessionState",
]


class Session(SessionRules):
    """One FIX session over any number of successive connections. Not thread-safe; one caller at a time."""

    def __init__(self, config: SessionConfig, store: SequenceStore) -> None:
        """Take the numbers from the store (a fresh one starts at 1); never close it."""
        super().__init__(config, store)
        self._framer = Framer(config.message_bytes_max, verify=config.verify_frame)
        self._unfinished_until_ns = NEVER_NS
        self._session_until_ns = NEVER_NS
        self._seen_in = 0
        self._malformed_count = 0

    @property
    def garbled_count(self) -> int:
        """Messages ignored because they were none: wrong frame, or no tag=value inside."""
        return self._framer.garbled_count + self._malformed_count

    # ---- the connection ----

    def connected(self, now_ns: int) -> None:
        """Begin a connection: an initiator logs on, an acceptor waits for the Logon."""
        config = self.config
        self._now_ns = now_ns
        self._framer.clear()
        self._unfinished_until_ns = NEVER_NS
        self._output.clear()
        self._forget_gap()
        self._live.interval_ns = config.heartbeat_s * NS_PER_SECOND
        self._live.start(now_ns)
        self._deadline_ns = now_ns + int(config.logon_timeout_s * NS_PER_SECOND)
        self._sent_reset = False
        if not self._begin_session(now_ns):
            self._state = SessionState.CONNECTED
            self._disconnect("outside of the session's time")
        elif config.role is Role.ACCEPTOR:
            self._state = SessionState.CONNECTED
        else:
            self._log_on(now_ns)
        self._seen_in, self._seen_out = self.store.next_in, self.store.next_out

    def _log_on(self, now_ns: int) -> None:
        config = self.config
        if config.reset_on_logon:
            self.store.reset(now_ns)
        resets = config.reset_on_logon or config.reset_on_logout or config.reset_on_disconnect
        fresh = self.store.next_in == self.store.next_out == 1
        self._sent_reset = resets and fresh and config.begin_string >= "FIX.4.1"
        self._state = SessionState.LOGON_SENT
        self._send_logon(now_ns, reset=self._sent_reset)

    def disconnected(self, now_ns: int) -> None:
        """Note that the transport is gone. Numbers stay, unless configured otherwise; the next Logon goes on."""
        self._now_ns = now_ns
        if self._state in UP_STATES:
            self._events.append(LoggedOut("connection lost"))
        if self._state is not SessionState.DISCONNECTED and self.config.reset_on_disconnect:
            self.store.reset(now_ns)
        self._state = SessionState.DISCONNECTED
        self._output.clear()
        self._forget_gap()

    # ---- the schedule ----

    def may_connect(self, now_ns: int) -> bool:
        """Whether this is the session's time."""
        schedule = self.config.schedule
        return schedule is None or schedule.session_of(now_ns) is not None

    def next_start_ns(self, now_ns: int) -> int:
        """When the session's time begins next, for one that is outside of it."""
        schedule = self.config.schedule
        return now_ns if schedule is None else schedule.next_start_ns(now_ns)

    def _begin_session(self, now_ns: int) -> bool:
        """Whether this is the session's time; numbers of an earlier one are forgotten."""
        if self.config.schedule is None:
            return True
        window = self.config.schedule.session_of(now_ns)
        if window is None:
            return False
        begin_ns, self._session_until_ns = window
        if self.store.created_ns < begin_ns:
            self.store.reset(now_ns)
        return True

    # ---- sending ----

    def send(self, msg_type: bytes, fields: list[Field], now_ns: int, *, header: tuple[Field, ...] = ()) -> int:
        """Send an application message, kept for resending. Returns its number; 0 = not logged on.

        `fields` leave as they are; `header` fields are put in their places.
        """
        if self._state is not SessionState.LOGGED_ON:
            return 0
        return self._send_app(msg_type, fields, now_ns, header)

    def logout(self, text: str, now_ns: int) -> None:
        """Ask for the end; Disconnect follows the answer or the time-out. Before the logon: at once."""
        self._now_ns = now_ns
        if self._state is SessionState.LOGGED_ON:
            self._begin_logout(text, now_ns)
        elif self._state in (SessionState.CONNECTED, SessionState.LOGON_SENT):
            self._disconnect("logged out before the logon was answered")

    # ---- time ----

    def note_received(self, now_ns: int) -> None:
        """Native code processed messages of the peer (else `poll` sees it by `next_in`)."""
        self._live.heard(now_ns)
        self._seen_in = self.store.next_in

    def note_sent(self, now_ns: int) -> None:
        """Native code sent messages (else `poll` sees it by `next_out`)."""
        self._live.sent(now_ns)
        self._seen_out = self.store.next_out

    def poll(self, now_ns: int) -> None:
        """Do what is due. Call it at `next_timer_ns` or whenever convenient."""
        self._now_ns = now_ns
        if self._state is SessionState.DISCONNECTED:
            return
        if self.store.next_in != self._seen_in:
            self.note_received(now_ns)
        if self.store.next_out != self._seen_out:
            self.note_sent(now_ns)
        if self._ends(now_ns) or self._state not in UP_STATES:
            return
        match self._live.due(now_ns):
            case Due.GIVE_UP:
                self._disconnect("Timed out waiting for heartbeat")
                return
            case Due.TEST_REQUEST:
                self._live.tests_open += 1
                self._send_admin(b"1", [(112, b"TEST")], now_ns)
            case Due.HEARTBEAT:
                self._send_admin(b"0", [], now_ns)
        self._ask_for_next_chunk(now_ns)
        self._poll_gap(now_ns)

    def _ends(self, now_ns: int) -> bool:
        """Whether time has ended the connection."""
        if now_ns >= self._deadline_ns:
            waiting = "logout" if self._state is SessionState.LOGOUT_SENT else "logon"
            self._disconnect(f"Timed out waiting for {waiting} response")
        elif now_ns >= self._unfinished_until_ns:
            self._disconnect("a message was not finished in time")
        elif now_ns >= self._session_until_ns and self._state in UP_STATES:
            self._end("the session's time is over", now_ns, say="")
        return self._state is SessionState.DISCONNECTED

    def next_timer_ns(self) -> int:
        """When `poll` has something to do next, ns since the epoch; NEVER_NS = never."""
        if self._state is SessionState.DISCONNECTED:
            return NEVER_NS
        soonest = min(self._deadline_ns, self._unfinished_until_ns)
        if self._state not in UP_STATES:
            return soonest
        gap_ns = self._gap_deadline_ns if self.gap_pending else NEVER_NS
        return min(soonest, self._live.next_due_ns(), gap_ns, self._session_until_ns)

    # ---- receiving ----

    def receive(self, data: bytes, now_ns: int) -> None:
        """Take bytes from the transport, cut anywhere."""
        self._now_ns = now_ns
        if self._state is SessionState.DISCONNECTED:
            return
        complete = False
        for piece, why in self._framer.feed(data):
            complete = True
            if why:
                self._on_garbled(why, piece)
            else:
                self.on_message(piece, now_ns)
            if self.state is SessionState.DISCONNECTED:
                self._framer.clear()
                return
        if not self._framer.unfinished:
            self._unfinished_until_ns = NEVER_NS
        elif complete or self._unfinished_until_ns == NEVER_NS:
            self._unfinished_until_ns = now_ns + int(self.config.unfinished_s * NS_PER_SECOND)

    def on_message(self, raw: bytes, now_ns: int) -> None:
        """Take one message whose BodyLength and CheckSum are right."""
        self._now_ns = now_ns
        if self._state is SessionState.DISCONNECTED:
            return
        message = decode(raw)
        if isinstance(message, Malformed):
            self._malformed_count += 1
            self._on_garbled(message.why, raw)
            return
        self._process(message, now_ns)
        self._process_queue(now_ns)
        self._ask_for_next_chunk(now_ns)
        if self.state is not SessionState.DISCONNECTED:
            self._mind_bounds(now_ns)
        self._seen_in = self.store.next_in

    def _on_garbled(self, why: str, raw: bytes) -> None:
        """Ignore it, as FIX demands; but a Logon that is none will not be followed by anything."""
        self._events.append(Garbled(why, raw))
        if self._state in (SessionState.CONNECTED, SessionState.LOGON_SENT) and b"\x0135=A\x01" in raw[:64]:
            self._events.append(LogonRefused(why, raw))
            self._disconnect(f"Logon message is not valid: {why}")

    def _mind_bounds(self, now_ns: int) -> None:
        if len(self._output) > self.config.output_bytes_max:
            self._disconnect("the peer asks for more than it reads")
        elif max(self.store.next_in, self.store.next_out) > NUMBER_END:
            self._end("sequence numbers are used up", now_ns)
