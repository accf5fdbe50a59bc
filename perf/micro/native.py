"""Builds and runs the C++ benchmarks of this folder: what Python's own cost would hide is measured without Python."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from perf.machine import ROOT
from perf.result import Timed

BUILD = ROOT / "build" / "benchmarks"
TIMEOUT_S = 300


@cache
def build() -> Path:
    """Configure and build all of them, once. RuntimeError with the compiler's words where that fails."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    cmake = shutil.which("cmake", path=path)
    if cmake is None:
        raise RuntimeError("cmake is missing: run `make build`")
    configure = [cmake, "-S", str(ROOT), "-B", str(BUILD), "-G", "Ninja"]
    configure += ["-DFH_BENCHMARKS=ON", "-DCMAKE_BUILD_TYPE=Release"]
    for command in (configure, [cmake, "--build", str(BUILD)]):
        done = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, "PATH": path})
        if done.returncode:
            raise RuntimeError(f"building the native benchmarks failed:\n{done.stdout}{done.stderr}")
    return BUILD


def run(name: str, *arguments: str) -> tuple[dict[str, Timed], list[list[str]]]:
    """Run one; return {figure: (medians, p99s)} in ns, and its `state` lines. RuntimeError where it fails."""
    done = subprocess.run([build() / name, *arguments], check=False, capture_output=True, text=True, timeout=TIMEOUT_S)
    if done.returncode:
        raise RuntimeError(f"{name} ended with code {done.returncode}: {done.stderr.strip()}")
    found: dict[str, Timed] = {}
    states = []
    for line in done.stdout.splitlines():
        figure, *cells = line.split("\t")
        if figure == "state":
            states.append(cells)
            continue
        medians, tails = found.setdefault(figure, ([], []))
        medians.append(float(cells[1]))
        tails.append(float(cells[2]))
    return found, states
