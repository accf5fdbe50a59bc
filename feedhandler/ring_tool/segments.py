"""What lies in a shared memory folder: every file, what it is, who writes it, and how that writer is."""

import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from feedhandler import _native, clock
from feedhandler.errors import FeedhandlerError
from feedhandler.ring import STALL_NS
from feedhandler.ring_tool import mapped

# Kinds in the order in which they are listed.
KINDS = ("ring", "draft", "board", "counters", "clock", "checkpoint", "directory", "wait", "lock", "other")
_RING = re.compile(r"([^./]+)\.(\d+)")
_PID_OFFSETS = {"board": 28, "counters": 20}
_CHECKPOINTS = {"conflator.books": "books", "conflator.position": "what subscribers were sent"}
_START = struct.Struct("<QI")
_MAGICS = {kind: magic for kind, (magic, _) in _native.SEGMENT_KINDS.items()}


class Segment(msgspec.Struct, kw_only=True):
    """One file. `bytes` is its length, `taken` the memory or disk it takes.

    `state` says how its writer is: OK, STALLED, WRITER_DEAD; STARTING or ABANDONED of a draft; HELD or FREE of a lock;
    VERSION_MISMATCH, DAMAGED or DENIED for what cannot be read; FOREIGN for what is not ours; MISSING for what is not
    there. `pid` is the writer's, 0 where there is none.
    """

    name: str
    kind: str
    state: str
    pid: int
    bytes: int
    taken: int
    created_ns: int
    what: str
    ring: str = ""
    epoch: int = 0
    details: dict[str, Any] = {}
    path: str = ""


def scan(shm_dir: Path, directory: Path | None = None) -> list[Segment]:
    """Return every file of the folder, rings by name and epoch first, and the instrument directory if it is known."""
    found = [segment for path in shm_dir.iterdir() if (segment := look(path)) is not None]
    if directory is not None and (segment := look(directory)) is not None:
        found.append(segment)
    return sorted(found, key=lambda each: (KINDS.index(each.kind), each.ring, each.epoch, each.name))


def look(path: Path) -> Segment | None:
    """Return what one file is; None where it has just gone."""
    kind, ring, epoch = classify(path.name)
    try:
        status = path.lstat()
        looked = _LOOKS[kind](path) if path.is_file() else {"state": "FOREIGN", "what": "not a file"}
    except FileNotFoundError:
        return None
    except PermissionError:
        looked = {"state": "DENIED", "what": "may not be read by this user"}
    except (RuntimeError, ValueError, OSError, FeedhandlerError) as error:
        looked = {
            "state": _refused(path, kind),
            "what": str(error).removeprefix(f"{path}: ").removeprefix(str(path)).strip(),
        }
    return Segment(
        name=path.name, kind=kind, ring=ring, epoch=epoch, path=str(path), bytes=status.st_size,
        taken=status.st_blocks * 512, **{"pid": 0, "created_ns": status.st_mtime_ns, **looked},
    )  # fmt: skip


def classify(name: str) -> tuple[str, str, int]:
    """Return (kind, ring, epoch) of a file's name."""
    stem, dot, suffix = name.rpartition(".")
    if match := _RING.fullmatch(name):
        return "ring", match[1], int(match[2])
    if name in ("board", "clock"):
        return name, "", 0
    if name == "instruments.dir":
        return "directory", "", 0
    if name in _CHECKPOINTS:
        return "checkpoint", "", 0
    kind = {
        "counters": "counters",
        "wait": "wait",
        "parking": "wait",
        "lock": "lock",
        "starting": "draft",
        "new": "draft",
    }.get(suffix)
    if not dot or not stem or kind is None:
        return "other", "", 0
    ring = (
        stem
        if suffix in ("wait", "starting") or (suffix == "lock" and stem not in ("board", "instruments.dir"))
        else ""
    )
    return kind, ring, 0


def _ring(path: Path) -> dict[str, Any]:
    file = _native.RingFile(str(path))
    header: dict[str, Any] = file.header()
    published, heartbeat_ns = file.published, file.heartbeat_ns
    now = clock.monotonic_ns()
    state = file.state(now, STALL_NS).name
    details = {**header, "published": published, "oldest": file.oldest, "heartbeat_age_ns": now - heartbeat_ns}
    what = f"published {published:,}, capacity {header['capacity']:,}"
    return {
        "state": state,
        "pid": header["writer_pid"],
        "created_ns": header["created_ns"],
        "what": what,
        "details": details,
    }


