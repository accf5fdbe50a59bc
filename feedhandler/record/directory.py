"""The shared instrument directory as the recorder's Names: opened when it appears, safe for two threads."""

import contextlib
import threading
from pathlib import Path

import msgspec

from feedhandler.errors import SegmentMissingError
from feedhandler.instruments import Directory
from feedhandler.record.names import WHOLE_SOURCE


class DirectoryNames:
    """Names from `<state_dir>/instruments.dir`; nothing is known until a handler has made that file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # journal and sinks ask from threads of their own
        self._directory: Directory | None = None

    def _open(self) -> Directory | None:
        if self._directory is None:
            with contextlib.suppress(SegmentMissingError):
                self._directory = Directory(self._path)
        return self._directory

    def refresh(self) -> int:
        """Look for new entries; return how many instruments are known."""
        with self._lock:
            directory = self._open()
            return directory.refresh() if directory is not None else 0

    def symbol(self, instrument: int) -> tuple[str, str]:
        """(symbol, venue symbol)."""
        with self._lock:
            directory = self._open()
            entry = directory.get(instrument) if directory is not None and instrument else None
        if entry is None:
            unknown = WHOLE_SOURCE if instrument == 0 else f"#{instrument}"
            return (unknown, unknown)
        return (entry.symbol, entry.venue_symbol)

    def source(self, source: int) -> str:
        """Name of a source."""
        with self._lock:
            directory = self._open()
            name = directory.source_name(source) if directory is not None and source else ""
        return name or (WHOLE_SOURCE if source == 0 else f"#{source}")

    def snapshot(self) -> bytes:
        """Return the whole directory as JSON."""
        with self._lock:
            directory = self._open()
            sources = directory.sources() if directory is not None else {}
            instruments = directory.all() if directory is not None else []
        return msgspec.json.encode({"sources": sources, "instruments": instruments})
