"""One FIX market data source: connection, session, subscription, and its place in the native loop.

The native loop (feedhandler/native/fix_loop.hpp) reads the socket and decodes W and X in sequence; whatever else
arrives it hands to `on_message`, and everything here is for that: logon, heartbeats, gaps, refusals, reconnecting.

What must stay true: between two runs of the loop the session owns the sequence number, during a run the loop does;
so every entry point begins with `_take_sequence` and ends with `_give_sequence`.
"""

import random
from typing import Any

from feedhandler import _native
from feedhandler.config import Source
from feedhandler.errors import ConfigError
from feedhandler.sources.connection import Connection
from feedhandler.sources.fix_subscription import Subscription
from feedhandler.sources.states import Reason, StateWriter
from feedhandler.tick import State
from feedhandler.wire import fix_logon
from feedhandler.wire.fix_events import (
    App,
    Disconnect,
    Event,
    Gap,
    LoggedOn,
    LoggedOut,
    Rejected,
    Role,
    SequenceReset,
    SessionConfig,
    SessionState,
)
from feedhandler.wire.fix_message import Field, Malformed, decode
from feedhandler.wire.fix_profile import Profile, fields_of
from feedhandler.wire.fix_session import Session
from feedhandler.wire.fix_store import FileStore

MARKET_DATA = (b"W", b"X")
UP = (SessionState.LOGGED_ON, SessionState.LOGOUT_SENT)
MESSAGE_BYTES_MAX = 8 * 1024 * 1024
ENTRIES_MAX = 1 << 18
SNAPSHOTS_WAIT_NS = 10_000_000_000
"""A venue that answers a subscription otherwise than by W counts as in sync after this time."""


def session_config(source: Source, profile: Profile) -> SessionConfig:
    """Return what the session needs of a source's configuration and its dialect. Raises ConfigError."""
    words = profile.session
    who = fix_logon.Credentials(
        sender=source.sender, target=source.target, username=source.username, password=source.password,
        secret=source.secret,
    )  # fmt: skip
    try:
        hook = fix_logon.make(words.logon_hook, who, fields_of(words.logon))
    except fix_logon.LogonError as error:
        where = f"source {source.name}"
        raise ConfigError(where, "secret_env", "no usable secret", f"what {profile.name} signs with: {error}") from None
    sends_password = not words.logon_hook or fix_logon.HOOKS[words.logon_hook].sends_password
    return SessionConfig(
        role=Role.INITIATOR,
        sender=source.sender,
        target=source.target,
        begin_string=profile.begin_string,
        appl_ver_id=profile.appl_ver_id,
        heartbeat_s=source.heartbeat_s,
        reset_on_logon=source.reset_on_logon or words.reset_on_logon,
        username=source.username,
        password=source.password if sends_password else "",
        header_fields=_header_fields(source, profile),
        logon_hook=hook,
        time_precision=profile.time_precision,
        resend_on_gap=gap_policy(source, profile) == "resend",
        message_bytes_max=MESSAGE_BYTES_MAX,
    )


def gap_policy(source: Source, profile: Profile) -> str:
    """Return what a gap means here: a venue that resends nothing cannot be asked to."""
    unheard = source.gap_policy == "resend" and not profile.session.resend
    return "resubscribe" if unheard else source.gap_policy


def _header_fields(source: Source, profile: Profile) -> tuple[Field, ...]:
    """Return the profile's; 50 and 57 are the source's where it names them."""
    own = {"50": source.sender_sub, "57": source.target_sub}
    return tuple(fields_of(profile.session.header | {tag: value for tag, value in own.items() if value}))


