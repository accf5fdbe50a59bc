"""A timer of microseconds on an event loop: uvloop's and asyncio's own round to milliseconds."""

import asyncio
import ctypes
import os
from collections.abc import Callable
from contextlib import suppress

_CLOCK_MONOTONIC = 1
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC  # TFD_NONBLOCK and TFD_CLOEXEC are these
_libc = ctypes.CDLL(None, use_errno=True)


class Timer:
    """Calls `expired` once, `arm`'s interval after `arm`. Linux timerfd; owned by the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self._fd: int = _libc.timerfd_create(_CLOCK_MONOTONIC, _FLAGS)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._expired = expired
        self._loop = loop
        self.armed = False
        loop.add_reader(self._fd, self._fire)

    def arm(self, after_ns: int) -> None:
        """Expire after `after_ns` (at least 1)."""
        seconds, nanoseconds = divmod(max(1, after_ns), 1_000_000_000)
        _libc.timerfd_settime(self._fd, 0, (ctypes.c_long * 4)(0, 0, seconds, nanoseconds), None)
        self.armed = True

    def close(self) -> None:
        """Give the descriptor back."""
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _fire(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._fd, 8)
        self.armed = False
        self._expired()
