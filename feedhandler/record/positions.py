"""Durable positions of journal readers: `<journal>/positions/<reader>.json`, replaced atomically.

A position is, per ring, the (epoch, seq) of the last record a reader has finished with. Sinks whose
position commits together with their own data keep it there; this is for all others, and for retention.
"""

from pathlib import Path

import msgspec

from feedhandler.record.files import replace_file
from feedhandler.record.format import JournalError

Position = tuple[int, int]  # (epoch, seq); (0, 0) = from the beginning


class Positions:
    """One reader's positions. commit() is durable when it returns; OSError where the disk refuses."""

    def __init__(self, journal_dir: Path, reader: str) -> None:
        if not reader or "/" in reader or reader.startswith("."):
            raise JournalError(f"a reader's name is a file name, got {reader!r}")
        self.path = journal_dir / "positions" / f"{reader}.json"

    def load(self) -> dict[str, Position]:
        """Return committed positions by ring; empty where the reader is new."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=dict[str, Position])
        except FileNotFoundError:
            return {}
        except msgspec.DecodeError as error:
            raise JournalError(f"{self.path}: {error}") from None

    def commit(self, positions: dict[str, Position]) -> None:
        """Replace all positions at once."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.path, msgspec.json.encode(positions))


def readers(journal_dir: Path) -> list[str]:
    """Readers with a position in this journal."""
    return sorted(path.stem for path in (journal_dir / "positions").glob("*.json"))
