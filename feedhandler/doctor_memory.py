"""What a configuration's `[memory]` and sizes lack on this host."""

from collections.abc import Callable
from pathlib import Path

from feedhandler import config, config_rules, placement
from feedhandler.doctor_host import Finding
from feedhandler.errors import ConfigError


def examine(path: Path) -> list[Finding]:
    """Return findings: room for the segments, accounts, and the right to lock what each process has."""
    settings = config.load(path, check_host=False)
    total = sum(need.size for need in placement.needs(settings))
    found = [
        _finding("segments of this system", f"{total >> 20} MiB", lambda: placement.check_system(path, settings)),
        _finding("accounts", _accounts(settings.memory), lambda: placement.of(path, settings)),
    ]
    if settings.memory.mlock == "off":
        return found
    for name, _, _ in config_rules.schedules(settings):
        found.append(_memlock(path, settings, name))
    return found


def _accounts(memory: config.Memory) -> str:
    return f"owner {memory.owner or 'as the process'}, group {memory.group or 'as the process'}, mode {memory.mode}"


def _finding(name: str, value: str, check: Callable[[], object]) -> Finding:
    try:
        check()
    except ConfigError as error:
        return Finding(name, "lacking", value, str(error))
    return Finding(name, "ok", value)


def _memlock(path: Path, settings: config.Config, process: str) -> Finding:
    size = sum(need.size for need in placement.needs(settings) if need.process == process)
    name, value = f"memlock of {process}", f"{size >> 10} KiB"
    try:
        warning = placement.check_memlock(path, settings, process)
    except ConfigError as error:
        return Finding(name, "lacking", value, str(error))
    return Finding(name, "lacking" if warning else "ok", value, warning)
