"""What the QuickFIX acceptor and initiator programs share: settings, guarded callbacks, control by JSON lines.

A request on stdin is one line `{"op": ..., ...}`; the answer is one line on stdout with `"ok"`. The program ends
when stdin closes, so it never outlives its parent. An exception that leaves a QuickFIX callback would end the
process without a word; `guarded` keeps it and `status` shows it instead.
"""

import functools
import json
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import quickfix as fix

DICTIONARY = Path(sys.prefix) / "share/quickfix/FIX44.xml"  # the wheel brings it
ERRORS: list[str] = []


def guarded(callback):
    """Keep every exception inside, and remember it."""

    @functools.wraps(callback)
    def inner(*args):
        try:
            return callback(*args)
        except BaseException:  # noqa: BLE001 - anything that leaves here ends the process
            ERRORS.append(traceback.format_exc())
            return None

    return inner


def settings(folder: Path, *, kind: str, sender: str, target: str, port: int, heartbeat_s: int):
    """Plain QuickFIX settings: FIX44, files for store and log, no reset at logon.

    The acceptor validates what it gets with QuickFIX's own FIX44.xml (without it, it cannot read groups).
    """
    role = (
        f"SocketAcceptPort={port}\nSocketReuseAddress=Y\nDataDictionary={DICTIONARY}"
        if kind == "acceptor"
        else f"SocketConnectHost=127.0.0.1\nSocketConnectPort={port}\nReconnectInterval=1\nUseDataDictionary=N"
    )
    path = folder / "quickfix.cfg"
    path.write_text(
        f"[DEFAULT]\nConnectionType={kind}\nFileStorePath={folder}/store\nFileLogPath={folder}/log\n"
        "StartTime=00:00:00\nEndTime=00:00:00\nResetOnLogon=N\nResetOnLogout=N\n"
        f"ResetOnDisconnect=N\nHeartBtInt={heartbeat_s}\nLogonTimeout=10\nLogoutTimeout=5\n{role}\n"
        f"[SESSION]\nBeginString=FIX.4.4\nSenderCompID={sender}\nTargetCompID={target}\n"
    )
    return fix.SessionSettings(str(path))


def fields_of(message) -> list[tuple[str, str]]:
    """Tag and value texts of a QuickFIX message (sorted by it, repeated tags kept)."""
    return [tuple(part.split("=", 1)) for part in message.toString().split("\x01") if "=" in part]


class Application(fix.Application):
    """Counts messages by type in both directions; subclasses do the rest in `on_app`."""

    def __init__(self):
        super().__init__()
        self.lock = threading.RLock()
        self.session = None
        self.online = False
        self.logons = 0
        self.received = Counter()
        self.sent = Counter()
        self.resent = Counter()
        self.texts: list[str] = []

    @guarded
    def onCreate(self, session):  # noqa: N802
        self.session = session

    @guarded
    def onLogon(self, session):  # noqa: N802
        self.online = True
        self.logons += 1

    @guarded
    def onLogout(self, session):  # noqa: N802
        self.online = False

    @guarded
    def toAdmin(self, message, session):  # noqa: N802
        self.sent[self.type_of(message)] += 1

    @guarded
    def fromAdmin(self, message, session):  # noqa: N802
        self.received[self.type_of(message)] += 1
        if message.isSetField(58):
            self.texts.append(message.getField(58))

    @guarded
    def toApp(self, message, session):  # noqa: N802
        resent = message.getHeader().isSetField(43)
        (self.resent if resent else self.sent)[self.type_of(message)] += 1

    @guarded
    def fromApp(self, message, session):  # noqa: N802
        self.received[self.type_of(message)] += 1
        self.on_app(message)

    def on_app(self, message):
        """An application message arrived."""

    @staticmethod
    def type_of(message) -> str:
        return message.getHeader().getField(35)

    def status(self) -> dict:
        """What a test may compare."""
        engine = fix.Session.lookupSession(self.session)
        return {
            "online": self.online,
            "logons": self.logons,
            "received": dict(self.received),
            "sent": dict(self.sent),
            "resent": dict(self.resent),
            "texts": self.texts,
            "next_out": engine.getExpectedSenderNum(),
            "next_in": engine.getExpectedTargetNum(),
            "errors": ERRORS,
        }

    def send_test_request(self, text: str) -> None:
        """Send 35=1 with 112=text."""
        message = fix.Message()
        message.getHeader().setField(fix.MsgType("1"))
        message.setField(fix.StringField(112, text))
        fix.Session.sendToTarget(message, self.session)

    def logout(self) -> None:
        """Log out; the session stays down until `logon`."""
        fix.Session.lookupSession(self.session).logout()

    def logon(self) -> None:
        """Allow the session to come up again."""
        fix.Session.lookupSession(self.session).logon()


def requests() -> Iterator[dict]:
    """Requests until stdin closes."""
    for line in sys.stdin:
        yield json.loads(line)


def serve(operations: dict[str, Callable[..., dict | None]]) -> None:
    """Answer until stdin closes or `quit`."""
    print(json.dumps({"ok": True, "ready": True}), flush=True)
    for request in requests():
        name = request.pop("op")
        try:
            answer = operations[name](**request) or {}
            print(json.dumps({"ok": True, **answer}), flush=True)
        except Exception:  # noqa: BLE001 - the parent reads what went wrong
            print(json.dumps({"ok": False, "error": traceback.format_exc()}), flush=True)
        if name == "quit":
            return
