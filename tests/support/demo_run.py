"""`feedhandler demo` as a user starts it, and its report."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

LIMIT_S = 120


def demo(folder: Path, *options: str) -> dict[str, Any]:
    """Run the demo to its end; AssertionError with what it printed unless it exits 0. Its files lie in `work(folder)`."""
    report = folder / "report.json"
    command = [str(Path(sys.executable).with_name("feedhandler")), "demo", "--no-view", "--report", str(report)]
    process = subprocess.Popen(
        [*command, "--folder", str(work(folder)), *options],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=LIMIT_S)
    except BaseException:
        process.terminate()  # it ends its children
        process.communicate(timeout=60)
        raise
    assert process.returncode == 0, output[-6000:]
    return json.loads(report.read_text())


def work(folder: Path) -> Path:
    """Where a run's files go. The name is also its shared memory's: no other run on this host has it meanwhile."""
    return folder / f"d{os.getpid()}"
