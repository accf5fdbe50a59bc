"""Control: what a caller sees for every kind of request, and that nothing ends the server."""

import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from feedhandler import control, limits
from feedhandler.errors import AlreadyRunningError, ControlError


class Served:
    """A control server polled on a thread of its own, as a process's loop would."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.server = control.ControlServer(path, name="demo")
        self.server.register("echo", lambda request: {"got": request.get("value")})
        self.server.register("boom", lambda request: {"x": 1 // 0})
        self.server.register("odd", lambda request: {"x": object()})
        self.server.register("silent", lambda request: None)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._done.is_set():
            self.server.socket.poll(20)
            self.server.poll()

    def raw(self, *frames: bytes) -> dict[str, Any]:
        """Send frames as a bare DEALER; return the decoded reply."""
        with zmq.Context.instance().socket(zmq.DEALER) as client:
            client.setsockopt(zmq.LINGER, 0)
            client.setsockopt(zmq.RCVTIMEO, 5000)
            client.connect(f"ipc://{self.path}")
            client.send_multipart(frames)
            return msgspec.msgpack.decode(client.recv_multipart()[-1])

    def close(self) -> None:
        self._done.set()
        self._thread.join()
        self.server.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    result = Served(tmp_path / "demo.ctl")
    yield result
    result.close()


def test_call_returns_the_reply_without_ok(served: Served) -> None:
    assert control.call(served.path, "echo", value=[1, "two", None]) == {"got": [1, "two", None]}
    assert control.call(f"ipc://{served.path}", "silent") == {}


def test_status_is_built_in_and_merges_what_the_process_adds(served: Served) -> None:
    served.server.status_fn = lambda: {"books": 3}
    status = control.call(served.path, "status")
    assert status["name"] == "demo"
    assert status["books"] == 3
    assert status["control"] == {"served": 0, "malformed": 0, "failed": 0}


def test_stop_is_built_in_and_tells_the_process(served: Served) -> None:
    told: list[bool] = []
    served.server.stop_fn = lambda: told.append(True)
    assert control.call(served.path, "stop") == {"stopping": True}
    assert served.server.stop_requested
    assert told == [True]


@pytest.mark.parametrize(("op", "error"), [("boom", "ZeroDivisionError"), ("odd", "TypeError")])
def test_a_failing_operation_is_answered_and_counted(served: Served, op: str, error: str) -> None:
    with pytest.raises(ControlError, match=error):
        control.call(served.path, op)
    assert served.server.failed == 1
    assert control.call(served.path, "echo", value=1) == {"got": 1}


def test_an_unknown_operation_names_the_known_ones(served: Served) -> None:
    with pytest.raises(ControlError, match="'nope'; demo knows boom, echo, odd, silent, status, stop"):
        control.call(served.path, "nope")


@pytest.mark.parametrize(
    "frames",
    [
        (b"",),
        (b"\xff",),
        (b"\x81\x01\x02",),  # a key that is a number
        (b"\x80",),  # no op
        (b"\x81\xa2op\x01",),  # an op that is a number
        (b"\x81\xa2op\xa1",),  # truncated
        (b"\x81\xa2op\xa1\xff",),  # not UTF-8
        (b"\x91" * 5000,),  # nested beyond measure
        (b"a", b"b", b"c"),
    ],
    ids=repr,
)
def test_a_malformed_request_is_refused_and_counted(served: Served, frames: tuple[bytes, ...]) -> None:
    reply = served.raw(*frames)
    assert reply["ok"] is False
    assert reply["error"]
    assert served.server.malformed == 1


def test_an_oversized_request_cuts_its_sender_only(served: Served) -> None:
    with pytest.raises(ControlError, match="no answer"):
        control.call(served.path, "echo", timeout_s=0.3, value=b"x" * (limits.CONTROL_REQUEST_BYTES_MAX + 1))
    assert control.call(served.path, "echo", value=2) == {"got": 2}


def test_the_socket_is_the_owners_alone(served: Served) -> None:
    assert stat.S_IMODE(served.path.stat().st_mode) == 0o600


def test_a_second_server_is_refused_while_the_first_lives(served: Served) -> None:
    with pytest.raises(AlreadyRunningError, match="another process serves this socket"):
        control.ControlServer(served.path)
    assert control.call(served.path, "echo", value=3) == {"got": 3}


def test_a_dead_servers_socket_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "old.ctl"
    path.touch()
    with control.ControlServer(path) as server:
        assert server.poll() == 0


def test_nobody_there_is_an_error_in_time(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match=r"no answer to 'status' within 0\.1 s"):
        control.call(tmp_path / "nobody.ctl", "status", timeout_s=0.1)


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="107 bytes"):
        control.ControlServer(tmp_path / ("x" * 108))


def test_an_operation_is_registered_once(tmp_path: Path) -> None:
    with control.ControlServer(tmp_path / "a.ctl") as server:
        server.register("x", lambda request: {})
        with pytest.raises(ValueError, match="registered already"):
            server.register("x", lambda request: {})


def test_poll_serves_a_bounded_number(tmp_path: Path) -> None:
    path = tmp_path / "a.ctl"
    with control.ControlServer(path) as server, zmq.Context.instance().socket(zmq.DEALER) as client:
        client.setsockopt(zmq.LINGER, 0)
        client.connect(f"ipc://{path}")
        for _ in range(5):
            client.send(msgspec.msgpack.encode({"op": "status"}))
        served = 0
        while served < 3:
            assert server.socket.poll(5000)
            served += server.poll(limit=3 - served)
        assert server.served == 3
        while served < 5:
            assert server.socket.poll(5000)
            served += server.poll(limit=1)
        assert server.served == 5


@settings(max_examples=300, deadline=None)
@given(payload=st.binary(max_size=200))
def test_no_bytes_end_the_server(payload: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    server = _shared(tmp_path_factory)
    reply = msgspec.msgpack.decode(server._answer(payload))
    assert reply["ok"] is False
    assert isinstance(reply["error"], str)


_servers: list[control.ControlServer] = []


def _shared(factory: pytest.TempPathFactory) -> control.ControlServer:
    if not _servers:
        _servers.append(control.ControlServer(factory.mktemp("fuzz") / "f.ctl"))
    return _servers[0]