def _draft(path: Path) -> dict[str, Any]:
    stem = path.name.rpartition(".")[0]
    lock = path.with_name(f"{stem}.lock")
    starting = lock.exists() and _native.locked(str(lock))
    return {"state": "STARTING" if starting else "ABANDONED", "what": f"a draft of {stem}"}


def _board(path: Path) -> dict[str, Any]:
    board = _native.BoardReader(str(path.parent))
    heartbeat_ns = board.heartbeat_ns
    heartbeat_age_ns = clock.monotonic_ns() - heartbeat_ns
    state = "WRITER_DEAD" if not board.writer_alive else "STALLED" if heartbeat_age_ns > STALL_NS else "OK"
    details = {
        "depth": board.depth,
        "rows": board.rows,
        "heartbeat_age_ns": heartbeat_age_ns,
        "publisher_epoch": board.publisher_epoch,
    }
    return {
        "state": state,
        "pid": writer_pid(path, "board"),
        "what": f"{board.rows:,} rows, depth {board.depth}",
        "details": details,
    }


def _counters(path: Path) -> dict[str, Any]:
    from feedhandler.counters import read_file  # noqa: PLC0415 - an enum of all counters, for who needs it

    counters = read_file(path)
    pid = writer_pid(path, "counters")
    what = f"{len(counters)} counters above zero"
    # No lock says that its process lives: its pid does, where it still maps the file or hides what it maps.
    maps = mapped.maps(pid, path)
    return {"state": "WRITER_DEAD" if maps is False else "OK", "pid": pid, "what": what}


def _clock(path: Path) -> dict[str, Any]:
    magic, _ = _start(path)
    if magic != _MAGICS["clock"]:
        return {"state": "DAMAGED", "what": "not a clock"}
    offset, steps = struct.unpack_from("<qQ", path.read_bytes(), 8)
    return {"state": "OK", "what": f"{steps} steps", "details": {"realtime_offset_ns": offset, "steps": steps}}


def _directory(path: Path) -> dict[str, Any]:
    directory = _native.Directory(str(path), False)
    sources = directory.source_count
    what = f"{len(directory):,} instruments, {sources} sources"
    return {"state": "OK", "what": what, "details": {"instruments": len(directory), "sources": sources}}


def _wait(path: Path) -> dict[str, Any]:
    magic, version = _start(path)
    good = magic == _MAGICS["wait"]
    return {"state": "OK" if good else "DAMAGED", "what": "parking page", "details": {"version": version}}


def _lock(path: Path) -> dict[str, Any]:
    text = path.read_bytes()[:32].strip()
    pid = int(text) if text.isdigit() else 0
    if _native.locked(str(path)):
        return {"state": "HELD", "pid": pid, "what": ""}
    return {"state": "FREE", "what": f"last held by pid {pid}" if pid else ""}


def _checkpoint(path: Path) -> dict[str, Any]:
    lock = path.with_name("board.lock")
    alive = lock.exists() and _native.locked(str(lock))
    return {"state": "OK" if alive else "WRITER_DEAD", "what": f"{_CHECKPOINTS[path.name]}, for the next conflator"}


def _other(path: Path) -> dict[str, Any]:
    return {"state": "FOREIGN", "what": f"{path.name} is none of feedhandler's names"}


_LOOKS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "ring": _ring, "draft": _draft, "board": _board, "counters": _counters, "clock": _clock, "directory": _directory,
    "checkpoint": _checkpoint, "wait": _wait, "lock": _lock, "other": _other,
}  # fmt: skip


def _start(path: Path) -> tuple[int, int]:
    with path.open("rb") as file:
        head = file.read(_START.size)
    return _START.unpack(head) if len(head) == _START.size else (0, 0)


def writer_pid(path: Path, kind: str) -> int:
    """Return the pid in the header of a board or counters file, of whatever version."""
    with path.open("rb") as file:
        file.seek(_PID_OFFSETS[kind])
        return int.from_bytes(file.read(4), "little")


def _refused(path: Path, kind: str) -> str:
    magic, version = _start(path)
    ours, expected = _native.SEGMENT_KINDS.get(kind, (None, 0))
    return "VERSION_MISMATCH" if magic == ours and version not in (0, expected) else "DAMAGED"
