"""What waiting costs on this host: measured, between real processes, in a second or so each."""

import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

from feedhandler import _native, clock
from feedhandler.errors import FeedhandlerError
from feedhandler.tick import TICK, Flag, Kind

_TIMER_NS = 100_000
_WAKE_PAUSE_NS = 300_000  # long enough for the reader to be parked again
_CLOCK_MONOTONIC = 1
_libc = ctypes.CDLL(None, use_errno=True)


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def measure(seconds: float = 1.0) -> dict[str, dict[str, Any]]:
    """Return {measurement: {what, p50, p99, max, ... in ns}}; each takes about `seconds`."""
    measurements: dict[str, Callable[[float], dict[str, Any]]] = {
        "wake_ns": wake,
        "timer_overshoot_ns": timer_overshoot,
        "pipe_round_trip_ns": pipe_round_trip,
        "system_call_ns": system_call,
    }
    return {name: function(seconds) for name, function in measurements.items()}


def _summary(what: str, samples: list[int]) -> dict[str, Any]:
    p50, p99 = np.percentile(samples, [50, 99])
    return {"p50": int(p50), "p99": int(p99), "max": max(samples), "samples": len(samples), "what": what}


def timer_overshoot(seconds: float) -> dict[str, Any]:
    """Sleep 100 us again and again: how much later than asked the sleeper runs."""
    request = _Timespec(0, _TIMER_NS)
    samples: list[int] = []
    end = clock.monotonic_ns() + int(seconds * 1e9)
    while (before := clock.monotonic_ns()) < end or not samples:
        _libc.clock_nanosleep(_CLOCK_MONOTONIC, 0, ctypes.byref(request), None)
        samples.append(clock.monotonic_ns() - before - _TIMER_NS)
    return _summary("clock_nanosleep of 100 us: time beyond it", samples)


def system_call(seconds: float) -> dict[str, Any]:
    """Time os.getppid against a Python function that makes no system call: the difference is the kernel's."""
    calls = 20_000
    differences: list[int] = []
    end = clock.monotonic_ns() + int(seconds * 1e9)
    while clock.monotonic_ns() < end or not differences:
        with_call = _time_calls(os.getppid, calls)
        differences.append(max(0, (with_call - _time_calls(_nothing, calls)) // calls))
    return _summary("getppid() less an empty call, mean of 20,000", differences)


_nothing = object().__hash__


def _time_calls(function: Callable[[], Any], calls: int) -> int:
    before = clock.monotonic_ns()
    for _ in range(calls):
        function()
    return clock.monotonic_ns() - before


_ECHO = """
import os
while byte := os.read(0, 1):
    os.write(1, byte)
"""


def pipe_round_trip(seconds: float) -> dict[str, Any]:
    """Send a byte to another process and back: two wakes and four system calls."""
    command = [sys.executable, "-S", "-c", _ECHO]
    samples: list[int] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as echo:
        assert echo.stdin is not None
        assert echo.stdout is not None
        there, back = echo.stdin.fileno(), echo.stdout.fileno()
        os.write(there, b".")
        os.read(back, 1)  # the other one is up
        end = clock.monotonic_ns() + int(seconds * 1e9)
        while (before := clock.monotonic_ns()) < end or not samples:
            os.write(there, b".")
            os.read(back, 1)
            samples.append(clock.monotonic_ns() - before)
        echo.stdin.close()
    return _summary("a byte to another process and back through pipes", samples)


_READER = """
import sys
import numpy as np
from feedhandler import _native, clock
from feedhandler.ring import aligned_records
reader = _native.RingReader(sys.argv[1], "doctor")
assert reader.attach() == _native.Attach.OK
buffer = aligned_records(16)
print("up", flush=True)
done = False
while not done:
    if not reader.wait(_native.WaitPolicy.PARK, 5_000_000_000):
        break
    now = clock.monotonic_ns()
    count, _ = reader.read_into(buffer.view(np.uint8))
    for record in buffer[:count]:
        done = record["ref"] == 0
        if not done:
            print(now - record["ref"].item())
"""


def wake(seconds: float) -> dict[str, Any]:
    """Publish into a ring on which another process is parked: from before the publication to awake (futex)."""
    with tempfile.TemporaryDirectory(prefix="feedhandler-doctor-", dir="/dev/shm") as folder:
        writer = _native.RingWriter(folder, folder, "doctor", 1024)
        command = [sys.executable, "-c", _READER, folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
            assert reader.stdout is not None
            reader.stdout.readline()
            record = np.zeros(1, TICK)
            record["kind"] = Kind.EVENT
            record["flags"] = Flag.LAST
            pause = _Timespec(0, _WAKE_PAUSE_NS)
            end = clock.monotonic_ns() + int(seconds * 1e9)
            for _ in range(1_000_000):
                _libc.clock_nanosleep(_CLOCK_MONOTONIC, 0, ctypes.byref(pause), None)
                now_ns = clock.monotonic_ns()
                record["ref"] = now_ns if now_ns < end else 0
                writer.append(record.view(np.uint8))
                writer.publish(now_ns)
                if now_ns >= end:
                    break
            samples = [int(line) for line in reader.stdout.read().split()]
    if not samples:
        raise FeedhandlerError("the parked reader never woke")
    return _summary("ring: publish to awake in another process, parked", samples)
