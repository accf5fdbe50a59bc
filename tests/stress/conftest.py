"""Fixtures of the stress tests."""

from pathlib import Path

import pytest

from tests.support.native_build import build


@pytest.fixture(scope="session")
def programs() -> Path:
    """Folder of the programs of this folder, each as `<name>` and, with the named points, as `<name>_points`."""
    return build("stress", "-DFH_STRESS=ON", "-DCMAKE_BUILD_TYPE=Release")


@pytest.fixture
def tell(record_property: pytest.FixtureRequest):
    """Hand a table to the summary at the end of the run."""
    return lambda table: record_property("table", table)
