"""The command line, as a process: what is printed where, and the exit code."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from feedhandler import __version__, _native, control, ctl
from feedhandler.errors import ControlError
from feedhandler.tick import TICK, Flag, Kind, Side

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "feedhandler.toml"


def feedhandler(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "import sys; from feedhandler.cli import main; sys.exit(main())"]
    return subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("argument", ["--version", "version"])
def test_version(argument: str) -> None:
    result = feedhandler(argument)
    assert (result.returncode, result.stdout, result.stderr) == (0, f"feedhandler {__version__}\n", "")


def test_the_version_imports_nothing_heavy() -> None:
    code = "import sys; from feedhandler.cli import main; main(['--version']); print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not [
        name for name in ("numpy", "zmq", "cyclopts", "msgspec", "structlog", "psutil") if f"'{name}'" in loaded
    ]


def test_include_dir_needs_no_dependency_and_has_the_headers() -> None:
    code = "import sys; from feedhandler.cli import main; main(['include-dir']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    folder, loaded = done.stdout.splitlines()
    assert (Path(folder) / "shm" / "feedhandler.hpp").exists()
    assert not [name for name in ("numpy", "cyclopts", "feedhandler._native") if f"'{name}'" in loaded]
    module = subprocess.run(
        [sys.executable, "-m", "feedhandler", "include-dir"], capture_output=True, text=True, check=True
    )
    assert module.stdout == f"{folder}\n"


def test_help_lists_every_command() -> None:
    result = feedhandler("--help")
    assert result.returncode == 0
    for command in ("run", "check", "doctor", "ctl", "demo", "simulate", "journal", "ring", "include-dir", "version"):
        assert f" {command} " in result.stdout


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("run",), ("check",), ("check", "a", "b"), ("doctor", "--seconds", "x")]
)
def test_wrong_usage_is_code_2_and_says_so_on_stderr(arguments: tuple[str, ...]) -> None:
    result = feedhandler(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert "Error" in result.stderr


def test_check_sums_up_a_good_configuration() -> None:
    result = feedhandler("check", EXAMPLE)
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == f"{EXAMPLE}: good"
    assert "    source   simvenue: fix44 FH -> SIM at 127.0.0.1:9880, 4 instruments" in lines
    assert "    ring     1048576 records, 64 MiB" in lines
    assert f"  run        {ROOT}/var/example/run" in lines


def test_check_says_how_a_source_is_reached_and_nothing_of_its_secrets(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    text = EXAMPLE.read_text().replace("endpoints = []", 'endpoints = ["backup.example:99", "[::1]:7"]')
    text = text.replace('"instruments.csv"', f'"{EXAMPLE.parent / "instruments.csv"}"')
    text = text.replace('password_env = ""', 'password_env = "VENUE_SECRET"')
    hours = 'start = 17:00:00\nend = 16:55:00\nstart_day = "Sun"\nend_day = "Fri"\nzone = "America/New_York"'
    path.write_text(
        text.replace("\n[conflator]", f"\n[handler.source.tls]\n[handler.source.schedule]\n{hours}\n[conflator]", 1)
    )
    result = feedhandler("check", path)
    assert (result.returncode, result.stderr) == (0, "")
    assert (
        "    source   simvenue: fix44 FH -> SIM at 127.0.0.1:9880, then backup.example:99, then [::1]:7, 4 instruments, "
        "TLS 1.2 to 1.3, from Sun 17:00:00 to Fri 16:55:00 America/New_York"
    ) in result.stdout.splitlines()
    assert "VENUE_SECRET" not in result.stdout


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_bad_configuration_is_one_line_and_code_2(command: str, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(EXAMPLE.read_text().replace("port = 9880 ", "port = 99999"))
    result = feedhandler(command, path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"{path}: handler[0].source[0].port: got 99999, expected 1..65535\n"


def test_ctl_sends_fields_and_prints_json(tmp_path: Path) -> None:
    server = control.ControlServer(tmp_path / "demo.ctl")
    server.register("echo", lambda request: {"got": {k: v for k, v in request.items() if k != "op"}})
    done = threading.Event()

    def serve() -> None:
        while not done.is_set():
            server.socket.poll(20)
            server.poll()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        result = feedhandler("ctl", "demo", "echo", "a=1", "b=x y", 'c=["p",null]', "--run-dir", tmp_path)
        assert (result.returncode, result.stderr) == (0, "")
        assert json.loads(result.stdout) == {"got": {"a": 1, "b": "x y", "c": ["p", None]}}
        assert feedhandler("ctl", tmp_path / "demo.ctl").returncode == 0
        refused = feedhandler("ctl", "demo", "nope", "--run-dir", tmp_path)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == "unknown op 'nope'; demo knows echo, status, stop\n"
        absent = feedhandler("ctl", "other", "--run-dir", tmp_path)
        assert absent.returncode == 1
        assert absent.stderr == f"'other' does not run in {tmp_path}; there runs: demo\n"
    finally:
        done.set()
        thread.join()
        server.close()


@pytest.mark.parametrize("field", ["a", "=1", "op=x", "timeout_s=1", "path=x"])
def test_ctl_refuses_what_is_no_field(field: str, tmp_path: Path) -> None:
    with pytest.raises(ControlError):
        ctl.request(str(tmp_path / "x.ctl"), "status", [field], timeout_s=0.1)


def test_ring_as_a_process(tmp_path: Path) -> None:
    """What each command prints is tested in ring_tool/; here that it prints, and how it ends."""
    writer = _native.RingWriter(str(tmp_path), str(tmp_path), "r1", 1024)
    held = writer.published  # an epoch begins with records of its own
    records = np.zeros(3, TICK)
    records["kind"] = [Kind.LEVEL, Kind.TRADE, 99]
    records["side"] = [Side.BID, Side.ASK, Side.NONE]
    records["price"] = [1.5, np.nan, 2.0]
    records["flags"] = Flag.LAST
    writer.append(records.view(np.uint8))
    writer.publish(1)
    listed = feedhandler("ring", "ls", tmp_path)
    assert listed.stdout.splitlines()[1].split()[:3] == [f"r1.{writer.epoch}", "ring", "OK"]
    tail = feedhandler("ring", "tail", "r1", "--shm-dir", tmp_path, "--no-follow", "--json")
    lines = [json.loads(line) for line in tail.stdout.splitlines()][held:]
    assert [(line["kind"], line["side"], line["price"]) for line in lines] == [
        ("LEVEL", "BID", 1.5),
        ("TRADE", "ASK", None),
        (99, "NONE", 2.0),
    ]
    missing = feedhandler("ring", "stat", "r2", "--shm-dir", tmp_path)
    assert (missing.returncode, missing.stderr) == (1, f"{tmp_path}/r2: no such ring; there are r1\n")
    assert feedhandler("ring", "ls", tmp_path / "none").returncode == 1
    assert feedhandler("ring", "unlink", "--shm-dir", tmp_path).returncode == 2


def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path: Path) -> None:
    writer = _native.RingWriter(str(tmp_path), str(tmp_path), "r1", 1 << 16)
    records = np.zeros(20_000, TICK)
    records["flags"] = Flag.LAST
    writer.append(records.view(np.uint8))
    writer.publish(1)
    command = f"{sys.executable} -m feedhandler ring dump r1 --shm-dir {tmp_path} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert json.loads(done.stdout.splitlines()[0])["seq"] == 1
    assert done.stdout.splitlines()[1:] == ["0"]
    assert done.stderr == ""
