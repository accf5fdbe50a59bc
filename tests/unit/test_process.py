"""The runtime of a process: how it starts, what it answers, how it ends. Each test is a real process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from feedhandler import config, control, process, scheduling

PROGRAM = """
import sys
from feedhandler import process
with process.start(sys.argv[1], sys.argv[2:]) as runtime:
    runtime.control.status_fn = lambda: {"section": type(runtime.section).__name__, "turns": turns}
    turns = 0
    while not runtime.stopping:
        turns += 1
        runtime.idle(60)
"""
CRASH = """
import sys
from feedhandler import process
with process.start(sys.argv[1], sys.argv[2:]) as runtime:
    raise RuntimeError("broken invariant")
"""
CONFIG = """
[feedhandler]
name = "t"
shm_dir = "shm"
state_dir = "state"
run_dir = "run"
{handlers}
[conflator]
{conflator}
[bridge]
{bridge}
"""
HANDLER = """
[[handler]]
name = "{name}"
[[handler.source]]
name = "{name}-venue"
profile = "fix44"
host = "127.0.0.1"
port = 9880
sender = "FH"
target = "SIM"
{extra}
instruments = [ {{ venue = "A", symbol = "A/B", tick = 0.1, lot = 1, price_decimals = 1, size_decimals = 0 }} ]
"""


class Started:
    """A started process and the folder it lives in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "c.toml"
        self.children: list[subprocess.Popen[str]] = []

    def configure(
        self, conflator: str = "", bridge: str = "", extra: str = "", names: tuple[str, ...] = ("h1",)
    ) -> None:
        handlers = "".join(HANDLER.format(name=name, extra=extra) for name in names)
        self.config.write_text(CONFIG.format(handlers=handlers, conflator=conflator, bridge=bridge))

    def spawn(self, kind: str, *arguments: str, program: str = PROGRAM, **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", program, kind, "--config", str(self.config), *arguments]
        child = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}, cwd=self.folder
        )
        self.children.append(child)
        return child

    def status(self, name: str) -> dict[str, Any]:
        return control.call(self.folder / "run" / f"{name}.ctl", "status", timeout_s=20)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    result = Started(tmp_path)
    result.configure()
    yield result
    for child in result.children:
        child.kill()
        child.communicate()


def logged(child: subprocess.Popen[str]) -> list[dict[str, Any]]:
    _, text = child.communicate(timeout=20)
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("kind", "arguments", "name", "section"),
    [
        ("handler", (), "h1", "Handler"),
        ("handler", ("--name", "h1"), "h1", "Handler"),
        ("conflator", (), "conflator", "Conflator"),
        ("bridge", ("--name", "bridge"), "bridge", "Bridge"),
        ("recorder", (), "recorder", "Recorder"),
    ],
)
def test_a_process_serves_its_status(
    started: Started, kind: str, arguments: tuple[str, ...], name: str, section: str
) -> None:
    child = started.spawn(kind, *arguments)
    status = started.status(name)
    assert (status["kind"], status["name"], status["pid"], status["section"]) == (kind, name, child.pid, section)
    assert status["uptime_s"] > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_wakes_and_ends_it(started: Started, number: signal.Signals) -> None:
    child = started.spawn("conflator")
    started.status("conflator")
    child.send_signal(number)
    lines = logged(child)
    assert child.returncode == 0
    assert [line["event"] for line in lines if line["level"] == "info"] == ["started", "stopping", "stopped"]
    assert not (started.folder / "run" / "conflator.ctl").exists()


def test_the_control_operation_stop_ends_it(started: Started) -> None:
    child = started.spawn("conflator")
    assert control.call(started.folder / "run" / "conflator.ctl", "stop", timeout_s=20) == {"stopping": True}
    assert child.wait(20) == 0


def test_a_second_process_of_the_name_is_refused_and_the_first_goes_on(started: Started) -> None:
    started.spawn("conflator")
    before = started.status("conflator")
    second = started.spawn("conflator")
    _, text = second.communicate(timeout=20)
    assert second.returncode == 1
    assert "another process serves this socket" in text
    assert started.status("conflator")["pid"] == before["pid"]


def test_a_crash_is_one_logged_line_and_code_1(started: Started) -> None:
    child = started.spawn("recorder", program=CRASH)
    lines = [line for line in logged(child) if line["level"] == "error"]
    assert child.returncode == 1
    assert [(line["event"], line["process"]) for line in lines] == [("crashed", "recorder")]
    assert lines[0]["exception"][0]["exc_value"] == "broken invariant"


