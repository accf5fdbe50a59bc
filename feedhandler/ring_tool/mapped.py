"""Who has a file mapped, as far as /proc tells this user."""

import os
import pwd
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")


class Mapper(NamedTuple):
    """A process that has a file mapped; `writes` where it may write what others see."""

    pid: int
    user: str
    command: str
    writes: bool


class Mappers(NamedTuple):
    """Those found, and how many processes this user may not look into."""

    found: list[Mapper]
    hidden: int


def mappers(path: Path, proc: Path = PROC) -> Mappers:
    """Return the other processes that map the file now at `path`, under whatever name they opened it."""
    found, hidden = [], 0
    pids = {int(folder.name) for folder in proc.iterdir() if folder.name.isdecimal()} - {os.getpid()}
    for pid in sorted(pids):
        try:
            modes = _modes(pid, path, proc)
        except PermissionError:
            hidden += 1
            continue
        if modes:
            writes = any("w" in mode and mode.endswith("s") for mode in modes)
            found.append(Mapper(pid, _user(proc / str(pid)), command(pid, proc), writes))
    return Mappers(found, hidden)


def maps(pid: int, path: Path, proc: Path = PROC) -> bool | None:
    """Whether a process maps a file; False where there is no such process, None where this user may not know."""
    try:
        return bool(_modes(pid, path, proc))
    except PermissionError:
        return None


def command(pid: int, proc: Path = PROC) -> str:
    """Return the command line of a process, empty where it is gone or hidden."""
    try:
        words = (proc / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return b" ".join(word for word in words if word).decode(errors="replace")


def _modes(pid: int, path: Path, proc: Path) -> list[str]:
    """Return the permissions of each map of the file, by inode and device, or by name where the two devices differ.

    A file on a union file system has one device in /proc and another in stat.
    """
    status = path.stat()
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    try:
        text = (proc / str(pid) / "maps").read_text(errors="replace")
    except PermissionError:
        raise
    except OSError:
        return []  # it ended
    modes = []
    for line in text.splitlines():
        _, mode, _, where, inode, *name = line.split(None, 5)
        if inode == str(status.st_ino) and (where == device or name == [str(path.resolve())]):
            modes.append(mode)
    return modes


def _user(folder: Path) -> str:
    try:
        return pwd.getpwuid(folder.stat().st_uid).pw_name
    except (KeyError, OSError):
        return "?"
