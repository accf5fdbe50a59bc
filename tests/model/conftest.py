"""Models need Spin: without it their tests are skipped, and on CI they fail."""

import os

import pytest

from tests.model import spin


@pytest.fixture(scope="session", autouse=True)
def _spin() -> None:
    try:
        spin.find()
    except spin.NoSpinError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
