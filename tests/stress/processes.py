"""Processes that are stopped, killed and waited for."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE_S = 30.0


def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for a true value and return it; a failure names what never came."""
    deadline = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.0005)
    return value


def state_of(process: subprocess.Popen) -> str:
    """The kernel's letter for what a process does: S sleeps, T is stopped, R runs, Z has ended."""
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]


def stopped(process: subprocess.Popen) -> bool:
    """Whether a process stands still by SIGSTOP."""
    return state_of(process) == "T"


def go_on(process: subprocess.Popen) -> None:
    """Let a stopped process run."""
    process.send_signal(signal.SIGCONT)


def end_of(process: subprocess.Popen) -> int:
    """Wait for a process to end; its return code."""
    pidfd = os.pidfd_open(process.pid) if process.poll() is None else None
    if pidfd is not None:
        ended, _, _ = select.select([pidfd], [], [], PATIENCE_S)
        os.close(pidfd)
        assert ended, f"never ended: {process.args}"
    return process.wait()
