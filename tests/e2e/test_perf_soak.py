"""Ten minutes at full rate: no process grows, nothing is lost (`make soak`)."""

from pathlib import Path

import pytest

from perf.e2e import soak


@pytest.mark.soak
def test_no_process_grows_over_ten_minutes(tmp_path: Path) -> None:
    assert soak.main(["--folder", str(tmp_path), "--json", str(tmp_path / "soak.json")]) == 0
