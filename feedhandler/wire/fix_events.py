"""What a FIX session is configured with and what it reports."""

from collections.abc import Callable
from enum import Enum

import msgspec

from feedhandler.wire.fix_message import Field
from feedhandler.wire.fix_schedule import Schedule
from feedhandler.wire.fix_validate import Rules

LogonHook = Callable[[int, str], list[Field]]


class Role(Enum):
    """Who opens the connection and logs on first."""

    INITIATOR = "initiator"
    ACCEPTOR = "acceptor"


class SessionState(Enum):
    """Where the session stands."""

    DISCONNECTED = "disconnected"
    CONNECTED = "connected"  # acceptor only: waiting for the Logon
    LOGON_SENT = "logon_sent"
    LOGGED_ON = "logged_on"
    LOGOUT_SENT = "logout_sent"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much work a peer may ask for: so much at once, so much a second for ever. Beyond it, a Logout says so."""

    answers: tuple[float, float] = (20_000, 2_000)  # Heartbeats that answer TestRequests
    rejects: tuple[float, float] = (20_000, 1_000)  # our Rejects
    resends: tuple[float, float] = (1_000_000, 20_000)  # messages resent; a ResendRequest itself counts as 100


class SessionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One session's settings. Times in seconds. `repr` never shows the password."""

    role: Role
    sender: str
    target: str
    begin_string: str = "FIX.4.4"
    heartbeat_s: int = 30  # 0 = no heartbeats; an acceptor takes the initiator's
    reset_on_logon: bool = False  # initiator: 141=Y in every Logon; acceptor: both numbers to 1 at every Logon
    reset_on_logout: bool = False  # both numbers to 1 after a Logout of either side
    reset_on_disconnect: bool = False  # both numbers to 1 whenever the connection ends
    username: str = ""
    password: str = ""
    appl_ver_id: str = ""  # 1137, FIXT only; an acceptor answers with the initiator's
    header_fields: tuple[Field, ...] = ()  # in every message, such as (57, b"QUOTE")
    logon_hook: LogonHook | None = None  # more Logon fields, from its 34 and 52 (signed logons)
    time_precision: str = "ms"  # of SendingTime: s, ms, us or ns; always s before FIX.4.2
    schedule: Schedule | None = None  # None: one session for ever
    rules: Rules = Rules()  # dictionaries, and what is checked
    check_comp_id: bool = True
    verify_frame: bool = True  # False: BodyLength and CheckSum may be wrong
    logon_timeout_s: float = 10
    logout_timeout_s: float = 5
    max_latency_s: float = 120  # SendingTime may be off by so many whole seconds; 0 = do not look
    resend_on_gap: bool = True  # False: report the gap, go on after it, ask for nothing (venues without resend)
    resend_chunk: int = 0  # ask for so many messages at a time; 0 = for all
    redundant_resends: bool = False  # ask again at each message above a gap that was asked for
    resend_timeout_s: float = 10  # without any progress the ResendRequest is repeated
    resend_tries_max: int = 3  # then disconnect
    queue_max: int = 0  # too-high messages kept until the gap is filled; 0 = discard, they are resent
    queue_bytes_max: int = 64 * 1024 * 1024
    last_processed: bool = False  # 369 in every message
    unfinished_s: float = 60  # a message must be complete so long after its first byte
    message_bytes_max: int = 4 * 1024 * 1024
    output_bytes_max: int = 256 * 1024 * 1024  # bytes not yet taken; beyond it the peer is cut off
    limits: Limits = Limits()

    def __repr__(self) -> str:
        """Name the session, keep its secrets."""
        return f"SessionConfig({self.role.value} {self.begin_string} {self.sender}->{self.target})"


class LoggedOn(msgspec.Struct, frozen=True):
    """Both Logons are exchanged. `reset`: sequence numbers began again at 1."""

    reset: bool = False


class LoggedOut(msgspec.Struct, frozen=True):
    """The session is over; `text` is the peer's 58 (or says that there was no Logout)."""

    text: str = ""


class App(msgspec.Struct, frozen=True):
    """An application message, in sequence, each number once. `raw` is the whole message."""

    msg_type: bytes
    seq: int
    poss_dup: bool
    raw: bytes


class Gap(msgspec.Struct, frozen=True):
    """Messages begin..end did not arrive; they are asked for unless `resend_on_gap` is off."""

    begin: int
    end: int


class SequenceReset(msgspec.Struct, frozen=True):
    """The peer moved its next number from `old` to `new` (gap fill: nothing to resend in between)."""

    new: int
    old: int
    gap_fill: bool


class Rejected(msgspec.Struct, frozen=True):
    """A session-level Reject: of ours by the peer (`by_peer`), or of the peer's message `ref_seq` by us."""

    ref_seq: int
    msg_type: bytes
    reason: int | None
    tag: int | None
    text: str
    by_peer: bool
    raw: bytes


class LogonRefused(msgspec.Struct, frozen=True):
    """A Logon that was not accepted, and why. Disconnect follows."""

    reason: str
    raw: bytes


class Garbled(msgspec.Struct, frozen=True):
    """Bytes that are no message; ignored as FIX demands, and counted."""

    why: str
    raw: bytes


class Disconnect(msgspec.Struct, frozen=True):
    """Write what `take_output` gives, then close the connection. The session is already DISCONNECTED."""

    reason: str


Event = LoggedOn | LoggedOut | App | Gap | SequenceReset | Rejected | LogonRefused | Garbled | Disconnect
