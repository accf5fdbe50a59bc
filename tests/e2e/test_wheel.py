"""The wheel that users install: its C++ headers compile the example engine, without a warning and without this tree."""

import fcntl
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD_S, COMPILE_S = 600, 60  # `make test` has built already: the wheel then takes seconds
FLAGS = ("-std=c++20", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")


def unpacked_wheel(folder: Path) -> Path:
    """Build the wheel and unpack it as pip would; two at once would build in one folder."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder / "dist"), str(ROOT)]
    with (ROOT / "build" / ".wheel.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=BUILD_S, env={**os.environ, "PATH": path}
        )
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = (folder / "dist").glob("feedhandler-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def include_dir(installed: Path) -> Path:
    """What the installed `feedhandler include-dir` prints, asked where this tree is not on the path."""
    program = (
        f"import sys; sys.path.insert(0, {str(installed)!r}); from feedhandler import cli; cli.main(['include-dir'])"
    )
    command = [sys.executable, "-I", "-S", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=installed)
    return Path(done.stdout.strip())


def test_the_example_engine_compiles_against_an_installed_wheels_headers(tmp_path: Path) -> None:
    installed = unpacked_wheel(tmp_path)
    include = include_dir(installed)
    assert include.is_relative_to(installed), "not this tree's"
    there = {path.name: path.read_bytes() for path in (include / "shm").iterdir()}
    assert there == {path.name: path.read_bytes() for path in (ROOT / "shm").iterdir() if path.name in there}
    assert {path.name for path in (ROOT / "shm").glob("*.hpp")} | {"README.md"} <= there.keys()
    sources = tmp_path / "engine"
    shutil.copytree(ROOT / "examples" / "engine", sources)
    command = [os.environ.get("CXX", "c++"), *FLAGS, f"-I{include}", "-MD", "-o", "engine", "engine.cpp", "-pthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMPILE_S, cwd=sources)
    assert done.returncode == 0, done.stderr
    used = set((sources / "engine.d").read_text().split())
    assert f"{include}/shm/ring_follower.hpp" in used
    assert not [path for path in used if path.startswith(f"{ROOT}{os.sep}")], "headers of this tree"
    usage = subprocess.run(
        [sources / "engine", "--help"], capture_output=True, text=True, check=False, timeout=COMPILE_S
    )
    assert "engine" in usage.stdout + usage.stderr
