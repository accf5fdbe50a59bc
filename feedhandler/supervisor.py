"""`feedhandler run CONFIG`: handler, conflator, bridge and recorder as processes of their own.

Also an object for programs that want the whole system inside their own loop:

    supervisor = Supervisor("feedhandler.toml")
    supervisor.start()
    while ...:
        supervisor.poll(0.1)      # restarts what died, serves <run_dir>/supervisor.ctl
    supervisor.stop()             # handlers, conflator, bridge, recorder, in this order
"""

import fcntl
import os
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

import psutil
import zmq

from feedhandler import clock, config, config_rules, limits, logs, placement, scheduling
from feedhandler.control import ControlServer
from feedhandler.errors import AlreadyRunningError
from feedhandler.supervision import Action, Child, ChildState, SupervisorState

# The recorder goes last, so that it drains what the others still wrote.
STAGES = {"handler": 0, "conflator": 1, "bridge": 2, "recorder": 3}
_CONTROL_NAME = "supervisor"


class Supervisor:
    """Starts and keeps alive the processes of one configuration.

    Construct and call it on one thread, the one that lives as long as the processes shall: the kernel ends
    them (SIGTERM) when that thread ends, however it ends. With `log_dir` each process's stderr is appended
    to `<log_dir>/<name>.log`; without, it is ours. Raises ConfigError for a configuration that cannot work,
    AlreadyRunningError where another supervisor owns the run directory.
    """

    def __init__(self, path: str | Path, *, log_dir: str | Path | None = None, log: Any = None) -> None:
        self.path = Path(path).resolve()
        self.config = config.load(path)
        self._placed = placement.of(path, self.config)
        self.log = log or logs.configure(_CONTROL_NAME, self.config.feedhandler.log_level)
        self.state = SupervisorState(_children(self.config))
        self._log_dir = Path(log_dir) if log_dir is not None else None
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._pidfds: dict[str, int] = {}
        self._past_cpu_s = dict.fromkeys(self.state.children, 0.0)
        self._started_ns = 0
        self._owned = ExitStack()
        self._wake_read, self.wake_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._owned.callback(self._close_pipe)
        self.control: ControlServer | None = None

    def start(self) -> None:
        """Take the run directory and start every process."""
        general = self.config.feedhandler
        placement.make_folder(general.shm_dir, self._placed)
        for folder in (general.state_dir, general.run_dir, self._log_dir):
            if folder is not None:
                Path(folder).mkdir(parents=True, exist_ok=True)
        with self._owned:
            self._take_lock(Path(general.run_dir) / "supervisor.lock")
            path = general.control_path(_CONTROL_NAME)
            self.control = ControlServer(path, name=_CONTROL_NAME, log=self.log)
            self._owned.callback(self.control.close)
            self.control.status_fn = self.status
            self.control.stop_fn = self.request_stop
            self._owned = self._owned.pop_all()
        self._started_ns = clock.monotonic_ns()
        self.poll()

    def _take_lock(self, path: Path) -> None:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._owned.callback(os.close, fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(fd, 32).decode(errors="replace").strip() or "unknown"
            raise AlreadyRunningError(f"{path.parent}: a supervisor runs here already, pid {owner}") from None
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())

    def poll(self, timeout_s: float = 0.0) -> None:
        """Reap, restart and serve control; wait at most `timeout_s` for something to do."""
        self._reap()
        self._act()
        self._wait(timeout_s)
        self._reap()
        self._act()
        if self.control is not None:
            self.control.poll()

    def _wait(self, timeout_s: float) -> None:
        timer = self.state.next_timer_ns()
        if timer is not None:
            timeout_s = min(timeout_s, max(0.0, (timer - clock.monotonic_ns()) / 1e9))
        if timeout_s <= 0 or self.state.finished:
            return
        poller = zmq.Poller()
        for fd in self._pidfds.values():
            poller.register(fd, zmq.POLLIN)
        if self.control is not None:
            poller.register(self.control.socket, zmq.POLLIN)
        poller.register(self._wake_read, zmq.POLLIN)
        poller.poll(int(timeout_s * 1000) + 1)
        with suppress(BlockingIOError):
            os.read(self._wake_read, 4096)

    def _act(self) -> None:
        for action in self.state.poll(clock.monotonic_ns()):
            if action.what == "start":
                self._spawn(action.child)
            else:
                self._signal(action)

    def command(self, child: Child) -> list[str]:
        """Return the command line of a process."""
        return [sys.executable, "-m", f"feedhandler.{child.kind}", "--config", str(self.path), "--name", child.name]

    def _spawn(self, child: Child) -> None:
        environment = scheduling.as_child()
        with ExitStack() as stack:
            stderr = None
            if self._log_dir is not None:
                stderr = stack.enter_context((self._log_dir / f"{child.name}.log").open("ab"))
            # A group of its own: Ctrl-C reaches the supervisor alone, which then stops all in order.
            try:
                process = subprocess.Popen(
                    self.command(child), env=environment, stdin=subprocess.DEVNULL, stderr=stderr, process_group=0
                )
            except OSError as error:
                self.log.warning("process not started", name=child.name, why=str(error))
                self.state.started(child.name, 0, clock.monotonic_ns())
                self.state.exited(child.name, limits.EXIT_FAILED, clock.monotonic_ns())
                return
        self._processes[child.name] = process
        self._pidfds[child.name] = os.pidfd_open(process.pid)
        self.state.started(child.name, process.pid, clock.monotonic_ns())
        self.log.info("process started", name=child.name, pid=process.pid, restarts=child.restarts)

    def _signal(self, action: Action) -> None:
        process = self._processes.get(action.child.name)
        if process is None:
            return
        if action.what == "kill":
            self.log.error("process does not end: killed", name=action.child.name, pid=process.pid)
            process.kill()
        else:
            process.terminate()

    def _reap(self) -> None:
        for name, process in list(self._processes.items()):
            try:
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            except ChildProcessError:
                pid, status, usage = process.pid, 0, None
            if pid == 0:
                continue
            code = os.waitstatus_to_exitcode(status)
            process.returncode = code  # it is reaped: Popen must not wait for the pid again
            del self._processes[name]
            os.close(self._pidfds.pop(name))
            self._past_cpu_s[name] += usage.ru_utime + usage.ru_stime if usage else 0.0
            self._note_exit(name, pid, code)

    def _note_exit(self, name: str, pid: int, code: int) -> None:
        now_ns = clock.monotonic_ns()
        child = self.state.children[name]
        expected = child.state is ChildState.STOPPING and code == 0
        uptime_s = (now_ns - child.started_ns) / 1e9
        self.state.exited(name, code, now_ns)
        facts: dict[str, Any] = {"name": name, "pid": pid, "how": child.last_exit, "uptime_s": round(uptime_s, 3)}
        if child.state is ChildState.WAITING:
            facts["restart_in_s"] = (child.start_at_ns - now_ns) / 1e9
        (self.log.info if expected else self.log.warning)("process ended", **facts)

    def status(self) -> dict[str, Any]:
        """Return uptime and, for each process, pid, state, restarts, uptime, memory and CPU time."""
        now_ns = clock.monotonic_ns()
        processes = {name: self._child_status(child, now_ns) for name, child in self.state.children.items()}
        uptime_s = (now_ns - self._started_ns) / 1e9 if self._started_ns else 0.0
        facts = {"config": str(self.path), "pid": os.getpid(), "uptime_s": uptime_s}
        return {**facts, "stopping": self.state.stopping, "processes": processes}

    def _child_status(self, child: Child, now_ns: int) -> dict[str, Any]:
        rss_bytes, cpu_s = 0, self._past_cpu_s[child.name]
        # A child that ends between the look at its pid and this one has no figures: then only the past counts.
        with suppress(psutil.Error):
            if child.pid:
                process = psutil.Process(child.pid)
                times = process.cpu_times()
                rss_bytes, cpu_s = process.memory_info().rss, cpu_s + times.user + times.system
        return {
            "kind": child.kind,
            "pid": child.pid,
            "state": child.state.value,
            "restarts": child.restarts,
            "uptime_s": (now_ns - child.started_ns) / 1e9 if child.pid else 0.0,
            "rss_bytes": rss_bytes,
            "cpu_s": cpu_s,
            "last_exit": child.last_exit,
        }

    def request_stop(self) -> None:
        """Begin the ordered stop; `poll` carries it out. Safe in a signal handler."""
        if not self.state.stopping:
            self.log.info("stopping")
        self.state.stop()
        if self.wake_fd >= 0:
            with suppress(BlockingIOError):
                os.write(self.wake_fd, b"\0")

    def _close_pipe(self) -> None:
        write_end, self.wake_fd = self.wake_fd, -1
        os.close(write_end)
        os.close(self._wake_read)

    def stop(self) -> int:
        """Stop everything in order, killing what outlives its limit; return the exit code. Safe to call twice."""
        self.request_stop()
        while not self.state.finished:
            self.poll(1.0)
        self._owned.close()
        self.control = None
        return self.state.exit_code

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()


def _children(settings: config.Config) -> list[Child]:
    result = []
    for name, _, section in config_rules.schedules(settings):
        kind = type(section).__name__.lower()
        limit = limits.SUPERVISOR_DRAIN_NS if kind == "recorder" else limits.SUPERVISOR_STOP_NS
        result.append(Child(name=name, kind=kind, stage=STAGES[kind], stop_limit_ns=limit))
    return result


def run(path: str | Path) -> int:
    """Run a configuration until SIGTERM, SIGINT, the control operation `stop` or a fatal child.

    Returns the exit code: 0 for a clean stop, 1 where something had to be killed, 2 for a bad configuration.
    Raises ConfigError and AlreadyRunningError before anything is started.
    """
    supervisor = Supervisor(path)
    signal.set_wakeup_fd(supervisor.wake_fd, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: supervisor.request_stop())
    supervisor.start()
    try:
        while not supervisor.state.stopping:
            supervisor.poll(1.0)
    finally:
        code = supervisor.stop()
    return code
