"""Fixtures that all tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How fast inputs are made depends on what else the machine does; no test is about that.
settings.register_profile("feedhandler", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("feedhandler")

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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables that tests handed over (`record_property("table", text)`), whichever worker ran them."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    tables = [str(value) for report in reports for name, value in report.user_properties if name == "table"]
    if tables:
        terminalreporter.section("outcomes")
        terminalreporter.write_line("\n".join(tables))
