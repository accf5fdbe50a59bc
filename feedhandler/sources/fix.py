"""One FIX market data source: connection, session, subscription, and its place in the native loop.

The native loop (feedhandler/native/fix_loop.hpp) reads the socket and decodes W and X in sequence; whatever else
arrives it hands to `on_message`, and everything here is for that: logon, heartbeats, gaps, refusals, reconnecting.
What must stay true: between two runs of the loop the session owns the sequence number, during a run the loop does;
so every entry point begins with `_take_sequence` and ends with `_give_sequence`.
"""

from typing import Any

from feedhandler import _native, secret
from feedhandler.config_source import Source
from feedhandler.sources import fix_answers, fix_config
from feedhandler.sources.fix_line import Line
from feedhandler.sources.fix_log import MARKET_DATA, SourceLog
from feedhandler.sources.fix_requests import Requests
from feedhandler.sources.fix_subscription import Subscription
from feedhandler.sources.fix_sync import Sync
from feedhandler.sources.resolve import Resolver
from feedhandler.sources.states import Reason, StateWriter
from feedhandler.tick import State
from feedhandler.wire import fix_events as ev
from feedhandler.wire.fix_events import SessionState
from feedhandler.wire.fix_mask import Mask
from feedhandler.wire.fix_profile import Profile
from feedhandler.wire.fix_session import Session
from feedhandler.wire.fix_store import FileStore

UP = (SessionState.LOGGED_ON, SessionState.LOGOUT_SENT)
LOOK_AGAIN_NS = 60_000_000_000  # outside of the session's hours: the clock may be set


