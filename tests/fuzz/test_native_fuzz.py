"""Each libFuzzer target for a moment, and every input that once broke one. The long run is `make fuzz`."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.fuzz import native_targets

SECONDS = 3
CRASHES = sorted(path for path in native_targets.CRASHES.glob("*/*") if path.is_file())


@pytest.fixture(scope="module")
def built() -> Path:
    """All targets; skipped where there is no Clang, but in CI."""
    try:
        return native_targets.build()
    except native_targets.NoClangError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


def test_all_targets_hold_for_a_moment(built, tmp_path, captures):
    """Side by side, from the seeds on; nothing crashes, leaks or overflows."""
    runs = []
    for target in native_targets.TARGETS:
        corpus = tmp_path / target
        corpus.mkdir()
        native_targets.seeds.write(target, corpus, captures)
        command = [built / target, corpus, f"-max_total_time={SECONDS}", f"-artifact_prefix={tmp_path}/{target}-"]
        runs.append((target, subprocess.Popen(command, stderr=subprocess.PIPE, text=True)))
    for target, process in runs:
        _, text = process.communicate(timeout=120)
        assert process.returncode == 0, f"{target}:\n{text[-4000:]}"


@pytest.mark.parametrize("path", CRASHES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_once_broke_a_target_does_so_no_more(built, path):
    done = subprocess.run([built / path.parent.name, path], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-4000:]
