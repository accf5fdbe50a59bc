"""FIX as people write it: `8=FIX.4.4|35=0|34=2|...` to bytes and back."""

from feedhandler.wire.fix_message import frame
from feedhandler.wire.fix_session import MemoryStore, Role, Session, SessionConfig
from feedhandler.wire.fix_time import format_timestamp

T0 = 1_795_258_721_000_000_000  # 20261121-10:58:41
SECOND = 1_000_000_000


def wire(text: str, now_ns: int = T0) -> bytes:
    """`35=0|34=2|...` (or with 8=...| in front) to a whole message; `52=NOW` becomes the time."""
    text = text.rstrip("|").replace("NOW", format_timestamp(now_ns).decode())
    begin = b"FIX.4.4"
    if text.startswith("8="):
        head, text = text.split("|", 1)
        begin = head[2:].encode()
    return frame(begin, text.replace("|", "\x01").encode() + b"\x01")


def plain(data: bytes) -> list[str]:
    """Every message of `data`, readable, without 8, 9, 10 (whose rightness `frame` tests elsewhere)."""
    messages = []
    for part in data.split(b"8=FIX.4.4\x01")[1:]:
        fields = part.decode().rstrip("\x01").split("\x01")
        assert fields[0].startswith("9=")
        assert fields[-1].startswith("10=")
        messages.append("|".join(fields[1:-1]))
    return messages


class Wire:
    """One session and a clock moved by hand."""

    def __init__(self, role: Role, store: MemoryStore | None = None, **settings):
        sender, target = ("FH", "SIM") if role is Role.INITIATOR else ("SIM", "FH")
        self.config = SessionConfig(
            role=role, sender=sender, target=target, **{"heartbeat_s": 30, "time_precision": "s"} | settings
        )
        self.store = store or MemoryStore()
        self.session = Session(self.config, self.store)
        self.now_ns = T0
        self.peer = f"49={target}|56={sender}"

    def connect(self) -> list[str]:
        self.session.connected(self.now_ns)
        return self.out()

    def says(self, *messages: str) -> list[str]:
        """The peer sends; `PEER` stands for its CompIDs, NOW for the time. Returns what we answer."""
        for text in messages:
            self.session.receive(wire(text.replace("PEER", self.peer), self.now_ns), self.now_ns)
        return self.out()

    def after(self, seconds: float) -> list[str]:
        self.now_ns += int(seconds * SECOND)
        self.session.poll(self.now_ns)
        return self.out()

    def out(self) -> list[str]:
        return plain(self.session.take_output())

    def events(self):
        return self.session.take_events()


def logged_on(role: Role = Role.INITIATOR, **settings) -> Wire:
    """A session that has just logged on: next_in 2, next_out 2, buffers empty."""
    it = Wire(role, **settings)
    it.connect()
    it.says(f"35=A|PEER|34=1|52=NOW|98=0|108={it.config.heartbeat_s}")
    it.events()
    assert (it.session.next_in, it.session.next_out) == (2, 2)
    return it