class FixSource:
    """A source of one handler process. Main thread only; never blocks. ConfigError: no certificates or secrets."""

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
        resolver: Resolver,
        log: Any,
        log_messages: bool = False,
        heard_ns: int = 0,
    ) -> None:
        self.config = config
        self.gap_policy = fix_config.gap_policy(config, profile)
        self.subscription = subscription
        self.states = states
        self.session = Session(fix_config.session_config(config, profile), store)
        self.counts = dict.fromkeys(
            ("connects", "disconnects", "gaps", "rejected_subscriptions", "unknown_intervals", "resnapshots"), 0
        )
        self._store = store
        self._loop = loop
        self._index = index
        self._log = SourceLog(log, config.name, Mask(config.mask_tags), messages=log_messages)
        self._line = Line(loop, index, fix_config.dialer(config, resolver), self._log)
        self._sync = Sync(loop, index, states)
        self.requests = Requests(
            self.session, subscription, self._sync,
            per_s=config.requests_per_s, resnapshot_per_s=config.resnapshot_per_s,
        )  # fmt: skip
        self.heard_ns = heard_ns  # when the venue was last heard, over all connections; 0 = never
        self._logged_on = False  # on this connection
        self._reconnect_after_gap = False
        self._stopping = Reason.NONE
        loop.set_parties(index, config.sender, config.target)

    # ---- what the handler's loop calls ----

    def do_work(self, now_ns: int) -> int:
        """Connect, keep the session alive, ask for what is due. Returns how many things were done."""
        if not self._line.up:
            return self._dial(now_ns)
        self._take_sequence()
        self.session.poll(now_ns)
        work = self.requests.send(now_ns)
        self.counts["resnapshots"] = self.subscription.resnapshots
        self._settle(now_ns)
        return work

    def on_message(self, raw: bytes, now_ns: int) -> None:
        """Take the message at which the native loop stopped."""
        self._log.received(raw)
        self._take_sequence()
        self.session.on_message(raw, now_ns)
        self._settle(now_ns)

    def on_closed(self, error: int, now_ns: int) -> None:
        """Take the end of the connection, as the native loop saw it."""
        self._take_sequence()
        self._log.warning("connection closed by the venue", errno=error)
        self._drop(Reason.CONNECTION_LOST, now_ns)

    def on_readable(self, now_ns: int) -> None:
        """Read what the native loop cannot, which is TLS, and let it decode that."""
        try:
            alive, raw = self._line.read()
        except OSError as error:
            self._take_sequence()
            self._log.warning("connection lost", why=str(error))
            self._drop(Reason.CONNECTION_LOST, now_ns)
            return
        if not alive:
            self.on_closed(0, now_ns)
        elif raw is not None:
            self.on_message(raw, max(now_ns, self._loop.now_ns()))

    def stop(self, now_ns: int, reason: Reason = Reason.STOPPING) -> None:
        """Log out for good; `done` tells when the venue has answered, or nothing was there to end."""
        self._stopping = reason
        self._line.dialer.cancel()
        self._take_sequence()
        if self.session.state in UP:
            self.session.logout("", now_ns)
            self._settle(now_ns)
        else:
            self._drop(reason, now_ns)

    @property
    def done(self) -> bool:
        """There is no connection (any more)."""
        return not self._line.up

    @property
    def busy(self) -> bool:
        """A connection is being opened, or output waits for the socket: look again soon."""
        return self._line.busy

    def close(self, now_ns: int, *, durable: bool = True) -> None:
        """Give up connection and store; not `durable`: without waiting for the disk."""
        self._line.dialer.cancel()
        self._take_sequence()
        self._drop(self._stopping or Reason.STOPPING, now_ns)
        self._store.close(durable=durable)

    def next_timer_ns(self) -> int:
        """When do_work has something to do."""
        return self.session.next_timer_ns() if self._line.up else self._line.dialer.next_ns

    def status(self) -> dict[str, Any]:
        """Return what the control operation `status` says of this source."""
        return {
            "session": self.session.state.value,
            "state": self.states.state.name.lower(),
            "reason": self.states.reason.name.lower(),
            "endpoint": str(self._line.dialer.endpoint),
            "transport": self._line.description,
            "next_in": self._loop.next_in(self._index),
            "next_out": self.session.next_out,
            "gap_pending": self.session.gap_pending,
            "subscribed": self.subscription.active,
            "resnapshots_waiting": self.subscription.waiting,
            "requests_waiting": self.requests.waiting,
            "requests": self.subscription.requests,
            "rejected": {i: secret.redact(text) for i, text in list(self.subscription.rejected.items())[:20]},
            "counts": {**self._loop.counts(self._index), **self.counts},
        }

    # ---- the connection ----

    def _dial(self, now_ns: int) -> int:
        dialer = self._line.dialer
        if self._stopping or (not dialer.dialing and now_ns < dialer.next_ns):
            return 0
        if not dialer.dialing and not self.session.may_connect(now_ns):
            self._rest(now_ns)
            return 1
        try:
            if not self._line.dial(now_ns):
                return 0
        except OSError as error:
            self._connect_failed(str(error), now_ns)
            return 1
        self._logged_on = False
        self.counts["connects"] += 1
        self._take_sequence()
        self.session.connected(now_ns)
        self._settle(now_ns)
        return 1

    def _rest(self, now_ns: int) -> None:
        """Wait for the session's hours."""
        start_ns = self.session.next_start_ns(now_ns)
        self._line.dialer.next_ns = min(start_ns, now_ns + LOOK_AGAIN_NS)
        if self.states.reason is not Reason.OUT_OF_HOURS:
            self._log.info("outside of the session's hours", next_in_s=(start_ns - now_ns) // 1_000_000_000)
            self.states.write(State.DISCONNECTED, Reason.OUT_OF_HOURS, now_ns)

    def _connect_failed(self, why: str, now_ns: int) -> None:
        self._log.complain("connect", why)
        if self.states.reason is not Reason.CONNECT_FAILED:
            self.states.write(State.DISCONNECTED, Reason.CONNECT_FAILED, now_ns)

    def _drop(self, reason: Reason, now_ns: int) -> None:
        """Close the connection and say so in the ring. The session keeps its numbers."""
        if not self._line.up:
            return
        self._line.hang_up(self.session.take_output(), now_ns, logged_on=self._logged_on)
        self.session.disconnected(now_ns)
        self.session.take_events()
        self.requests.forget()
        self._give_sequence()
        self.counts["disconnects"] += 1
        self.heard_ns = max(self.heard_ns, self._loop.ts_recv(self._index))
        self.states.write(State.DISCONNECTED, reason, now_ns)

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
            if isinstance(event, ev.Disconnect):
                disconnect = event.reason
            else:
                self._on_event(event, now_ns)
        try:
            self._line.send(self.session.take_output())
        except OSError as error:
            disconnect = disconnect or str(error)
        if disconnect is not None or self._reconnect_after_gap:
            self._reconnect_after_gap = False
            self._log.warning("disconnected", why=disconnect or "sequence gap")
            self._drop(self._reason_of(disconnect, now_ns), now_ns)
            return
        if self.session.state is SessionState.LOGGED_ON:
            self._sync.settle(now_ns, gap_pending=self.session.gap_pending)
        self._give_sequence()

    def _reason_of(self, disconnect: str | None, now_ns: int) -> Reason:
        if self._stopping is Reason.REMOVED:
            return Reason.REMOVED
        if disconnect is None or not self.session.may_connect(now_ns):
            return Reason.SEQUENCE_GAP if disconnect is None else Reason.OUT_OF_HOURS
        return Reason.LOGGED_OUT if disconnect == "logged out" else Reason.SESSION_ENDED

    def _on_event(self, event: ev.Event, now_ns: int) -> None:
        match event:
            case ev.LoggedOn():
                self._on_logon(event.reset, now_ns)
            case ev.App() if event.msg_type in MARKET_DATA:  # the session took it: behind a gap that is not filled
                self._loop.decode(self._index, event.raw)
            case ev.App():
                self.counts["rejected_subscriptions"] += fix_answers.take(event, self.requests, self._log)
            case ev.Gap():
                self._on_gap(event, now_ns)
            case ev.SequenceReset(gap_fill=False):
                self._unknown(Reason.SEQUENCE_RESET, now_ns)
            case ev.Rejected():
                facts = f"371={event.tag}, 373={event.reason}, by_peer={event.by_peer}"
                self._log.complain("reject", f"{event.text} ({facts})")
            case ev.LoggedOut():
                self._log.info("logged out", text=event.text)
            case _:
                pass

    def _on_logon(self, reset: bool, now_ns: int) -> None:
        """Begin anew: what moved while nobody listened nobody can know, so every book comes afresh."""
        self._logged_on = True
        self._log.info("logged on", reset=reset, next_in=self.session.next_in)
        self.states.write(State.CONNECTED, Reason.LOGGED_ON, now_ns)
        if self.heard_ns:
            self._unknown(Reason.SEQUENCE_RESET if reset else Reason.OUTAGE, now_ns, self.heard_ns)
        self.requests.everything(now_ns)

    def _on_gap(self, gap: ev.Gap, now_ns: int) -> None:
        self.counts["gaps"] += 1
        self._log.warning("sequence gap", begin=gap.begin, end=gap.end)
        self.states.write(State.RECOVERING, Reason.SEQUENCE_GAP, now_ns)
        if self.gap_policy == "resend":
            self._sync.gap()
            return
        self._loop.mark_gap(self._index)
        self._unknown(Reason.SEQUENCE_GAP, now_ns, self._loop.ts_recv(self._index))
        if self.gap_policy == "resubscribe":
            self.requests.afresh(now_ns)
        else:
            self._reconnect_after_gap = True

    def _unknown(self, reason: Reason, now_ns: int, since_ns: int | None = None) -> None:
        self.counts["unknown_intervals"] += 1
        since_ns = self._loop.ts_recv(self._index) if since_ns is None else since_ns
        self.states.write(State.UNKNOWN_INTERVAL, reason, now_ns, since_ns=since_ns)
