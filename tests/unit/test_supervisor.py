"""The supervisor with real processes that use the real runtime, but do nothing else."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from feedhandler import control
from feedhandler.errors import AlreadyRunningError
from feedhandler.supervision import Child
from feedhandler.supervisor import Supervisor

CONFIG = """
[feedhandler]
name = "t"
shm_dir = "shm"
state_dir = "state"
run_dir = "run"
[[handler]]
name = "h1"
[[handler.source]]
name = "venue"
profile = "fix44"
host = "127.0.0.1"
port = 9880
sender = "FH"
target = "SIM"
instruments = [ { venue = "A", symbol = "A/B", tick = 0.1, lot = 1, price_decimals = 1, size_decimals = 0 } ]
"""
PROGRAM = """
import sys, pathlib
from feedhandler import process
with process.start(sys.argv[1], sys.argv[2:]) as runtime:
    while not runtime.stopping:
        runtime.idle(60)
    with open("order", "a") as file:
        file.write(runtime.name + "\\n")
"""
STUBBORN = PROGRAM.replace("while not runtime.stopping:", "while True:")
BAD = "raise SystemExit(2)"


class Quick(Supervisor):
    """Runs `programs[name]` instead of the module of a process."""

    programs: dict[str, str] = {}  # noqa: RUF012

    def command(self, child: Child) -> list[str]:
        program = self.programs.get(child.name, PROGRAM)
        return [sys.executable, "-c", program, child.kind, "--config", str(self.path), "--name", child.name]


@pytest.fixture
def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Quick]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.toml").write_text(CONFIG)
    result = Quick("c.toml", log_dir=tmp_path / "logs")
    result.programs = {}
    yield result
    for child in result.state.children.values():
        child.stop_limit_ns = min(child.stop_limit_ns, 10**9)
    result.stop()


def until(supervisor: Supervisor, condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        supervisor.poll(0.05)


def up(supervisor: Supervisor, name: str) -> bool:
    """Whether a process answers control requests."""
    try:
        return control.call(f"run/{name}.ctl", "status", 0.05)["pid"] == supervisor.state.children[name].pid
    except control.ControlError:
        return False


def all_up(supervisor: Supervisor) -> bool:
    return all(up(supervisor, name) for name in supervisor.state.children)


def test_it_starts_all_and_stops_them_in_order(supervisor: Quick) -> None:
    supervisor.start()
    until(supervisor, lambda: all_up(supervisor))
    assert supervisor.stop() == 0
    assert Path("order").read_text().split() == ["h1", "conflator", "bridge", "recorder"]
    assert all(child.pid == 0 for child in supervisor.state.children.values())
    assert sorted(path.name for path in Path("logs").iterdir()) == [
        "bridge.log",
        "conflator.log",
        "h1.log",
        "recorder.log",
    ]


@pytest.mark.parametrize("name", ["h1", "conflator", "bridge", "recorder"])
def test_what_is_killed_comes_back(supervisor: Quick, name: str) -> None:
    supervisor.start()
    until(supervisor, lambda: up(supervisor, name))
    first = supervisor.status()["processes"][name]
    os.kill(first["pid"], signal.SIGKILL)
    until(supervisor, lambda: supervisor.state.children[name].restarts == 1 and up(supervisor, name))
    second = supervisor.status()["processes"][name]
    assert second["pid"] != first["pid"]
    assert (second["last_exit"], second["state"]) == ("signal SIGKILL", "running")
    assert second["cpu_s"] >= first["cpu_s"] > 0
    assert second["rss_bytes"] > 1_000_000


def test_a_process_that_does_not_end_is_killed_and_told(supervisor: Quick) -> None:
    supervisor.programs = {"conflator": STUBBORN}
    supervisor.start()
    until(supervisor, lambda: all_up(supervisor))
    supervisor.state.children["conflator"].stop_limit_ns = 10**8
    assert supervisor.stop() == 1
    assert supervisor.state.children["conflator"].last_exit == "signal SIGKILL"
    assert Path("order").read_text().split() == ["h1", "bridge", "recorder"]


def test_a_bad_configuration_of_one_ends_all(supervisor: Quick) -> None:
    supervisor.programs = {"bridge": BAD}
    supervisor.start()
    until(supervisor, lambda: supervisor.state.finished)
    assert supervisor.stop() == 2


def test_one_supervisor_a_run_directory(supervisor: Quick) -> None:
    supervisor.start()
    second = Quick("c.toml")
    with pytest.raises(AlreadyRunningError, match=f"a supervisor runs here already, pid {os.getpid()}"):
        second.start()
    supervisor.stop()
    third = Quick("c.toml")
    third.start()
    third.stop()


def test_status_and_stop_over_control(supervisor: Quick) -> None:
    # As a process of its own: the caller of control must not be the one that serves it.
    program = """
import sys
from tests.unit.test_supervisor import Quick
supervisor = Quick("c.toml")
supervisor.start()
while not supervisor.state.finished:
    supervisor.poll(1)
sys.exit(supervisor.stop())
"""
    root = str(Path(__file__).resolve().parents[2])
    process = subprocess.Popen([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": root})
    try:
        status = control.call("run/supervisor.ctl", "status", 20)
        assert status["pid"] == process.pid
        assert sorted(status["processes"]) == ["bridge", "conflator", "h1", "recorder"]
        assert control.call("run/supervisor.ctl", "stop", 5) == {"stopping": True}
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def test_a_killed_supervisor_leaves_no_orphans(supervisor: Quick) -> None:
    program = """
from tests.unit.test_supervisor import Quick
supervisor = Quick("c.toml")
supervisor.start()
while True:
    supervisor.poll(1)
"""
    root = str(Path(__file__).resolve().parents[2])
    process = subprocess.Popen([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": root})
    children = control.call("run/supervisor.ctl", "status", 20)["processes"]
    pids = [child["pid"] for child in children.values()]
    for name in children:
        control.call(f"run/{name}.ctl", "status", 20)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline, "orphans were left"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
