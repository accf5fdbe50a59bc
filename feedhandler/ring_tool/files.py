"""Ring files by name or by path."""

from pathlib import Path
from typing import Any

from feedhandler import _native
from feedhandler.errors import FeedhandlerError
from feedhandler.ring_tool.place import Place


def ring_files(shm_dir: Path, ring: str) -> list[Path]:
    """Return the files of a ring's epochs, the oldest first."""
    return [shm_dir / f"{ring}.{epoch}" for epoch in _native.ring_epochs(str(shm_dir), ring)]


def newest(shm_dir: Path, ring: str) -> Path:
    """Return the file of a ring's newest epoch. Raises FeedhandlerError where there is none."""
    files = ring_files(shm_dir, ring)
    if files:
        return files[-1]
    rings = sorted({path.name.partition(".")[0] for path in shm_dir.glob("*.wait")})
    raise FeedhandlerError(f"{shm_dir}/{ring}: no such ring; there are {', '.join(rings) or 'none'}")


def chosen(place: Place, ring: str, epoch: int | None) -> Path:
    """Return the file that RING and --epoch name: RING is a name, or the path of a file. Raises FeedhandlerError."""
    if "/" in ring:
        if not Path(ring).is_file():
            raise FeedhandlerError(f"{ring}: no such file")
        return Path(ring)
    if epoch is None:
        return newest(place.shm_dir, ring)
    path = place.shm_dir / f"{ring}.{epoch}"
    if not path.exists():
        held = ", ".join(str(_native_epoch(each)) for each in ring_files(place.shm_dir, ring)) or "none"
        raise FeedhandlerError(f"{path}: no such epoch; held are {held}")
    return path


def open_file(path: Path) -> Any:
    """Return the file mapped. Raises FeedhandlerError where it is no ring of this version, or may not be read."""
    try:
        return _native.RingFile(str(path))
    except (OSError, RuntimeError) as error:
        if isinstance(error, FeedhandlerError):
            raise
        raise FeedhandlerError(f"{path}: {error}") from None


def _native_epoch(path: Path) -> int:
    return int(path.name.rpartition(".")[2])
