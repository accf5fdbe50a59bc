"""A reader that follows one ring's journal while it is being written: the way of every sink."""

from pathlib import Path
from typing import TYPE_CHECKING

from feedhandler.record.format import HEADER_BYTES, SUFFIX, UNKNOWN_SEQ, BlockType, GapReason
from feedhandler.record.journal import NO_RECORDS, Block, open_segment, raw_to_block, trim
from feedhandler.record.positions import Position

if TYPE_CHECKING:
    from feedhandler.record.scan import SegmentReader


class JournalCursor:
    """Reads on from a position, over segments and epochs, never past a limit. One thread."""

    def __init__(self, root: Path, ring: str, position: Position) -> None:
        self._folder = root / ring
        self._ring = ring
        self.position = position
        self._reader: SegmentReader | None = None
        self._offset = 0

    def read(self, records_max: int, limit: Position) -> Block | None:
        """Return the next records (at most `records_max`) or gap up to `limit` (epoch, seq), or None.

        Damaged or missing ranges come as gaps. A block is given once: `position` is then its end.
        """
        while self.position < limit:
            block = self._next() if self._reader is not None or self._open_first() else None
            if block is None:
                if self._open_following() or self._next_epoch(limit):
                    continue
                return None
            last = limit[1] if block.epoch == limit[0] else UNKNOWN_SEQ
            if block.gap is None:
                last = min(last, self.position[1] + records_max)
            cut = trim(block, self.position[1] + 1, last, None, None)
            if cut is None:
                return None
            self.position = (cut.epoch, cut.last)
            return cut
        return None

    def _paths(self) -> list[Path]:
        return sorted((self._folder / str(self.position[0])).glob("*" + SUFFIX))

    def _use(self, paths: list[Path]) -> bool:
        """Open the first usable segment of `paths`; the range of one that is not turns up as MISSING."""
        for path in paths:
            reader = open_segment(path)
            if reader is not None:
                self._reader, self._offset = reader, HEADER_BYTES
                return True
        return False

    def _open_first(self) -> bool:
        """Open the segment that holds the seq after the position."""
        paths = self._paths()
        before = [path for path in paths if int(path.stem) <= self.position[1] + 1]
        return self._use(before[-1:] + paths[len(before) :])

    def _open_following(self) -> bool:
        """Open the segment after the one that has been read to its end."""
        if self._reader is None:
            return False
        first = self._reader.header.first_seq
        return self._use([path for path in self._paths() if int(path.stem) > first])

    def _next_epoch(self, limit: Position) -> bool:
        """Go on with the next epoch: epochs are written one after the other, so this one is at its end."""
        names = (path.name for path in self._folder.glob("*"))
        later = sorted(int(name) for name in names if name.isdigit() and self.position[0] < int(name) <= limit[0])
        if not later:
            return False
        self.position, self._reader = (later[0], 0), None
        return True

    def _next(self) -> Block | None:
        """Return the block that holds the seq after the position, None at the segment's end."""
        reader, wanted = self._reader, self.position[1] + 1
        reason = GapReason.MISSING
        while reader is not None:
            raw = reader.block_at(self._offset)
            if raw is None:
                following = reader.resync(self._offset)
                if following is None:
                    return None
                self._offset, reason = following, GapReason.CORRUPT
                continue
            starts = raw.header.first if raw.header.type < BlockType.INDEX else raw.header.last + 1
            if starts > wanted:
                return Block(self._ring, self.position[0], wanted, starts - 1, NO_RECORDS, reason)
            if raw.header.type <= BlockType.GAP and raw.header.last >= wanted:
                return raw_to_block(self._ring, self.position[0], raw)
            if raw.header.type == BlockType.END:
                return None
            self._offset = raw.end
        return None
