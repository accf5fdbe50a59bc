"""The echo as a process: ready line, sockets, SIGTERM, kill and restart with its store, both roles."""

import signal
import socket
import subprocess
import sys
import time

import pytest

from feedhandler.echo.main import configured
from feedhandler.errors import ConfigError
from feedhandler.wire.fix_message import decode
from feedhandler.wire.fix_session import App, LoggedOn, MemoryStore, Role, Session, SessionConfig, SessionState

LIMIT_S = 30


class Process:
    """`python -m feedhandler.echo` with the options of one test."""

    def __init__(self, *options: str, lines: int = 1):
        command = [sys.executable, "-m", "feedhandler.echo", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.said = [self.process.stdout.readline().strip() for _ in range(lines)]

    @property
    def port(self) -> int:
        return int(self.said[0].rsplit(":", 1)[1])

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """The exit code, once the process has ended by itself."""
        code = self.process.wait(LIMIT_S)
        self.process.stdout.close()
        return code


class Client:
    """Our session as the other side, on a real socket."""

    def __init__(self, port: int, store: MemoryStore):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
        self.session = Session(SessionConfig(role=Role.INITIATOR, sender="TW", target="ISLD", heartbeat_s=0), store)
        self.session.connected(time.time_ns())
        self.events = []
        self.flush()

    def flush(self):
        self.sock.sendall(self.session.take_output())
        self.events += self.session.take_events()

    def until(self, condition):
        while not condition():
            data = self.sock.recv(65536)
            assert data, "the echo closed the connection"
            self.session.receive(data, time.time_ns())
            self.flush()

    def order(self, name: bytes):
        self.session.send(b"D", [(11, name), (55, b"X")], time.time_ns())
        self.flush()

    def echoes(self) -> list[bytes]:
        return [decode(event.raw).get(11) for event in self.events if isinstance(event, App)]

    def logged_on(self) -> bool:
        return any(isinstance(event, LoggedOn) for event in self.events)


def acceptor(*more: str) -> Process:
    return Process("--port", "0", "--sender", "ISLD", "--target", "TW", *more)


def test_echoes_and_logs_out_on_sigterm():
    process = acceptor()
    client = Client(process.port, MemoryStore())
    client.until(client.logged_on)
    client.order(b"one")
    client.until(lambda: client.echoes() == [b"one"])
    process.process.send_signal(signal.SIGTERM)
    client.until(lambda: client.session.state is SessionState.DISCONNECTED)
    client.sock.close()
    assert process.ended() == 0


def test_goes_on_after_a_kill(tmp_path):
    """Numbers and sent messages survive; what was sent meanwhile by us is asked for and echoed."""
    store = MemoryStore()
    process = acceptor("--store", str(tmp_path))
    client = Client(process.port, store)
    client.until(client.logged_on)
    client.order(b"one")
    client.until(lambda: client.echoes() == [b"one"])
    assert process.end(signal.SIGKILL) == -signal.SIGKILL
    client.sock.close()
    seq = store.next_out  # a message that the killed process never saw
    client.session._send_app(b"D", [(11, b"two"), (55, b"X")], time.time_ns())
    assert store.next_out == seq + 1
    process = acceptor("--store", str(tmp_path))
    again = Client(process.port, store)
    again.until(again.logged_on)
    again.until(lambda: again.echoes() == [b"two"])
    again.order(b"three")
    again.until(lambda: again.echoes() == [b"two", b"three"])
    again.sock.close()
    assert process.end(signal.SIGTERM) == 0


def test_an_initiator_tries_its_endpoints_in_turn():
    with socket.create_server(("127.0.0.1", 0)) as dead, socket.create_server(("127.0.0.1", 0)) as listener:
        first, second = (one.getsockname()[1] for one in (dead, listener))
        dead.close()
        listener.settimeout(LIMIT_S)
        process = Process(
            "--role", "initiator", "--port", str(first), "--sender", "TW", "--target", "ISLD",
            "--set", "SocketConnectHost1=127.0.0.1", "--set", f"SocketConnectPort1={second}",
            "--set", "ReconnectInterval=0.1", lines=0,
        )  # fmt: skip
        sock, _ = listener.accept()
        with sock:
            sock.settimeout(LIMIT_S)
            logon = decode(sock.recv(4096))
            assert [logon.get(tag) for tag in (35, 34, 49, 56)] == [b"A", b"1", b"TW", b"ISLD"]
        assert process.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--sender", "A"], "fix-echo: TargetCompID: got 'nothing', expected text"),
        (["--sender", "A", "--target", "B", "--begin-string", "FIX.9"], "fix-echo: BeginString: got 'FIX.9', expected"),
        (["--sender", "A", "--target", "B", "--set", "ResetOnLogon=maybe"], "ResetOnLogon: got 'maybe', expected Y or N"),
        (["--sender", "A", "--target", "B", "--set", "HeartBtInt=x"], "HeartBtInt: got 'x', expected a number from 0"),
        (["--sender", "A", "--target", "B", "--dictionary", "none.xml"], "DataDictionary: got 'none.xml', expected a dict"),
        (["--sender", "A", "--target", "B", "--set", "StartTime=25:00"], "StartTime: got '25:00', expected a time of day"),
        (["--sender", "A", "--target", "B", "--set", "nonsense"], "nonsense: got no '=', expected Key=Value"),
        (["--role", "initiator", "--sender", "A", "--target", "B"], "SocketConnectPort: got 'nothing', expected a number"),
    ],
)  # fmt: skip
def test_a_bad_configuration_is_one_clear_error(options, error):
    with pytest.raises(ConfigError) as raised:
        configured(options)
    assert error in str(raised.value)


def test_a_settings_file_of_several_sessions(tmp_path):
    path = tmp_path / "at.cfg"
    path.write_text(
        "# comment\n[DEFAULT]\nSocketAcceptPort=5001\nSenderCompID=ISLD\nTargetCompID=TW\nFileLogPath=log\n"
        "StartTime=00:00:00\nEndTime=00:00:00\n[SESSION]\nBeginString=FIX.4.2\n[session]\nBeginString = FIX.4.4\n"
        "ResetOnLogon=Y\n"
    )
    found = configured([str(path)])
    assert [(one.name, one.port, one.config.reset_on_logon) for one in found] == [
        ("FIX.4.2:ISLD->TW", 5001, False),
        ("FIX.4.4:ISLD->TW", 5001, True),
    ]
    path.write_text("[SESSION]\nnonsense\n")
    with pytest.raises(ConfigError, match=r"line 2: got nonsense, expected \[DEFAULT\]"):
        configured([str(path)])