class FixSource:
    """A source of one handler process. Main thread only; never blocks but for a host name's look-up."""

    def __init__(
        self,
        config: Source,
        profile: Profile,
        *,
        loop: _native.FixLoop,
        index: int,
        store: FileStore,
        subscription: Subscription,
        states: StateWriter,
        log: Any,
        heard_ns: int = 0,
    ) -> None:
        self.config = config
        self.gap_policy = gap_policy(config, profile)
        self.subscription = subscription
        self.states = states
        self.session = Session(session_config(config, profile), store)
        self.counts = dict.fromkeys(
            ("connects", "disconnects", "gaps", "rejected_subscriptions", "unknown_intervals", "resnapshots"), 0
        )
        self._store = store
        self._loop = loop
        self._index = index
        self._log = log
        self._connection: Connection | None = None
        self._next_connect_ns = 0
        self._failures = 0
        self._heard_ns = heard_ns  # when the venue was last heard, over all connections; 0 = never
        self._complained: set[tuple[str, str]] = set()
        self._was_pending = False
        self._reconnect_after_gap = False
        self._awaited = 0  # W to come before the source is in sync, counted since the beginning; 0 = none
        self._awaited_until_ns = 0
        loop.set_parties(index, config.sender, config.target)

    # ---- what the handler's loop calls ----

    def do_work(self, now_ns: int) -> int:
        """Connect, keep the session alive, ask for what is due. Returns how many things were done."""
        if self._connection is None:
            return self._connect(now_ns) if now_ns >= self._next_connect_ns else 0
        if self._connection.opening:
            return self._opening(now_ns)
        self._take_sequence()
        self.session.poll(now_ns)
        work = 0
        if self.session.state is SessionState.LOGGED_ON:
            for request in self.subscription.due(now_ns):
                self.session.send(b"V", request, now_ns)
                work += 1
            self.counts["resnapshots"] = self.subscription.resnapshots
        self._settle(now_ns)
        return work

    def on_message(self, raw: bytes, now_ns: int) -> None:
        """Take the message at which the native loop stopped."""
        self._take_sequence()
        self.session.on_message(raw, now_ns)
        self._settle(now_ns)

    def on_closed(self, error: int, now_ns: int) -> None:
        """Take the end of the connection, as the native loop saw it."""
        self._take_sequence()
        self._log.warning("connection closed by the venue", source=self.config.name, errno=error)
        self._drop(Reason.CONNECTION_LOST, now_ns)

    def stop(self, now_ns: int) -> None:
        """Log out; `done` tells when the venue has answered, or nothing was there to end."""
        self._take_sequence()
        if self._connection is not None and self.session.state in UP:
            self.session.logout("", now_ns)
            self._settle(now_ns)
        elif self._connection is not None:
            self._drop(Reason.STOPPING, now_ns)

    @property
    def done(self) -> bool:
        """There is no connection (any more)."""
        return self._connection is None

    @property
    def busy(self) -> bool:
        """A connection is being opened, or output waits for the socket: look again soon."""
        return self._connection is not None and (self._connection.opening or self._connection.backlog > 0)

    def close(self, now_ns: int) -> None:
        """Give up connection and store."""
        if self._connection is not None:
            self._take_sequence()
            self._drop(Reason.STOPPING, now_ns)
        self._store.close()

    def next_timer_ns(self) -> int:
        """When do_work has something to do."""
        if self._connection is None:
            return self._next_connect_ns
        return self.session.next_timer_ns()

    def status(self) -> dict[str, Any]:
        """Return what the control operation `status` says of this source."""
        counts = self._loop.counts(self._index)
        return {
            "session": self.session.state.value,
            "state": self.states.state.name.lower(),
            "reason": self.states.reason.name.lower(),
            "next_in": self._loop.next_in(self._index),
            "next_out": self.session.next_out,
            "gap_pending": self.session.gap_pending,
            "subscribed": self.subscription.active,
            "resnapshots_waiting": self.subscription.waiting,
            "requests": self.subscription.requests,
            "rejected": dict(list(self.subscription.rejected.items())[:20]),
            "counts": {**counts, **self.counts},
        }

    # ---- the connection ----

    def _connect(self, now_ns: int) -> int:
        try:
            self._connection = Connection(self.config.host, self.config.port)
        except OSError as error:
            self._connect_failed(str(error), now_ns)
        return 1

    def _opening(self, now_ns: int) -> int:
        connection = self._connection
        assert connection is not None
        try:
            if not connection.opened():
                return 0
        except OSError as error:
            connection.close()
            self._connection = None
            self._connect_failed(str(error), now_ns)
            return 1
        self._loop.attach(self._index, connection.fileno())
        self.counts["connects"] += 1
        self._take_sequence()
        self.session.connected(now_ns)
        self._settle(now_ns)
        return 1

    def _connect_failed(self, why: str, now_ns: int) -> None:
        self._complain("connect", why)
        if self.states.reason is not Reason.CONNECT_FAILED:
            self.states.write(State.DISCONNECTED, Reason.CONNECT_FAILED, now_ns)
        self._back_off(now_ns)

    def _back_off(self, now_ns: int) -> None:
        """Wait longer after each failure, up to the limit, and never in step with others."""
        limit_s = min(self.config.reconnect_max_s, self.config.reconnect_min_s * 2 ** min(self._failures, 30))
        self._failures += 1
        self._next_connect_ns = now_ns + int(limit_s * random.uniform(0.5, 1.0) * 1e9)  # noqa: S311

    def _drop(self, reason: Reason, now_ns: int) -> None:
        """Close the connection and say so in the ring. The session keeps its numbers."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        connection.send(self.session.take_output())
        self._loop.detach(self._index)
        connection.close()
        self.session.disconnected(now_ns)
        self.session.take_events()
        self._was_pending = False
        self._awaited = 0
        self._give_sequence()
        self.counts["disconnects"] += 1
        self._heard_ns = max(self._heard_ns, self._loop.ts_recv(self._index))
        self.states.write(State.DISCONNECTED, reason, now_ns)
        self._back_off(now_ns)

    # ---- the session ----

    def _take_sequence(self) -> None:
        if (next_in := self._loop.next_in(self._index)) != 0:
            self.session.next_in = next_in

    def _give_sequence(self) -> None:
        session = self.session
        self._loop.set_sequence(self._index, session.next_in, session.state in UP, session.gap_pending)

    def _settle(self, now_ns: int) -> None:
        """Act on the session's events, write its output, hand the sequence back to the loop."""
        disconnect: str | None = None
        for event in self.session.take_events():
            if isinstance(event, Disconnect):
                disconnect = event.reason
            else:
                self._on_event(event, now_ns)
        if self._connection is not None:
            try:
                self._connection.send(self.session.take_output())
            except OSError as error:
                disconnect = disconnect or str(error)
        if disconnect is not None or self._reconnect_after_gap:
            self._reconnect_after_gap = False
            self._log.warning("disconnected", source=self.config.name, why=disconnect or "sequence gap")
            reason = Reason.LOGGED_OUT if disconnect == "logged out" else Reason.SESSION_ENDED
            self._drop(reason if disconnect else Reason.SEQUENCE_GAP, now_ns)
            return
        if self.session.state is SessionState.LOGGED_ON:
            self._say_synced(now_ns)
        self._was_pending = self.session.gap_pending
        self._give_sequence()

    def _on_event(self, event: Event, now_ns: int) -> None:
        match event:
            case LoggedOn():
                self._on_logon(event.reset, now_ns)
            case App():
                self._on_application(event)
            case Gap():
                self._on_gap(event, now_ns)
            case SequenceReset(gap_fill=False):
                self._unknown(Reason.SEQUENCE_RESET, now_ns)
            case Rejected():
                self._complain("reject", f"{event.text} (371={event.tag}, 373={event.reason}, by_peer={event.by_peer})")
            case LoggedOut():
                self._log.info("logged out", source=self.config.name, text=event.text)
            case _:
                pass

    def _on_logon(self, reset: bool, now_ns: int) -> None:
        """Begin anew: what moved while nobody listened nobody can know, so every book comes afresh."""
        self._failures = 0
        self._log.info("logged on", source=self.config.name, reset=reset, next_in=self.session.next_in)
        self.states.write(State.CONNECTED, Reason.LOGGED_ON, now_ns)
        if self._heard_ns:
            self._unknown(Reason.SEQUENCE_RESET if reset else Reason.OUTAGE, now_ns, self._heard_ns)
        for request in self.subscription.all():
            self.session.send(b"V", request, now_ns)
        self._await_snapshots(self.subscription.active, now_ns)

    def _await_snapshots(self, count: int, now_ns: int) -> None:
        """In sync is a source whose books have come; `_settle` says so."""
        self._awaited = self._loop.counts(self._index)["snapshots"] + count
        self._awaited_until_ns = now_ns + SNAPSHOTS_WAIT_NS

    def _say_synced(self, now_ns: int) -> None:
        if self.session.gap_pending:
            return
        if self._awaited:
            if self._loop.counts(self._index)["snapshots"] < self._awaited and now_ns < self._awaited_until_ns:
                return
            self._awaited, self._was_pending = 0, False
            self.states.write(State.SYNCED, Reason.SUBSCRIBED, now_ns)
        elif self._was_pending:
            self.states.write(State.SYNCED, Reason.GAP_FILLED, now_ns)

    def _on_gap(self, gap: Gap, now_ns: int) -> None:
        self.counts["gaps"] += 1
        self._log.warning("sequence gap", source=self.config.name, begin=gap.begin, end=gap.end)
        self.states.write(State.RECOVERING, Reason.SEQUENCE_GAP, now_ns)
        if self.gap_policy == "resend":
            self._was_pending = True
            return
        self._loop.mark_gap(self._index)
        self._unknown(Reason.SEQUENCE_GAP, now_ns, self._loop.ts_recv(self._index))
        if self.gap_policy == "resubscribe":
            self.subscription.want(None)
            self._await_snapshots(self.subscription.active, now_ns)
            self._awaited_until_ns += int(self.subscription.active / self.config.resnapshot_per_s * 1e9)
        else:
            self._reconnect_after_gap = True

    def _unknown(self, reason: Reason, now_ns: int, since_ns: int | None = None) -> None:
        since_ns = since_ns if since_ns is not None else self._loop.ts_recv(self._index)
        self.counts["unknown_intervals"] += 1
        self.states.write(State.UNKNOWN_INTERVAL, reason, now_ns, since_ns=since_ns)

    def _on_application(self, event: App) -> None:
        if event.msg_type in MARKET_DATA:  # the session took it: behind a gap that is not filled
            self._loop.decode(self._index, event.raw)
            return
        message = decode(event.raw)
        if isinstance(message, Malformed):
            return
        text = message.text(58)
        if event.msg_type == b"Y":
            self.counts["rejected_subscriptions"] += 1
            request_id = (message.get(262) or b"").decode("latin-1")
            refused = self.subscription.refused(request_id, text)
            self._awaited = max(1, self._awaited - refused) if self._awaited else 0
            self._complain("subscription refused", f"281={(message.get(281) or b'').decode('latin-1')} {text}")
        elif event.msg_type == b"j":
            self._complain("business reject", f"372={(message.get(372) or b'').decode('latin-1')} {text}")
        else:
            self._complain("unused message", f"35={event.msg_type.decode('latin-1')}")

    def _complain(self, what: str, why: str) -> None:
        """Log each kind of trouble once; the counters have the rest."""
        if len(self._complained) < 100 and (what, why) not in self._complained:
            self._complained.add((what, why))
            self._log.warning(what, source=self.config.name, why=why)
