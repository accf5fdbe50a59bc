"""Sessions and connections of the echo, without sockets: bytes and times in, bytes and wishes out.

A connection of an acceptor belongs to nobody until its first message says to which session; one that nobody wants is
closed without a word: unknown parties, a session that is connected already, a garbled Logon, silence.
"""

from collections.abc import Callable

from feedhandler.echo.application import Echo
from feedhandler.echo.settings import Peer
from feedhandler.echo.store import LateStore
from feedhandler.wire.fix_events import Disconnect, LoggedOn, LoggedOut, LogonRefused, Role, SessionState
from feedhandler.wire.fix_frame import Garbled, Ok, scan
from feedhandler.wire.fix_message import Malformed, decode
from feedhandler.wire.fix_session import Session
from feedhandler.wire.fix_time import NS_PER_SECOND

FIRST_BYTES_MAX = 64 * 1024
LOGON_TIMEOUT_NS = 10 * NS_PER_SECOND

Key = tuple[bytes, bytes, bytes]


class Party:
    """One configured session with its store and application."""

    def __init__(self, peer: Peer, store: LateStore, note: Callable[[str], None]) -> None:
        self.peer = peer
        self.store = store
        self.session = Session(peer.config, store)
        self.echo = Echo(self.session, peer.unsupported, note)
        if peer.echo:
            self.session.application = self.echo.on_app
        self.line: Line | None = None

    @property
    def key(self) -> Key:
        """BeginString, SenderCompID and TargetCompID as the other side writes them."""
        config = self.peer.config
        return config.begin_string.encode(), config.target.encode(), config.sender.encode()


class Line:
    """One connection. `output` is to be written; then, if `closing`, the connection is to be closed."""

    def __init__(self, now_ns: int, party: Party | None = None) -> None:
        self.opened_ns = now_ns
        self.party = party
        self.first = b""
        self.output = bytearray()
        self.closing = False


class Engine:
    """All sessions. One caller; times are realtime ns."""

    def __init__(self, peers: list[Peer], open_store: Callable[[Peer], LateStore], note: Callable[[str], None]) -> None:
        self._note = note
        self.parties = [Party(peer, open_store(peer), note) for peer in peers]
        self._acceptors = {party.key: party for party in self.parties if party.peer.config.role is Role.ACCEPTOR}
        self._lines: list[Line] = []
        self.refused_count = 0

    # ---- connections ----

    def accepted(self, now_ns: int) -> Line:
        """Somebody connected to us."""
        line = Line(now_ns)
        self._lines.append(line)
        return line

    def connected(self, party: Party, now_ns: int) -> Line:
        """We connected to somebody."""
        line = Line(now_ns, party)
        self._lines.append(line)
        party.line = line
        party.session.connected(now_ns)
        self._settle(line)
        return line

    def received(self, line: Line, data: bytes, now_ns: int) -> None:
        """Take bytes of a connection."""
        if line.closing:
            return
        if line.party is None:
            line.first += data
            self._identify(line, now_ns)
            return
        line.party.session.receive(data, now_ns)
        self._settle(line)

    def lost(self, line: Line, now_ns: int) -> None:
        """Note that the other side closed the connection, or that it broke."""
        party = line.party
        if party is not None and party.line is line:
            party.session.disconnected(now_ns)
            self._settle(line)
        self.forget(line)

    def forget(self, line: Line) -> None:
        """Let go of a connection that is closed."""
        if line in self._lines:
            self._lines.remove(line)
        if line.party is not None and line.party.line is line:
            line.party.line = None

    def _identify(self, line: Line, now_ns: int) -> None:
        """Find the session of the first message."""
        position = 0
        while position < len(line.first):
            found = scan(line.first, position)
            if isinstance(found, Ok):
                self._attach(line, found.begin, found.end, now_ns)
                return
            if not isinstance(found, Garbled):
                break
            if b"\x0135=A\x01" in line.first[position : position + 64]:
                self._refuse(line, f"a garbled Logon: {found.why}")
                return
            position = found.end
        line.first = line.first[position:]
        if len(line.first) > FIRST_BYTES_MAX:
            self._refuse(line, "no Logon")

    def _attach(self, line: Line, begin: int, end: int, now_ns: int) -> None:
        message = decode(line.first[begin:end])
        if isinstance(message, Malformed):
            self._refuse(line, message.why)
            return
        key = (message.get(8) or b"", message.get(49) or b"", message.get(56) or b"")
        party = self._acceptors.get(key)
        if party is None:
            self._refuse(line, f"no session for {b' '.join(key).decode('latin-1')}")
        elif party.line is not None and not party.line.closing:
            self._refuse(line, f"{party.peer.name} is connected already")
        else:
            line.party, party.line = party, line
            data, line.first = line.first[begin:], b""
            party.session.connected(now_ns)
            party.session.receive(data, now_ns)
            self._settle(line)

    def _refuse(self, line: Line, why: str) -> None:
        self.refused_count += 1
        self._note(f"connection refused: {why}")
        line.first = b""
        line.closing = True

    # ---- time ----

    def poll(self, now_ns: int) -> None:
        """Serve timers."""
        for line in list(self._lines):
            party = line.party
            if line.closing:
                continue
            if party is None:
                if now_ns - line.opened_ns >= LOGON_TIMEOUT_NS:
                    self._refuse(line, "no Logon in time")
                continue
            party.session.poll(now_ns)
            self._settle(line)

    def logout(self, now_ns: int) -> None:
        """Begin to end everything."""
        for line in list(self._lines):
            if line.party is None:
                line.closing = True
            elif not line.closing:
                line.party.session.logout("", now_ns)
                self._settle(line)

    def close(self) -> None:
        """Release the stores."""
        for party in self.parties:
            party.store.close()

    def _settle(self, line: Line) -> None:
        """Take what a session wants: bytes to write, an end. What it received is dealt with now."""
        party = line.party
        assert party is not None
        line.output += party.session.take_output()
        for event in party.session.take_events():
            match event:
                case LoggedOn():
                    self._note(f"{party.peer.name} logged on")
                case LoggedOut(text=text):
                    party.echo.forget()
                    self._note(f"{party.peer.name} logged out {text}".rstrip())
                case LogonRefused(reason=reason):
                    self.refused_count += 1
                    self._note(f"{party.peer.name}: {reason}")
                case Disconnect():
                    line.closing = True
                case _:
                    pass
        if party.session.state is SessionState.DISCONNECTED and party.line is line:
            line.closing = True
        party.store.commit()
