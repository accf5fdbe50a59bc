"""Fixtures that all tests share."""

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def captures() -> Path:
    """Folder of real captures, `../shared/captures`; says clearly when it is missing."""
    folder = SHARED / "captures"
    if not folder.is_dir():
        message = f"real market data is missing: expected {folder}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder
