"""How the processes' segments are put into memory and for whom: `[memory]` of the configuration, and its arithmetic.

What does not fit is refused before anything is created: one ConfigError with key, value, what is needed, what is there.
"""

import grp
import os
import pwd
import re
import resource
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from feedhandler import _native, config_rules, limits
from feedhandler.config_text import show
from feedhandler.errors import ConfigError

if TYPE_CHECKING:
    from feedhandler.config import Config

_EPOCHS_KEPT = 3
_CAP_IPC_LOCK = 1 << 14


class Need(NamedTuple):
    """What a key makes a process create: `value` of `key` needs `size` bytes for `what`."""

    process: str
    key: str
    value: object
    what: str
    size: int


class Room(NamedTuple):
    """What is there: bytes of `name`, and how the message calls it."""

    name: str
    size: int


def of(file: object, config: "Config") -> _native.Placement:
    """Return `[memory]` as makers of segments take it. Raises ConfigError for users and groups that nobody knows."""
    memory = config.memory
    return _native.Placement(
        prefault=memory.prefault,
        mlock=memory.mlock,
        huge=memory.huge_pages,
        owner=_number(file, "memory.owner", memory.owner, "user"),
        group=_number(file, "memory.group", memory.group, "group"),
        mode=int(memory.mode, 8),
        readers_park=memory.readers_park,
    )


def _number(file: object, key: str, name: str, what: str) -> int:
    """Return the id of a user or group, by name or number; -1 for none."""
    if not name:
        return -1
    if name.isdecimal():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid if what == "user" else grp.getgrnam(name).gr_gid
    except KeyError:
        raise ConfigError(file, key, show(name), f"a {what} of this host, by name or number") from None


def make_folder(path: str | Path, placement: _native.Placement) -> None:
    """Make a folder of segments, open to whom its segments are open. One that is there stays as it is."""
    folder = Path(path)
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    placement.hand_over_folder(str(folder))


def needs(config: "Config") -> Iterator[Need]:
    """Yield all segments that a start of the processes creates in shared memory, ring by ring."""
    for i, handler in enumerate(config.handler):
        size = _native.ring_bytes(handler.ring_capacity)
        yield Need(handler.name, f"handler[{i}].ring_capacity", handler.ring_capacity, f"ring {handler.name}", size)
    conflator = config.conflator
    size = _native.ring_bytes(conflator.derived_capacity)
    yield Need("conflator", "conflator.derived_capacity", conflator.derived_capacity, "ring derived", size)
    rows = max(1024, 2 * sum(len(source.instruments) for _, source in config_rules.sources(config)))
    board = _native.board_bytes(conflator.depth, rows)
    yield Need("conflator", "conflator.depth", conflator.depth, f"board of {rows} rows", board)
    for name, key, section in config_rules.schedules(config):
        yield Need(name, f"{key}.wait", section.wait, f"counters of {name}", _native.COUNTERS_BYTES)


def check_system(file: object, config: "Config") -> None:
    """Raise ConfigError where all processes' segments do not fit beside what stays: for `check` and `run`.

    What the folder holds already counts as there, except for dead epochs of rings, which stay for their readers.
    """
    folder = Path(config.feedhandler.shm_dir)
    own = sum(_taken(path) for path in folder.iterdir() if path.is_file()) if folder.is_dir() else 0
    names = [*(handler.name for handler in config.handler), "derived"]
    dead = sum(_dead(folder, name) for name in names) if folder.is_dir() else 0
    _check(file, folder, list(needs(config)), own=own, stays=dead)


def check_process(file: object, config: "Config", process: str) -> None:
    """Raise ConfigError where what this process is about to create does not fit into what is free now."""
    mine = [need for need in needs(config) if need.process == process]
    _check(file, Path(config.feedhandler.shm_dir), mine, own=0, stays=0)


def _check(file: object, folder: Path, wanted: Sequence[Need], *, own: int, stays: int) -> None:
    needed = sum(need.size for need in wanted) + stays
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    facts = os.statvfs(existing)
    rooms = [Room(f"{existing}", facts.f_bavail * facts.f_frsize + own)]
    if (available := available_memory()) is not None:
        rooms.append(Room("this host's memory", available + own))
    for room in rooms:
        if needed <= room.size:
            continue
        largest = max(wanted, key=lambda need: need.size)
        kept = f" and {_mib(stays)} for dead epochs that stay" if stays else ""
        raise ConfigError(
            file,
            largest.key,
            show(largest.value),
            f"segments that fit into {room.name}: {_mib(room.size)} are there, {_mib(needed)} are needed, "
            f"{_mib(largest.size)} of them for the {largest.what}{kept}",
        )


def available_memory(root: Path = Path("/")) -> int | None:
    """Return the bytes that processes can still take: MemAvailable, or less where a cgroup says so. None: unknown."""
    found: list[int] = []
    try:
        line = re.search(r"^MemAvailable:\s*(\d+) kB", (root / "proc/meminfo").read_text(), re.MULTILINE)
        group = re.search(r"^0::/(.*)$", (root / "proc/self/cgroup").read_text(), re.MULTILINE)
    except OSError:
        return None
    if line is not None:
        found.append(int(line[1]) * 1024)
    if group is not None:
        found += _cgroup_room(root / "sys/fs/cgroup", group[1])
    return min(found, default=None)


def _cgroup_room(mount: Path, group: str) -> Iterator[int]:
    """Yield what each level of a cgroup still allows."""
    for folder in (mount / group, *(mount / group).parents):
        if not folder.is_relative_to(mount):
            return
        try:
            limit = (folder / "memory.max").read_text().strip()
            used = int((folder / "memory.current").read_text())
        except (OSError, ValueError):
            continue
        if limit.isdecimal():
            yield max(0, int(limit) - used)


def check_memlock(file: object, config: "Config", process: str) -> str:
    """Return a warning where this process may not lock its segments; "" where it may, or is not asked to.

    Raises ConfigError where `memory.mlock` requires it.
    """
    mlock = config.memory.mlock
    needed = sum(need.size for need in needs(config) if need.process == process)
    allowed = memlock_allowed()
    if mlock == "off" or allowed is None or needed <= allowed:
        return ""
    why = (
        f"{process} locks {_mib(needed)} into memory and RLIMIT_MEMLOCK allows {_mib(allowed)}: "
        "LimitMEMLOCK=infinity in the unit, or limits.conf"
    )
    if mlock == "try":
        return f"memory.mlock: {why}"
    raise ConfigError(file, "memory.mlock", show(mlock), f'a host that allows it, or "try": {why}')


def memlock_allowed() -> int | None:
    """Return the bytes that this process may lock; None: any number."""
    status = Path("/proc/self/status").read_text()
    capabilities = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    soft = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    if soft == resource.RLIM_INFINITY or (capabilities is not None and int(capabilities[1], 16) & _CAP_IPC_LOCK):
        return None
    return soft


def _taken(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0


def _dead(folder: Path, ring: str) -> int:
    """Return the bytes of a ring's epochs that its next writer keeps, or that a living one has kept."""
    epochs = [folder / f"{ring}.{epoch}" for epoch in _native.ring_epochs(str(folder), ring)]
    alive = bool(epochs) and _locked(epochs[-1])
    if alive:
        del epochs[-1]
    return sum(_taken(path) for path in epochs[-_EPOCHS_KEPT:])


def _locked(path: Path) -> bool:
    try:
        return _native.locked(str(path))
    except OSError:
        return False  # denied, or gone meanwhile


def _mib(size: int) -> str:
    return f"{-(-size // limits.MIB)} MiB" if size >= limits.MIB else f"{-(-size // 1024)} KiB"
