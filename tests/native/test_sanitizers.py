"""Native tests and threads of one process under sanitizers. README.md says what their silence proves."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.native_build import build

ALL = sorted(path.stem for path in Path(__file__).parent.glob("*_test.cpp"))
# What maps segments; the others build and run in `make soak`.
SEGMENTS = [name for name in ALL if re.match(r"ring|board|follower|wait", name)]
OTHERS = [name for name in ALL if name not in SEGMENTS]
THREADED = ["ring_watch_test", "sim_bbo_log_test", "wait_any_test", "wait_list_test"]
KINDS = ["ring", "board", "counters", "directory"]


def built(sanitizers: str, *targets: str) -> Path:
    """Build programs with these sanitizers, hardly optimized: half of the time is compiling. Returns their folder."""
    options = ["-DFH_NATIVE_TESTS=ON", f"-DFH_SANITIZE={sanitizers}", "-DCMAKE_CXX_FLAGS=-O1 -g1"]
    return build(f"native-{sanitizers.partition(',')[0]}", *options, targets=targets)


def run(*command: object) -> subprocess.CompletedProcess[str]:
    """Run a program with reports that end it. Never raises for what it says."""
    options = {"TSAN_OPTIONS": "halt_on_error=1 exitcode=66", "UBSAN_OPTIONS": "print_stacktrace=1"}
    arguments = [str(part) for part in command]
    environment = {**os.environ, **options}
    return subprocess.run(arguments, check=False, capture_output=True, text=True, timeout=300, env=environment)


def assert_silent(*command: object) -> None:
    done = run(*command)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def guarded() -> Path:
    return built("address,undefined", "canary_program", *SEGMENTS)


@pytest.fixture(scope="module")
def threaded() -> Path:
    return built("thread", "race_program", *THREADED)


@pytest.mark.parametrize("name", SEGMENTS)
def test_native_tests_stay_in_bounds(guarded: Path, name: str) -> None:
    assert_silent(guarded / name)


@pytest.mark.soak
@pytest.mark.parametrize("name", OTHERS)
def test_so_do_all_others(name: str) -> None:
    assert_silent(built("address,undefined", name) / name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_byte_outside_a_segment_is_reported(guarded: Path, tmp_path: Path, kind: str) -> None:
    for where in ("before", "after"):
        done = run(guarded / "canary_program", tmp_path, kind, where)
        assert "AddressSanitizer: use-after-poison" in done.stderr, (where, done.stdout + done.stderr)
    assert_silent(guarded / "canary_program", tmp_path, kind, "inside")


@pytest.mark.parametrize("name", THREADED)
def test_native_tests_with_threads_do_not_race(threaded: Path, name: str) -> None:
    assert_silent(threaded / name)


@pytest.mark.parametrize("kind", KINDS)
def test_writer_and_reader_in_one_process_do_not_race(threaded: Path, tmp_path: Path, kind: str) -> None:
    assert_silent(threaded / "race_program", tmp_path, kind)


@pytest.mark.parametrize("kind", ["ring", "board", "directory"])
def test_what_is_stored_after_sharing_it_is_reported(threaded: Path, tmp_path: Path, kind: str) -> None:
    done = run(threaded / "race_program", tmp_path, kind, "late")
    assert (done.returncode, "ThreadSanitizer: data race" in done.stderr) == (66, True), done.stdout + done.stderr
