"""The libFuzzer targets of tests/fuzz/targets: build them, seed them, run them.

`python -m tests.fuzz.native_targets --runs 20000000` is the long run (`make fuzz`); test_native_fuzz.py runs each for
some seconds. Needs Clang with its sanitizers' runtime; on Debian, as root, it is installed when it is missing.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.fuzz import seeds
from tests.support import debian

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "fuzz"
TARGETS = sorted(path.stem for path in (Path(__file__).parent / "targets").glob("*_fuzz.cpp"))
CRASHES = Path(__file__).parent / "crashes"
"""Inputs that once broke a target, `<target>/<what it was>`."""
COMPILERS = ("clang++-19", "clang++-18", "clang++-17", "clang++-16")
PACKAGES = ("clang-19", "libclang-rt-19-dev")


MAX_LEN = {"decode_fuzz": 768, "frame_fuzz": 512, "stream_fuzz": 768, "value_fuzz": 96}
"""Bytes of an input: what a target can say with fewer it says faster."""


class NoClangError(RuntimeError):
    """There is no Clang and none can be installed."""


@cache
def compiler() -> str:
    """Return a Clang of version 16 or later. Raises NoClangError."""
    found = next(filter(None, map(shutil.which, COMPILERS)), None)
    if found is not None:
        return found
    try:
        debian.install(PACKAGES)
    except debian.CannotInstallError as error:
        raise NoClangError(f"no Clang, one of {', '.join(COMPILERS)}: {error}") from None
    return shutil.which(COMPILERS[0]) or ""


@cache
def build() -> Path:
    """Configure and build all targets, once a process."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    cmake = shutil.which("cmake", path=path)
    assert cmake is not None, "cmake is missing: run `make build`"
    environment = {**os.environ, "PATH": path}
    options = ["-G", "Ninja", "-DFH_FUZZ=ON", "-DCMAKE_BUILD_TYPE=None", f"-DCMAKE_CXX_COMPILER={compiler()}"]
    for command in ([cmake, "-S", ROOT, "-B", BUILD, *options], [cmake, "--build", BUILD]):
        done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return BUILD


@dataclass(frozen=True)
class Outcome:
    """What a run of a target came to."""

    good: bool
    executions: int
    text: str


def run(target: str, corpus: Path, captures: Path | None, *options: str) -> Outcome:
    """Run one target on its corpus, which grows, from the seeds on; a crashing input stays beside it."""
    corpus.mkdir(parents=True, exist_ok=True)
    seeds.write(target, corpus, captures)
    command = [
        build() / target,
        corpus,
        f"-artifact_prefix={corpus.parent}/{target}-",
        "-print_final_stats=1",
        *options,
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    count = re.search(r"stat::number_of_executed_units: (\d+)", done.stderr)
    return Outcome(done.returncode == 0, int(count[1]) if count else 0, done.stderr[-4000:])


def main() -> int:
    """The long run: every target, one after the other."""
    parse = argparse.ArgumentParser(prog="python -m tests.fuzz.native_targets", description=__doc__)
    parse.add_argument("--runs", type=int, default=20_000_000, help="executions of each target (%(default)s)")
    parse.add_argument("--target", choices=TARGETS, action="append", help="only this one; may be repeated")
    options = parse.parse_args()
    captures = ROOT.parent / "shared" / "captures"
    failed = 0
    for target in options.target or TARGETS:
        corpus = BUILD / "corpus" / target
        outcome = run(
            target, corpus, captures, f"-runs={options.runs}", "-rss_limit_mb=4096", f"-max_len={MAX_LEN[target]}"
        )
        print(f"{target}: {outcome.executions:,} executions, {'good' if outcome.good else 'FAILED'}", flush=True)
        if not outcome.good:
            failed += 1
            print(outcome.text)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
