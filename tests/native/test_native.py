"""Builds and runs every tests/native/*_test.cpp: C++ against C++, without Python in between."""

import subprocess
from pathlib import Path

import pytest

from tests.support.native_build import build

SOURCES = sorted(path.stem for path in Path(__file__).parent.glob("*_test.cpp"))


@pytest.fixture(scope="session")
def built() -> Path:
    """Configure and build all native tests, whichever worker comes first; hardly optimized, for compiling is the cost."""
    return build("native-tests", "-DFH_NATIVE_TESTS=ON", "-DCMAKE_CXX_FLAGS=-O1 -g1")


@pytest.mark.parametrize("name", SOURCES)
def test_native(built: Path, name: str) -> None:
    """The program exits 0; what it prints on failure names file, line and values."""
    result = subprocess.run([built / name], check=False, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
