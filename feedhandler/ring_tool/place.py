"""Where the shared memory of a system lies: its folder, and that of its instrument directory."""

from pathlib import Path

import msgspec

from feedhandler.errors import FeedhandlerError, UsageError

SHM = Path("/dev/shm")  # noqa: S108 - shared memory is the point
PATTERN = "feedhandler-*"
DIRECTORY = "instruments.dir"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """`state_dir` is None where nobody named it: ids have no names then. `rings` are those of a configuration."""

    shm_dir: Path
    state_dir: Path | None = None
    rings: tuple[str, ...] = ()

    @property
    def directory(self) -> Path | None:
        """The instrument directory's file, None where it is not known or not there yet."""
        path = None if self.state_dir is None else self.state_dir / DIRECTORY
        return path if path is not None and path.exists() else None


def find(
    *, config: Path | None = None, shm_dir: Path | None = None, state_dir: Path | None = None, root: Path = SHM
) -> Place:
    """Return the place that the options name; without any the only one on this host.

    Raises ConfigError for a bad configuration, UsageError where there is no choice or more than one, FeedhandlerError
    where the folder is not there.
    """
    rings: tuple[str, ...] = ()
    if config is not None:
        from feedhandler.config import load  # noqa: PLC0415 - not needed with a folder

        loaded = load(config, check_host=False)
        rings = (*(handler.name for handler in loaded.handler), "derived")
        shm_dir = shm_dir or Path(loaded.feedhandler.shm_dir)
        state_dir = state_dir or Path(loaded.feedhandler.state_dir)
    if shm_dir is None:
        shm_dir = _only(root)
    if not shm_dir.is_dir():
        raise FeedhandlerError(f"{shm_dir}: no such folder: nothing of this system has run since the last reboot")
    if state_dir is not None and not state_dir.is_dir():
        raise FeedhandlerError(f"{state_dir}: no such folder")
    return Place(shm_dir=shm_dir, state_dir=state_dir, rings=rings)


def _only(root: Path) -> Path:
    found = sorted(path for path in root.glob(PATTERN) if path.is_dir())
    if len(found) == 1:
        return found[0]
    there = ", ".join(map(str, found)) or f"no {root / PATTERN}"
    raise UsageError(f"which shared memory? there is {there}; give --config FILE or --shm-dir DIR")