@pytest.mark.parametrize(
    ("settings", "kind", "arguments", "expected"),
    [
        ({"conflator": "depht = 5"}, "conflator", (), "conflator.depht: got 5 for an unknown key"),
        ({}, "handler", ("--name", "nobody"), "--name: got 'nobody', expected one of h1"),
        ({"names": ("h1", "h2")}, "handler", (), "--name: got nothing, expected one of h1, h2"),
        ({}, "conflator", ("--name", "other"), "--name: got 'other', expected 'conflator'"),
        (
            {"extra": 'password_env = "FH_TEST_UNSET"'},
            "handler",
            (),
            'handler[0].source[0].password_env: got "FH_TEST_UNSET", which is not set',
        ),
        (
            {"bridge": 'tokens_env = "FH_TEST_UNSET"'},
            "bridge",
            (),
            'bridge.tokens_env: got "FH_TEST_UNSET", which is not set',
        ),
    ],
)
def test_a_bad_configuration_is_one_line_and_code_2(
    started: Started, settings: dict[str, Any], kind: str, arguments: tuple[str, ...], expected: str
) -> None:
    started.configure(**settings)
    child = started.spawn(kind, *arguments)
    _, text = child.communicate(timeout=20)
    assert child.returncode == 2
    assert text.count("\n") == 1
    assert f"{started.config}: {expected}" in text


def test_secrets_come_from_the_environment(started: Started) -> None:
    started.configure(extra='password_env = "FH_TEST_SET"')
    program = PROGRAM.replace('"turns": turns', '"password": runtime.section.source[0].password')
    started.spawn("handler", program=program, FH_TEST_SET="hunter2")
    assert started.status("h1")["password"] == "hunter2"


def test_scheduling_is_applied_and_what_is_refused_is_said_once(started: Started) -> None:
    core = scheduling.usable_cores()[0]
    started.configure(conflator=f"core = {core}\npriority = 3\n")
    child = started.spawn("conflator")
    started.status("conflator")
    assert os.sched_getaffinity(child.pid) == {core}
    assert os.getpriority(os.PRIO_PROCESS, child.pid) == 3
    started.configure(conflator="core = 1023")
    other = started.spawn("bridge")
    started.status("bridge")
    other.terminate()
    assert all("1023" not in line.get("what", "") for line in logged(other))


def test_a_missing_core_is_said_and_not_fatal(started: Started) -> None:
    started.configure(conflator="core = 1023")
    child = started.spawn("conflator")
    started.status("conflator")
    child.terminate()
    said = [line["what"] for line in logged(child) if "core 1023" in line.get("what", "")]
    assert len(said) == 1
    assert said[0].startswith("not pinned to core 1023")


@pytest.mark.parametrize(
    ("cores", "configured", "policy"), [(4, "spin", "spin"), (3, "spin", "park"), (2, "park", "park")]
)
def test_spinning_needs_a_core_for_every_process(
    started: Started, monkeypatch: pytest.MonkeyPatch, cores: int, configured: str, policy: str
) -> None:
    monkeypatch.setattr(scheduling, "usable_cores", lambda: list(range(cores)))
    settings = process.config.load(started.config, check_host=False)
    got, why = scheduling.wait_policy(settings, configured)
    assert got == policy
    assert why == ("" if got == configured else f"4 busy processes share {cores} cores: wait = park instead of spin")


def test_a_process_ends_with_its_supervisor(started: Started) -> None:
    middle = f"""
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {PROGRAM!r}, "conflator", "--config", sys.argv[1]],
                         env={{**os.environ, "{scheduling.PARENT_VARIABLE}": str(os.getpid())}})
print(child.pid, flush=True)
child.wait()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", middle, str(started.config)], stdout=subprocess.PIPE, text=True, cwd=started.folder
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert started.status("conflator")["pid"] == pid
    parent.kill()
    parent.communicate()
    eventually(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])


def test_an_orphan_at_its_start_ends_at_once(started: Started) -> None:
    child = started.spawn("conflator", **{scheduling.PARENT_VARIABLE: "1"})
    assert child.wait(20) == 1


def test_a_slice_is_set_and_read_back() -> None:
    code = """
from feedhandler import scheduling
try:
    scheduling.set_slice_ns(200_000)
except OSError as error:
    print("refused", error.errno)
else:
    print("set", scheduling.slice_of_this_thread_ns())
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert answer == "set 200000\n" or answer.startswith("refused")


def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def test_realtime_is_a_fifo_priority_or_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        os, "sched_setscheduler", lambda pid, policy, param: asked.append((pid, policy, param.sched_priority))
    )
    section = config.Conflator(realtime=10, slice_us=200)
    assert scheduling.apply(section) == []
    assert asked == [(0, os.SCHED_FIFO, 10)]

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert scheduling.apply(section) == [
        "realtime 10 not set: Operation not permitted; it needs CAP_SYS_NICE or rtprio"
    ]
