"""How the kernel runs this process: core, priority, scheduler slice, death of the parent.

Nothing here fails a start: what this machine refuses is returned as a sentence to be logged once.
"""

import ctypes
import errno
import os
import platform
import signal
import struct
from typing import TYPE_CHECKING

from feedhandler import config_rules

if TYPE_CHECKING:
    from feedhandler.config import Config, Scheduling

PARENT_VARIABLE = "FEEDHANDLER_PARENT"
"""Set to its pid by a process that starts others: they end when it does, however that ends."""

_PR_SET_PDEATHSIG = 1
_SCHED_OTHER = 0
# struct sched_attr: size, policy, flags, nice, priority, runtime, deadline, period, util_min, util_max.
_SCHED_ATTR = struct.Struct("=IIQiIQQQII")
_SYSCALLS = {"x86_64": (314, 315), "aarch64": (274, 275)}  # sched_setattr, sched_getattr

_libc = ctypes.CDLL(None, use_errno=True)


def usable_cores() -> list[int]:
    """Return the cores this process may run on."""
    return sorted(os.sched_getaffinity(0))


def wait_policy(config: "Config", configured: str) -> tuple[str, str]:
    """Return (policy, why not the configured one or ""): spinning needs a core for every busy process."""
    busy = sum(1 for _ in config_rules.schedules(config))
    cores = len(usable_cores())
    if configured == "park" or cores >= busy:
        return configured, ""
    return "park", f"{busy} busy processes share {cores} cores: wait = park instead of {configured}"


def apply(schedule: "Scheduling") -> list[str]:
    """Give the calling thread, and all threads it starts later, its core, priority and slice.

    Returns a sentence for each that this machine or our rights do not allow.
    """
    refused = []
    if schedule.core is not None:
        try:
            os.sched_setaffinity(0, {schedule.core})
        except OSError as error:
            refused.append(f"not pinned to core {schedule.core}: {error.strerror}; cores here: {usable_cores()}")
    if schedule.priority is not None:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, schedule.priority)
        except OSError as error:
            refused.append(f"priority {schedule.priority} not set: {error.strerror}; it needs CAP_SYS_NICE")
    if schedule.realtime is not None:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(schedule.realtime))
        except OSError as error:
            refused.append(f"realtime {schedule.realtime} not set: {error.strerror}; it needs CAP_SYS_NICE or rtprio")
    elif schedule.slice_us is not None:
        try:
            set_slice_ns(schedule.slice_us * 1000)
        except OSError as error:
            refused.append(f"scheduler slice of {schedule.slice_us} us not set: {error.strerror}")
    return refused


def set_slice_ns(slice_ns: int) -> None:
    """Ask the scheduler for a slice of its own for the calling thread (Linux 6.12 and later).

    A short slice makes the kernel run a thread that wakes sooner, at no higher share of the CPU. The kernel
    clamps it to 0.1 .. 100 ms. Raises OSError where the kernel has no such thing.
    """
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    fields = (_SCHED_ATTR.size, _SCHED_OTHER, 0, nice, 0, slice_ns, 0, 0, 0, 0)
    attributes = ctypes.create_string_buffer(_SCHED_ATTR.pack(*fields))
    _syscall(0, attributes, 0)
    if slice_of_this_thread_ns() != slice_ns:
        raise OSError(errno.EOPNOTSUPP, "this kernel takes no slice for SCHED_OTHER")


def slice_of_this_thread_ns() -> int:
    """Return the calling thread's scheduler slice, ns; 0 where the kernel does not tell."""
    attributes = ctypes.create_string_buffer(_SCHED_ATTR.size)
    _syscall(1, attributes, _SCHED_ATTR.size, 0)
    return int(_SCHED_ATTR.unpack(attributes.raw)[5])


def _syscall(which: int, attributes: "ctypes.Array[ctypes.c_char]", *rest: int) -> None:
    numbers = _SYSCALLS.get(platform.machine())
    if numbers is None:
        raise OSError(errno.ENOSYS, "no sched_setattr on this machine")
    if _libc.syscall(numbers[which], 0, attributes, *rest) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def as_child() -> dict[str, str]:
    """Return the environment for a process that shall end with this one."""
    return {**os.environ, PARENT_VARIABLE: str(os.getpid())}


def die_with_parent() -> bool:
    """Have the kernel send SIGTERM when the thread that started this process ends, if that asked for it (`as_child`).

    Returns False where the parent is gone already: then the caller ends at once.
    """
    parent = os.environ.get(PARENT_VARIABLE)
    if not parent:
        return True
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    return os.getppid() == int(parent)
