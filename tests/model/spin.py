"""Runs Spin on a model: generate, compile, search. Installs Spin where it is missing and apt may be used."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support import debian

MODELS = Path(__file__).parent
_COMPILE = ("-O1", "-w", "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=4096", "-DNOFAIR", "-DNOCLAIM")
_SEARCH = ("-m100000", "-w22")
_TRUNCATED = ("max search depth too small", "out of memory", "Search not completed", "VECTORSZ is too small")


class NoSpinError(RuntimeError):
    """Spin is not here and could not be installed."""


class Search(NamedTuple):
    """What an exhaustive search found. `violated` is the first assertion that failed, or "end state" where somebody
    waits for ever; empty where nothing is wrong."""

    errors: int
    states: int
    depth: int
    complete: bool
    violated: str
    output: str


def find() -> str:
    """Return the path of `spin`. Raises NoSpinError with the reason."""
    if shutil.which("spin") is None:
        try:
            debian.install(["spin"])
        except debian.CannotInstallError as error:
            raise NoSpinError(f"spin is not installed: {error}") from None
    found = shutil.which("spin")
    if found is None:
        raise NoSpinError("spin was installed and is not on the PATH")
    return found


def search(model: str, options: Sequence[str], folder: Path) -> Search:
    """Search all states of `model` with these preprocessor options."""
    for source in MODELS.glob("*.pml"):
        shutil.copy(source, folder)
    defines = [f"-D{option}" for option in options]
    compiler = shutil.which("cc") or shutil.which("gcc") or "cc"
    for command in ([find(), *defines, "-a", model], [compiler, *_COMPILE, "-o", "pan", "pan.c"]):
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    done = subprocess.run(["./pan", *_SEARCH], cwd=folder, check=False, capture_output=True, text=True, timeout=900)
    text = done.stdout + done.stderr
    return Search(
        errors=_number(r"errors: (\d+)", text),
        states=_number(r"(\d+) states, stored", text),
        depth=_number(r"depth reached (\d+)", text),
        complete=not any(words in text for words in _TRUNCATED),
        violated=(re.search(r"pan:\d+: (?:assertion violated|invalid) \(?(.*?)\)? \(at depth", text) or ["", ""])[1],
        output=text,
    )


def assert_sound(model: str, options: Sequence[str], folder: Path) -> None:
    """Search all states and print how many there are. Raises AssertionError where something is wrong with any of them."""
    found = search(model, options, folder)
    assert (found.errors, found.complete) == (0, True), found.output[-3000:]
    print(f"{model} {' '.join(options)}: {found.states:,} states, depth {found.depth}")


def assert_found_out(model: str, options: Sequence[str], folder: Path, violated: str) -> None:
    """Search until something is wrong. Raises AssertionError where that is not what `violated` says."""
    found = search(model, options, folder)
    assert (found.errors, found.violated) == (1, violated), found.output[-3000:]
    print(f"{model} {' '.join(options)}: {violated}, after {found.states:,} states")


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"Spin said something else: {text[-2000:]}")
    return int(found[1])
