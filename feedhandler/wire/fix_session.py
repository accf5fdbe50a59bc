"""A FIX session as a state machine without socket, clock or log, in both roles.

    bytes in --> receive --> frames --> on_message --> rules (fix_rules.py) --> events
    time  in --> poll    ----------------------------------------------------> bytes out (fix_output.py)

What must stay true: bad bytes never raise; after a Disconnect event nothing but `connected` changes anything;
between two calls `next_in` and `next_out` may be advanced by native code that receives or sends on its own.
"""

from feedhandler.wire.fix_events import (
    App,
    Disconnect,
    Event,
    Gap,
    Garbled,
    LoggedOn,
    LoggedOut,
    Rejected,
    Role,
    SequenceReset,
    SessionConfig,
    SessionState,
)
from feedhandler.wire.fix_frame import Framer
from feedhandler.wire.fix_liveness import NEVER_NS, Due
from feedhandler.wire.fix_message import Field, Malformed, decode, encode
from feedhandler.wire.fix_rules import UP_STATES, SessionRules
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
        self._framer = Framer(config.message_bytes_max)
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
        self._framer.clear()
        self._output.clear()
        self._forget_gap()
        self._live.interval_ns = config.heartbeat_s * NS_PER_SECOND
        self._live.start(now_ns)
        self._deadline_ns = now_ns + int(config.logon_timeout_s * NS_PER_SECOND)
        self._sent_reset = False
        if config.role is Role.ACCEPTOR:
            self._state = SessionState.CONNECTED
        else:
            if config.reset_on_logon:
                self.store.reset(now_ns)
            self._sent_reset = config.reset_on_logon
            self._state = SessionState.LOGON_SENT
            self._send_logon(now_ns, reset=config.reset_on_logon)
        self._seen_in, self._seen_out = self.store.next_in, self.store.next_out

    def disconnected(self, now_ns: int) -> None:  # noqa: ARG002 - every input carries its time
        """Note that the transport is gone. Numbers stay; the next Logon goes on from them."""
        if self._state in UP_STATES:
            self._events.append(LoggedOut("connection lost"))
        self._state = SessionState.DISCONNECTED
        self._output.clear()
        self._forget_gap()

    # ---- sending ----

    def send(self, msg_type: bytes, fields: list[Field], now_ns: int) -> int:
        """Send an application message, kept for resending. Returns its number; 0 = not logged on."""
        if self._state is not SessionState.LOGGED_ON:
            return 0
        seq = self.store.next_out
        message = encode(self._header, msg_type, seq, self._stamp(now_ns), fields)
        self.store.append(seq, message)
        self.store.next_out = seq + 1
        self._put(message, now_ns)
        self._seen_out = seq + 1
        return seq

    def logout(self, text: str, now_ns: int) -> None:
        """Ask for the end; Disconnect follows the answer or the time-out. Before the logon: at once."""
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
        if self._state is SessionState.DISCONNECTED:
            return
        if self.store.next_in != self._seen_in:
            self.note_received(now_ns)
        if self.store.next_out != self._seen_out:
            self.note_sent(now_ns)
        if now_ns >= self._deadline_ns:
            waiting = "logout" if self._state is SessionState.LOGOUT_SENT else "logon"
            self._disconnect(f"Timed out waiting for {waiting} response")
            return
        if self._state not in UP_STATES:
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
        self._poll_gap(now_ns)

    def next_timer_ns(self) -> int:
        """When `poll` has something to do next, ns since the epoch; NEVER_NS = never."""
        if self._state is SessionState.DISCONNECTED:
            return NEVER_NS
        if self._state not in UP_STATES:
            return self._deadline_ns
        gap_ns = self._gap_deadline_ns if self.gap_pending else NEVER_NS
        return min(self._deadline_ns, self._live.next_due_ns(), gap_ns)

    # ---- receiving ----

    def receive(self, data: bytes, now_ns: int) -> None:
        """Take bytes from the transport, cut anywhere."""
        if self._state is SessionState.DISCONNECTED:
            return
        for piece, why in self._framer.feed(data):
            if why:
                self._events.append(Garbled(why, piece))
                continue
            self.on_message(piece, now_ns)
            if self.state is SessionState.DISCONNECTED:
                self._framer.clear()
                return

    def on_message(self, raw: bytes, now_ns: int) -> None:
        """Take one message whose BodyLength and CheckSum are right."""
        if self._state is SessionState.DISCONNECTED:
            return
        message = decode(raw)
        if isinstance(message, Malformed):
            self._malformed_count += 1
            self._events.append(Garbled(message.why, raw))
            return
        self._process(message, now_ns)
        self._process_queue(now_ns)
        if len(self._output) > self.config.output_bytes_max:
            self._disconnect("the peer asks for more than it reads")
        self._seen_in = self.store.next_in
