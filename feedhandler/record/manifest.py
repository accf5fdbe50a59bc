"""The manifest of a Parquet folder: which files count, and up to where the journal is in them.

`_manifest.json` is replaced atomically; that rename is the commit. It holds the positions and the newest
commits; older ones stand in sealed lists `_manifest/<n>.json` that never change, so a commit stays cheap.

    {"version": 1, "commits": 12, "rows": 600000, "positions": {"handler1": [epoch, seq]},
     "sealed": ["00000001.json"],
     "recent": [{"commit": 12, "ranges": [[ring, epoch, first, last], ...],
                 "gaps": [[ring, epoch, first, last, reason], ...],
                 "files": [{"path": ..., "rows": ..., "ticks": ..., "bytes": ..., "min_ts": ..., "max_ts": ...}]}]}
"""

from pathlib import Path

import msgspec

from feedhandler.record.files import replace_file
from feedhandler.record.positions import Position
from feedhandler.record.sink import SinkError

VERSION = 1
SEAL_COMMITS = 500  # commits in `recent` before they are sealed
NAME = "_manifest.json"
SEALED = "_manifest"


class DataFile(msgspec.Struct, frozen=True):
    """One file; `path` relative to the folder, rows and ticks counted, times ts_recv in ns."""

    path: str
    rows: int
    ticks: int
    bytes: int
    min_ts: int
    max_ts: int


class Commit(msgspec.Struct, frozen=True):
    """What one commit brought: seq ranges taken from the journal, ranges named as lost, files."""

    commit: int
    ranges: list[tuple[str, int, int, int]]
    gaps: list[tuple[str, int, int, int, str]]
    files: list[DataFile]


class State(msgspec.Struct):
    """The manifest's content."""

    version: int = VERSION
    commits: int = 0
    rows: int = 0
    positions: dict[str, Position] = msgspec.field(default_factory=dict)
    sealed: list[str] = msgspec.field(default_factory=list)
    recent: list[Commit] = msgspec.field(default_factory=list)


def load(folder: Path) -> State:
    """Read the manifest; an empty one where there is none. Raises SinkError where it is damaged."""
    path = folder / NAME
    try:
        state = msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return State()
    except msgspec.DecodeError as error:
        raise SinkError(f"{path}: {error}") from None
    if state.version != VERSION:
        raise SinkError(f"{path}: manifest version {state.version}, this software reads {VERSION}")
    return state


def store(folder: Path, state: State) -> None:
    """Replace the manifest: the commit. Raises OSError and leaves the old one where the disk refuses."""
    if len(state.recent) >= SEAL_COMMITS:
        name = f"{state.commits:012d}.json"
        replace_file(folder / SEALED / name, msgspec.json.encode(state.recent))
        state.sealed = [*state.sealed, name]
        state.recent = []
    replace_file(folder / NAME, msgspec.json.encode(state))


def commits(folder: Path, state: State) -> list[Commit]:
    """Return every commit, oldest first, sealed ones included."""
    found: list[Commit] = []
    for name in state.sealed:
        found += msgspec.json.decode((folder / SEALED / name).read_bytes(), type=list[Commit])
    return found + state.recent
