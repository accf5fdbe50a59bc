"""The only place where Python reads a clock."""

from pathlib import Path

from feedhandler import _native

monotonic_ns = _native.monotonic_ns
"""CLOCK_MONOTONIC, ns: for intervals, timers and heartbeats."""


class Clock:
    """Realtime ns on the offset that all processes of this host share (`<shm_dir>/clock`)."""

    def __init__(self, shm_dir: str | Path, placement: _native.Placement | None = None) -> None:
        Path(shm_dir).mkdir(parents=True, exist_ok=True)
        self._shared = _native.SharedClock(str(shm_dir), placement or _native.Placement())

    def now_ns(self) -> int:
        """Return ns since the Unix epoch: CLOCK_MONOTONIC plus the shared offset, so it never runs back."""
        return self._shared.now_ns()

    @property
    def offset_ns(self) -> int:
        """The shared offset: realtime minus monotonic, ns."""
        return self._shared.offset_ns

    def follow(self, tolerance_ns: int = 50_000_000) -> int:
        """Adopt a stepped realtime clock; return the step in ns, 0 if there was none beyond the tolerance."""
        return self._shared.follow(tolerance_ns)


def now_ns() -> int:
    """Return CLOCK_REALTIME, ns since the Unix epoch, for processes that share no rings."""
    return _native.realtime_ns()
