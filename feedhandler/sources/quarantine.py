"""The quarantine file: raw bytes of what could not be represented, for people to look at.

Entry: one line of JSON (time, source, reason, length, kept) ended by a newline, then the kept bytes and a
newline. Bounded: two files of at most half the cap, the older one replaced; what is thrown away is counted.
"""

from pathlib import Path

import msgspec

BYTES_MAX = 64 * 1024 * 1024


class Quarantine:
    """One file a source, `<folder>/<source>.quarantine` and its predecessor `.1`. One process at a time."""

    def __init__(self, folder: str | Path, source: str, bytes_max: int = BYTES_MAX) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.path = Path(folder) / f"{source}.quarantine"
        self.written = 0
        self.rotated = 0
        self.failed = 0
        self._source = source
        self._half = bytes_max // 2
        self._file = self.path.open("ab", buffering=0)

    def add(self, ts_recv: int, why: str, total: int, kept: bytes) -> None:
        """Append one entry. A full disk is counted in `failed`, never raised: the feed goes on."""
        head = {"ts_recv": ts_recv, "source": self._source, "why": why, "bytes": total, "kept": len(kept)}
        entry = msgspec.json.encode(head) + b"\n" + kept + b"\n"
        try:
            if self._file.tell() > 0 and self._file.tell() + len(entry) > self._half:
                self._rotate()
            self._file.write(entry)
        except OSError:
            self.failed += 1
            return
        self.written += 1

    def _rotate(self) -> None:
        self._file.close()
        self.path.replace(self.path.with_suffix(".quarantine.1"))
        self._file = self.path.open("ab", buffering=0)
        self.rotated += 1

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read(path: str | Path) -> list[tuple[dict[str, object], bytes]]:
    """Return (head, kept bytes) of each whole entry of a quarantine file."""
    data = Path(path).read_bytes()
    entries: list[tuple[dict[str, object], bytes]] = []
    position = 0
    while (end := data.find(b"\n", position)) >= 0:
        head = msgspec.json.decode(data[position:end], type=dict[str, object])
        begin, length = end + 1, int(str(head["kept"]))
        if begin + length >= len(data):
            break
        entries.append((head, data[begin : begin + length]))
        position = begin + length + 1
    return entries
