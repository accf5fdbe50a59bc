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


class ControlError(FeedhandlerError):
    """A control request was refused, or nobody answered in time."""


class AlreadyRunningError(FeedhandlerError):
    """Another living process owns what this one wanted to own: a run directory, a socket."""


class BoardError(FeedhandlerError, RuntimeError):
    """The file is no board of this version; or one of the two below."""


class NoRowError(BoardError, LookupError):
    """The board has no row for this id: it was made for fewer instruments."""


class TornRowError(BoardError):
    """The writer died inside this row, or stands still in it. The other rows can be read."""
