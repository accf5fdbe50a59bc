"""Builds C++ programs of the tests: once, whoever comes first, also with several pytest workers."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 600


def build(name: str, *options: str, targets: Sequence[str] = ("all",)) -> Path:
    """Configure and build `build/<name>` with CMake options; return the folder of the programs."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    cmake = shutil.which("cmake", path=path)
    assert cmake is not None, "cmake is missing: run `make build`"
    folder = ROOT / "build" / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        configure = [cmake, "-S", ROOT, "-B", folder, "-G", "Ninja", *options]
        for command in (configure, [cmake, "--build", folder, "--target", *targets]):
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, env={**os.environ, "PATH": path},
                timeout=TIMEOUT_S,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
    return folder
