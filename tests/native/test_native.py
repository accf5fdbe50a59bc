"""Builds and runs every tests/native/*_test.cpp: C++ against C++, without Python in between."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "native-tests"
SOURCES = sorted(path.stem for path in Path(__file__).parent.glob("*_test.cpp"))


@pytest.fixture(scope="session")
def built() -> Path:
    """Configure and build all native tests once a session."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    cmake = shutil.which("cmake", path=path)
    assert cmake is not None, "cmake is missing: run `make build`"
    environment = {**os.environ, "PATH": path}
    options = ["-G", "Ninja", "-DFH_NATIVE_TESTS=ON", "-DCMAKE_BUILD_TYPE=RelWithDebInfo"]
    subprocess.run([cmake, "-S", ROOT, "-B", BUILD, *options], check=True, env=environment, stdout=subprocess.DEVNULL)
    subprocess.run([cmake, "--build", BUILD], check=True, env=environment)
    return BUILD


@pytest.mark.parametrize("name", SOURCES)
def test_native(built: Path, name: str) -> None:
    """The program exits 0; what it prints on failure names file, line and values."""
    result = subprocess.run([built / name], check=False, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
