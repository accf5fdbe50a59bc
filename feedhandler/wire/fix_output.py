"""The sending half of a FIX session: numbering, encoding, storing, resending. No rules about when."""

from collections.abc import Iterable
from typing import Final

from feedhandler.wire.fix_business import REASON_TEXT as BUSINESS_TEXT
from feedhandler.wire.fix_checks import Problem
from feedhandler.wire.fix_events import App, Event, Rejected, SessionConfig, SessionState
from feedhandler.wire.fix_liveness import Liveness
from feedhandler.wire.fix_message import (
    ADMIN_TYPES,
    Field,
    Header,
    Malformed,
    Message,
    decode,
    encode,
    encode_resent,
    parse_int,
)
from feedhandler.wire.fix_store import SequenceStore
from feedhandler.wire.fix_time import format_timestamp

# Who sends and who receives change places in an answer, on all levels.
_REVERSED: Final = (
    (50, 57), (57, 50), (142, 143), (143, 142),
    (115, 128), (128, 115), (116, 129), (129, 116), (144, 145), (145, 144),
)  # fmt: skip
_REASONS_OF_42: Final = 11  # SessionRejectReasons above it are younger than FIX 4.2
_RESEND_COST: Final = 100


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
        self._now_ns = 0  # of the last call
        self._seen_out = 0  # next_out as this session left it; another value means that native code sent
        self._header = Header(
            config.begin_string.encode(), config.sender.encode(), config.target.encode(), config.header_fields
        )
        self._precision = config.time_precision if config.begin_string >= "FIX.4.2" else "s"
        self._appl_ver_id = config.appl_ver_id
        self.is_fixt = config.begin_string.startswith("FIXT")

    @property
    def state(self) -> SessionState:
        """Where the session stands."""
        return self._state

    @property
    def appl_ver_id(self) -> str:
        """The DefaultApplVerID of this session; as the Logon said, where the other side chose it."""
        return self._appl_ver_id

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
        return format_timestamp(now_ns, self._precision)

    def _encode(self, msg_type: bytes, fields: Iterable[Field], now_ns: int, more: Iterable[Field] = ()) -> bytes:
        seq = self.store.next_out
        if self.config.last_processed:
            more = (*more, (369, b"%d" % max(0, self.store.next_in - 1)))
        return encode(self._header, msg_type, seq, self._stamp(now_ns), fields, more=more)

    def _send_admin(self, msg_type: bytes, fields: Iterable[Field], now_ns: int, more: Iterable[Field] = ()) -> None:
        """Advance the number before putting out: a crash costs a gap fill, never a number used twice."""
        message = self._encode(msg_type, fields, now_ns, more)
        seq = self.store.next_out
        self.store.next_out = seq + 1
        self._put(message, now_ns)
        self._seen_out = seq + 1

    def _send_app(self, msg_type: bytes, fields: Iterable[Field], now_ns: int, more: Iterable[Field] = ()) -> int:
        message = self._encode(msg_type, fields, now_ns, more)
        seq = self.store.next_out
        self.store.append(seq, message)
        self.store.next_out = seq + 1
        self._put(message, now_ns)
        self._seen_out = seq + 1
        return seq

    def _put(self, message: bytes, now_ns: int) -> None:
        self._output += message
        self._live.sent(now_ns)

    # ---- administrative messages ----

    def _send_logon(self, now_ns: int, *, reset: bool) -> None:
        seq, stamp = self.store.next_out, self._stamp(now_ns)
        fields = [(98, b"0"), (108, b"%d" % (self._live.interval_ns // 1_000_000_000))]
        if reset:
            fields.append((141, b"Y"))
        if self.config.username:
            fields.append((553, self.config.username.encode()))
        if self.config.password:
            fields.append((554, self.config.password.encode()))
        if self._appl_ver_id:
            fields.append((1137, self._appl_ver_id.encode()))
        if self.config.logon_hook is not None:
            fields += self.config.logon_hook(seq, stamp.decode())
        self._send_admin(b"A", fields, now_ns)

    def _send_logout(self, text: str, now_ns: int) -> None:
        self._send_admin(b"5", [(58, text.encode())] if text else [], now_ns)

    # ---- rejects ----

    def _send_reject(self, message: Message, problem: Problem, now_ns: int) -> None:
        """Refuse a message; versions before 4.2 have words for it only, 4.2 lacks the younger reasons."""
        begin, tag = self.config.begin_string, problem.tag
        ref_seq = message.get(34)
        fields: list[Field] = [(45, ref_seq)] if ref_seq and parse_int(ref_seq) is not None else []
        if begin < "FIX.4.2":
            fields.append((58, (problem.text if tag is None else f"{problem.text} ({tag})").encode()))
        else:
            fields.append((58, problem.text.encode()))
            if tag is not None:
                fields.append((371, b"%d" % tag))
            if message.msg_type:
                fields.append((372, message.msg_type))
            if begin > "FIX.4.2" or problem.reason <= _REASONS_OF_42:
                fields.append((373, b"%d" % problem.reason))
        self._send_admin(b"3", fields, now_ns, self._reversed(message))

    def _reversed(self, message: Message) -> list[Field]:
        own = {tag for tag, _ in self._header.extra}
        return [
            (theirs, value)
            for ours, theirs in _REVERSED
            if (value := message.get(ours)) and theirs not in own and self._has_locations(theirs)
        ]

    def _has_locations(self, tag: int) -> bool:
        return tag not in (144, 145) or self.config.begin_string >= "FIX.4.1"

    def reject_business(self, event: App, reason: int, now_ns: int, text: str = "") -> None:
        """Refuse an application message that the session found good: 35=j (380=`reason`), before FIX 4.2 a Reject."""
        message = decode(event.raw)
        if isinstance(message, Malformed) or self._state is not SessionState.LOGGED_ON:
            return
        text = text or BUSINESS_TEXT.get(reason, "")
        fields = [(45, b"%d" % event.seq), (58, text.encode()), (372, event.msg_type)]
        if self.config.begin_string < "FIX.4.2":
            self._send_admin(b"3", fields[:2], now_ns, self._reversed(message))
            return
        fields.append((380, b"%d" % reason))
        if self._appl_ver_id:
            fields.append((1137, self._appl_ver_id.encode()))
        self._send_app(b"j", fields, now_ns)

    def _note_reject(self, message: Message, problem: Problem) -> None:
        seq = message.integer(34) or 0
        self._events.append(
            Rejected(seq, message.msg_type, problem.reason, problem.tag, problem.text, by_peer=False, raw=message.raw)
        )

    def _note_peer_reject(self, message: Message) -> None:
        seq, reason, tag = (message.integer(tag) for tag in (45, 373, 371))
        text, msg_type = message.text(58), message.get(372) or b""
        self._events.append(Rejected(seq or 0, msg_type, reason, tag, text, by_peer=True, raw=message.raw))

    # ---- resending ----

    def _resend(self, begin: int, end: int, now_ns: int) -> int:
        """Send begin..end again: kept application messages as PossDup, gap fills over everything else.

        Returns what it cost: the request itself and each message.
        """
        stamp = self._stamp(now_ns)
        position, cost = begin, _RESEND_COST
        for seq, raw in self.store.messages(begin, end):
            message = encode_resent(raw, stamp)
            if message is None or _type_of(raw) in ADMIN_TYPES:
                continue
            if seq > position:
                self._put_gap_fill(position, seq, stamp, now_ns)
            self._put(message, now_ns)
            position = seq + 1
            cost += 1
            if len(self._output) > self.config.output_bytes_max:
                return cost
        if position <= end:
            self._put_gap_fill(position, end + 1, stamp, now_ns)
        return cost

    def _put_gap_fill(self, begin: int, new: int, stamp: bytes, now_ns: int) -> None:
        fields = [(36, b"%d" % new), (123, b"Y")]
        self._put(encode(self._header, b"4", begin, stamp, fields, orig_sending_time=stamp), now_ns)


def _type_of(raw: bytes) -> bytes:
    begin = raw.find(b"\x0135=") + 4
    return raw[begin : raw.find(b"\x01", begin)]
