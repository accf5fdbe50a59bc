"""Ten minutes (SOAK_SECONDS) at full rate: no process grows, nothing is lost (`make soak`)."""

from pathlib import Path

import pytest

from perf.e2e import soak
from tests.support.soak import soak_seconds


@pytest.mark.soak
def test_no_process_grows_over_ten_minutes(tmp_path: Path) -> None:
    assert (
        soak.main(["--seconds", str(soak_seconds()), "--folder", str(tmp_path), "--json", str(tmp_path / "soak.json")])
        == 0
    )
