"""A tick flows one way, and imports follow it (DESIGN section 9)."""

from pathlib import Path

import pytest
from tree import ROOT, imports, relative, under

STAGES = ("sources", "conflate", "publish", "bridge", "record", "api")
JOINERS = ("handler", "conflator", "recorder", "cli", "demo", "supervisor", "bridge.__main__", "__main__")
GROUND_FLOOR = ("tick", "instruments", "limits", "errors", "clock", "config", "counters", "agent", "ring")
SANS_IO_BANNED = ("socket", "select", "selectors", "asyncio", "zmq", "time", "threading", "feedhandler.clock")
CODE = under("feedhandler", ".py")


def module_of(path: Path) -> str:
    """Return a file's name inside the package: `bridge.server`, `publish`."""
    return ".".join(path.relative_to(ROOT / "feedhandler").with_suffix("").parts)


def within(name: str, packages: tuple[str, ...]) -> str | None:
    """Return which of `packages` a dotted name lies in."""
    return next((p for p in packages if name == p or name.startswith(f"{p}.")), None)


def imported(path: Path) -> list[tuple[int, str]]:
    return [
        (line, name.removeprefix("feedhandler.")) for line, name in imports(path) if name.startswith("feedhandler.")
    ]


def test_there_is_something_to_check() -> None:
    assert len(CODE) > 20


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_stages_never_import_each_other(path: Path) -> None:
    own = within(module_of(path), STAGES)
    if own is None or module_of(path) in JOINERS:
        return
    wrong = [(line, name) for line, name in imported(path) if within(name, STAGES) not in (None, own)]
    assert not wrong, f"{relative(path)} belongs to {own}; only cmd/, cli.py and the processes' mains join stages"


@pytest.mark.parametrize("path", CODE, ids=relative)
def test_nothing_but_joiners_imports_a_joiner(path: Path) -> None:
    if within(module_of(path), JOINERS):
        return
    wrong = [(line, name) for line, name in imported(path) if within(name, JOINERS)]
    assert not wrong, f"{relative(path)} imports a process's main"


@pytest.mark.parametrize("path", [p for p in CODE if module_of(p) in GROUND_FLOOR], ids=relative)
def test_the_ground_floor_stands_on_nothing(path: Path) -> None:
    above = (*STAGES, "wire", "venues", "quality", "sim", "bundle", "client", "topics", "control", "process")
    wrong = [(line, name) for line, name in imported(path) if within(name, above)]
    assert not wrong, f"{relative(path)} is ground floor"


@pytest.mark.parametrize("path", under("feedhandler/wire", ".py"), ids=relative)
def test_state_machines_have_no_socket_and_no_clock(path: Path) -> None:
    wrong = [(line, name) for line, name in imports(path) if within(name, SANS_IO_BANNED)]
    assert not wrong, f"{relative(path)}: bytes and now_ns come in as arguments"
