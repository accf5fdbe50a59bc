"""Small file operations that must be right after a crash: write all or say so, fsync folders, lock."""

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Any

from feedhandler.record.format import JournalError


def write_all(fd: int, data: Any, offset: int) -> None:
    """Write every byte of `data` at `offset`; OSError where the disk refuses."""
    view = memoryview(data).cast("B")
    while len(view):
        written = os.pwrite(fd, view, offset)
        view = view[written:]
        offset += written


def sync_folder(folder: Path) -> None:
    """Make renames and new names in `folder` survive a power loss."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_file(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Atomically replaces `path`: a reader sees the old bytes or the new ones, also after a crash."""
    draft = path.with_name(path.name + ".new")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        write_all(fd, data, 0)
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)
    draft.replace(path)
    if sync:
        sync_folder(path.parent)


class FolderLock:
    """One writer per folder, by flock on `<folder>/LOCK`; ends with the process, however it ends.

    Raises JournalError naming the pid of the holder.
    """

    def __init__(self, folder: Path, what: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(folder / "LOCK", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(self._fd, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            raise JournalError(f"{what} {folder} has a writer already, pid {pid}") from None
        os.ftruncate(self._fd, 0)
        # A full disk must not keep the lock from being taken: the pid is only for the message.
        with contextlib.suppress(OSError):
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the folder up."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
