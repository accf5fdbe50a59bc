"""The failures that callers are expected to handle. Everything else is a bug and may end the process."""


class FeedhandlerError(Exception):
    """Base of all failures that feedhandler raises on purpose."""


class ConfigError(FeedhandlerError):
    """The configuration cannot be used: one line naming file, key, value and what was expected.

    Raised at start only; a process answers with the line on stderr and exit code 2.
    """

    def __init__(self, file: object, key: str, got: str, expected: str) -> None:
        place = f"{file}: {key}: " if key else f"{file}: "
        super().__init__(f"{place}got {got}, expected {expected}")
        self.file = str(file)
        self.key = key
        self.got = got
        self.expected = expected

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by parts: the message is made of them."""
        return (ConfigError, (self.file, self.key, self.got, self.expected))


class UsageError(FeedhandlerError):
    """A command was asked for what it cannot be asked for: exit code 2, as for an option that does not exist."""


class ControlError(FeedhandlerError):
    """A control request was refused, or nobody answered in time."""


class AlreadyRunningError(FeedhandlerError):
    """Another living process owns what this one wanted to own: a run directory, a socket, a ring."""


class SegmentError(FeedhandlerError, RuntimeError):
    """A shared memory segment (ring, board, directory, counters, clock, wait page) cannot be used.

    The message is one line: its path, what is wrong, what to do about it. The types are those of shm/errors.hpp, which
    raises them. Raised where segments are made and attached, never by reading what is attached: a reader that attaches
    and follows by itself raises them from its reads.
    """

    def __init__(self, path: str, why: str, number: int = 0) -> None:
        super().__init__(path, why, number)
        self.path = path
        self.why = why
        self.number = number
        if isinstance(self, OSError):
            OSError.__init__(self, number, why, path)

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by parts."""
        return (type(self), (self.path, self.why, self.number))


class SegmentMissingError(SegmentError, FileNotFoundError):
    """There is no such segment, or nobody has finished making it. Worth another try."""


class SegmentDeniedError(SegmentError, PermissionError):
    """It is not for this user to open, or to make."""


class SegmentDamagedError(SegmentError):
    """Not a segment of this kind, or not a whole one: truncated, foreign, zero-filled, contradicting its length."""


class SegmentVersionError(SegmentError):
    """Ours and whole, but of a layout that this release does not read; `number` is the version found."""


class SegmentBusyError(SegmentError, AlreadyRunningError):
    """Another living process writes it; `number` is its pid, 0 where that is unknown."""


class SegmentSpaceError(SegmentError, OSError):
    """There is no room for it: memory, disk, or the right to lock so much."""


class SegmentFullError(SegmentError):
    """It takes no more: the instrument directory holds what it can."""


class LostError(FeedhandlerError):
    """Records of a ring were overwritten, or whole epochs unlinked, before they were read. Raised once for each loss.

    Books built from the rings in `by_ring` are wrong until a snapshot. The next read goes on behind the loss.
    """

    def __init__(self, ring: str, lost: int, epochs_gone: bool, by_ring: dict[str, int]) -> None:
        super().__init__(ring, lost, epochs_gone, by_ring)
        self.ring = ring
        """Its name; of several, joined by commas."""
        self.lost = lost
        """Records. Where `epochs_gone`, the least that it can have been: nobody knows how many those epochs had."""
        self.epochs_gone = epochs_gone
        self.by_ring = by_ring
        """{name of the ring: records lost}."""

    def __str__(self) -> str:
        least = "at least " if self.epochs_gone else ""
        return f"{self.ring}: lost {least}{self.lost:,} records before they were read"


class BoardError(FeedhandlerError, RuntimeError):
    """A row cannot be had; what is wrong with a whole board is a SegmentError."""


class NoRowError(BoardError, LookupError):
    """The board has no row for this id: it was made for fewer instruments."""


class TornRowError(BoardError):
    """The writer died inside this row, or stands still in it. The other rows can be read."""
