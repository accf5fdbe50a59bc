"""The sending half of a FIX session: numbering, encoding, storing, resending. No rules about when."""

from collections.abc import Iterable
from typing import Final

from feedhandler.wire.fix_checks import REASON_TEXT, Problem
from feedhandler.wire.fix_events import Event, Rejected, SessionConfig, SessionState
from feedhandler.wire.fix_liveness import Liveness
from feedhandler.wire.fix_message import Field, Header, Message, encode, encode_resent, parse_int
from feedhandler.wire.fix_store import SequenceStore
from feedhandler.wire.fix_time import format_timestamp

# OnBehalfOf and DeliverTo change places in an answer.
_REVERSED: Final = ((115, 128), (128, 115), (116, 129), (129, 116), (144, 145), (145, 144))


class SessionOutput:
    """Output buffer, events and message construction. `Session` adds the rules."""

    def __init__(self, config: SessionConfig, store: SequenceStore) -> None:
        """Own `store` between calls, without closing it."""
        self.config = config
        self.store = store
        self._state = SessionState.DISCONNECTED
        self._live = Liveness(config.heartbeat_s)
        self._output = bytearray()
        self._events: list[Event] = []
        self._seen_out = 0  # next_out as this session left it; another value means that native code sent
        self._header = Header(
            config.begin_string.encode(), config.sender.encode(), config.target.encode(), config.header_fields
        )

    @property
    def state(self) -> SessionState:
        """Where the session stands."""
        return self._state

    @property
    def next_in(self) -> int:
        """The MsgSeqNum expected next; kept in the store."""
        return self.store.next_in

    @next_in.setter
    def next_in(self, value: int) -> None:
        self.store.next_in = value

    @property
    def next_out(self) -> int:
        """The MsgSeqNum of our next message; kept in the store. Whoever sends by other means advances it."""
        return self.store.next_out

    @next_out.setter
    def next_out(self, value: int) -> None:
        self.store.next_out = value

    @property
    def has_output(self) -> bool:
        """Whether `take_output` would give bytes."""
        return bool(self._output)

    def take_output(self) -> bytes:
        """Bytes to write to the transport, once. Empty when there is nothing."""
        data = bytes(self._output)
        self._output.clear()
        return data

    def take_events(self) -> list[Event]:
        """Give what happened since the last call, in order, once."""
        events, self._events = self._events, []
        return events

    def _stamp(self, now_ns: int) -> bytes:
        return format_timestamp(now_ns, self.config.time_precision)

    def _send_admin(self, msg_type: bytes, fields: Iterable[Field], now_ns: int) -> None:
        """Advance the number before putting out: a crash costs a gap fill, never a number used twice."""
        seq = self.store.next_out
        message = encode(self._header, msg_type, seq, self._stamp(now_ns), fields)
        self.store.next_out = seq + 1
        self._put(message, now_ns)
        self._seen_out = seq + 1

    def _put(self, message: bytes, now_ns: int) -> None:
        self._output += message
        self._live.sent(now_ns)

    def _send_logon(self, now_ns: int, *, reset: bool) -> None:
        seq, stamp = self.store.next_out, self._stamp(now_ns)
        fields = [(98, b"0"), (108, b"%d" % (self._live.interval_ns // 1_000_000_000))]
        if reset:
            fields.append((141, b"Y"))
        if self.config.username:
            fields.append((553, self.config.username.encode()))
        if self.config.password:
            fields.append((554, self.config.password.encode()))
        if self.config.appl_ver_id:
            fields.append((1137, self.config.appl_ver_id.encode()))
        if self.config.logon_hook is not None:
            fields += self.config.logon_hook(seq, stamp.decode())
        self._send_admin(b"A", fields, now_ns)

    def _send_logout(self, text: str, now_ns: int) -> None:
        self._send_admin(b"5", [(58, text.encode())] if text else [], now_ns)

    def _send_reject(self, message: Message, problem: Problem, now_ns: int) -> None:
        text = REASON_TEXT[problem.reason]
        fields: list[Field] = [
            (theirs, value) for ours, theirs in _REVERSED if (value := message.get(ours)) is not None and value
        ]
        ref_seq = message.get(34)
        if ref_seq and parse_int(ref_seq) is not None:
            fields.append((45, ref_seq))
        fields.append((58, text.encode()))
        if problem.tag is not None:
            fields.append((371, b"%d" % problem.tag))
        if message.msg_type:
            fields.append((372, message.msg_type))
        fields.append((373, b"%d" % problem.reason))
        self._send_admin(b"3", fields, now_ns)

    def _note_reject(self, message: Message, problem: Problem) -> None:
        self._events.append(
            Rejected(
                message.integer(34) or 0,
                message.msg_type,
                problem.reason,
                problem.tag,
                REASON_TEXT[problem.reason],
                by_peer=False,
                raw=message.raw,
            )
        )

    def _note_peer_reject(self, message: Message) -> None:
        self._events.append(
            Rejected(
                message.integer(45) or 0,
                message.get(372) or b"",
                message.integer(373),
                message.integer(371),
                message.text(58),
                by_peer=True,
                raw=message.raw,
            )
        )

    def _resend(self, begin: int, end: int, now_ns: int) -> None:
        """Send begin..end again: kept application messages as PossDup, gap fills over everything else."""
        stamp = self._stamp(now_ns)
        position = begin
        for seq, raw in self.store.messages(begin, end):
            message = encode_resent(raw, stamp)
            if message is None:
                continue
            if seq > position:
                self._put_gap_fill(position, seq, stamp, now_ns)
            self._put(message, now_ns)
            position = seq + 1
            if len(self._output) > self.config.output_bytes_max:
                return
        if position <= end:
            self._put_gap_fill(position, end + 1, stamp, now_ns)

    def _put_gap_fill(self, begin: int, new: int, stamp: bytes, now_ns: int) -> None:
        fields = [(36, b"%d" % new), (123, b"Y")]
        self._put(encode(self._header, b"4", begin, stamp, fields, orig_sending_time=stamp), now_ns)
