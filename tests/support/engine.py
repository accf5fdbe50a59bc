"""The C++ example engine: built as its README says, against the headers of a feedhandler."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WARNINGS = "-Wall -Wextra -Wconversion -Wshadow -Wpedantic -Werror"


def build(folder: Path, python: Path | str = sys.executable, source: Path = ROOT / "examples" / "engine") -> Path:
    """Configure with the headers that `python -m feedhandler include-dir` names, build; return the executable."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    cmake = shutil.which("cmake", path=path)
    assert cmake is not None, "cmake is missing: run `make build`"
    environment = {**os.environ, "PATH": path}
    configure = [cmake, "-S", source, "-B", folder, f"-DPYTHON={python}", f"-DCMAKE_CXX_FLAGS={WARNINGS}"]
    for command in (configure, [cmake, "--build", folder]):
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, timeout=300, cwd=folder.parent
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "engine"


def summary(output: str) -> dict[str, Any]:
    """Return the summary of an engine that ran with --json."""
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found
