"""What a supervisor decides, without processes and without a clock: start, restart, backoff, ordered stop.

Invariants: a child is started only when it is not running; stages stop one after the other, each within its
limit; after `stop` nothing is started any more.
"""

import signal
from collections.abc import Iterable
from enum import Enum
from typing import Literal

from msgspec import Struct

from feedhandler import limits


class ChildState(Enum):
    """Where a child stands."""

    WAITING = "waiting"  # to be started at `start_at_ns`
    RUNNING = "running"
    STOPPING = "stopping"  # asked to end, by `kill_at_ns` at the latest
    STOPPED = "stopped"  # and stays so


class Child(Struct):
    """One supervised process. `stage` is its turn in the ordered stop, 0 first."""

    name: str
    kind: str
    stage: int
    stop_limit_ns: int = limits.SUPERVISOR_STOP_NS
    state: ChildState = ChildState.WAITING
    pid: int = 0
    restarts: int = 0
    started_ns: int = 0
    start_at_ns: int = 0
    kill_at_ns: int = 0
    backoff_ns: int = limits.SUPERVISOR_BACKOFF_MIN_NS
    killed: bool = False
    last_exit: str = ""


class Action(Struct, frozen=True):
    """What the runner does next to a child."""

    what: Literal["start", "terminate", "kill"]
    child: Child


class SupervisorState:
    """Decides; its runner starts, signals and reaps, and reports back by `started` and `exited`."""

    def __init__(self, children: Iterable[Child]) -> None:
        self.children = {child.name: child for child in children}
        self.stopping = False
        self.exit_code = 0
        self._stage = -1

    @property
    def finished(self) -> bool:
        """Whether a stop was asked for and all children have ended."""
        return self.stopping and all(c.state is ChildState.STOPPED for c in self.children.values())

    def poll(self, now_ns: int) -> list[Action]:
        """Return what is due now. The runner does it before it polls again."""
        return self._poll_stopping(now_ns) if self.stopping else self._poll_running(now_ns)

    def _poll_running(self, now_ns: int) -> list[Action]:
        due = [c for c in self.children.values() if c.state is ChildState.WAITING and c.start_at_ns <= now_ns]
        return [Action("start", child) for child in due]

    def _poll_stopping(self, now_ns: int) -> list[Action]:
        actions = []
        for child in self.children.values():
            if child.state is ChildState.STOPPING and child.kill_at_ns <= now_ns and not child.killed:
                child.killed = True
                self.exit_code = self.exit_code or limits.EXIT_FAILED
                actions.append(Action("kill", child))
        while not actions and not self.finished and self._stage_is_over():
            self._stage = min(c.stage for c in self.children.values() if c.state is ChildState.RUNNING)
            for child in self.children.values():
                if child.stage == self._stage and child.state is ChildState.RUNNING:
                    child.state = ChildState.STOPPING
                    child.kill_at_ns = now_ns + child.stop_limit_ns
                    actions.append(Action("terminate", child))
        return actions

    def _stage_is_over(self) -> bool:
        return all(c.state is not ChildState.STOPPING for c in self.children.values())

    def started(self, name: str, pid: int, now_ns: int) -> None:
        """Take note that a child runs."""
        child = self.children[name]
        child.state = ChildState.RUNNING
        child.pid = pid
        child.started_ns = now_ns

    def exited(self, name: str, code: int, now_ns: int) -> None:
        """Take note that a child ended: `code` is its exit code, or minus the signal that ended it.

        Exit code 2 is a configuration that no restart will mend, so everything stops.
        """
        child = self.children[name]
        child.last_exit = describe_exit(code)
        child.pid = 0
        if self.stopping:
            child.state = ChildState.STOPPED
            return
        if now_ns - child.started_ns >= limits.SUPERVISOR_HEALTHY_NS:
            child.backoff_ns = limits.SUPERVISOR_BACKOFF_MIN_NS
        child.state = ChildState.WAITING
        child.restarts += 1
        child.start_at_ns = now_ns + child.backoff_ns
        child.backoff_ns = min(child.backoff_ns * 2, limits.SUPERVISOR_BACKOFF_MAX_NS)
        if code == limits.EXIT_CONFIG:
            self.exit_code = limits.EXIT_CONFIG
            self.stop()

    def stop(self) -> None:
        """Begin the ordered stop. Idempotent."""
        self.stopping = True
        for child in self.children.values():
            if child.state is ChildState.WAITING:
                child.state = ChildState.STOPPED

    def next_timer_ns(self) -> int | None:
        """Return when the next decision is due if nothing happens before; None for never."""
        starts = [c.start_at_ns for c in self.children.values() if c.state is ChildState.WAITING]
        kills = [c.kill_at_ns for c in self.children.values() if c.state is ChildState.STOPPING and not c.killed]
        return min(starts + kills, default=None)


def describe_exit(code: int) -> str:
    """Return an exit in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
