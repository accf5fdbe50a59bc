"""The whole system on one host: simulated venue, the four processes, measuring clients; each a real process.

Used by the demo, the end-to-end tests and the benchmarks.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
import psutil

from feedhandler import clock, control, scheduling
from feedhandler.config import load
from feedhandler.demo.tally import RingTally
from feedhandler.errors import ControlError, FeedhandlerError
from feedhandler.supervisor import Supervisor

START_TIMEOUT_S = 60.0
SOURCE = "simvenue"
HANDLER = "handler1"
PROCESSES = (HANDLER, "conflator", "bridge", "recorder")


class RigError(FeedhandlerError):
    """Something of the rig did not start, or ended when it should not have."""


class RigOptions(msgspec.Struct, kw_only=True):
    """What to run. `speed` 0 = flat out; `extra` = TOML lines by section name, added to the configuration.

    `wake_us`: the venue sends together what is due within this time; latency counts from the intended time still.
    `hold`: the flow starts with `begin()`, when the measuring clients are ready; else as soon as all is subscribed.
    """

    folder: Path
    rate: float = 20_000.0
    instruments: int = 1000
    seconds: float = 20.0
    seed: int = 1
    keying: str = "price"
    capture: Path | None = None
    speed: float = 1.0
    hold: bool = False
    wake_us: float = 100.0
    extra: dict[str, str] = {}


class Rig:
    """Start with `start()`, call `poll()` often, end with `close()`. One thread.

    Everything of a run lies in `folder` (emptied first) and in `/dev/shm/feedhandler-<folder name>-<pid>`.
    """

    def __init__(self, options: RigOptions) -> None:
        self.options = options
        self.folder = options.folder.resolve()
        self.shm_dir = Path("/dev/shm", f"feedhandler-{self.folder.name}")  # noqa: S108 - shared memory is the point
        self.run_dir = self.folder / "run"
        self.config_path = self.folder / "feedhandler.toml"
        self.bbo_log = self.folder / "venue.bbo"
        self.sim_control = self.run_dir / "simulator.ctl"
        self.sim: subprocess.Popen[bytes] | None = None
        self.clients: dict[str, subprocess.Popen[bytes]] = {}
        self.cpu_s: dict[str, float] = {}
        self.rss_mb: dict[str, float] = {}
        self.kills: list[tuple[float, str]] = []
        self.first_books: dict[str, Any] = {}

    def start(self) -> None:
        """Start the venue, the supervisor with its four processes, and wait until the bridge listens."""
        for folder in (self.folder, self.shm_dir):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        self.run_dir.mkdir()
        self._start_venue()
        self._write_config()
        self.supervisor = Supervisor(self.config_path, log_dir=self.folder / "logs")
        self.supervisor.start()
        self.tally = RingTally(self.shm_dir, HANDLER)
        self._wait_for(self.run_dir / "bridge.port")

    def _start_venue(self) -> None:
        options = self.options
        command = ["--port", "0", "--port-file", str(self.folder / "venue.port"), "--control", str(self.sim_control)]
        command += ["--instruments-csv", str(self.folder / "instruments.csv"), "--bbo-log", str(self.bbo_log)]
        command += ["--clock-dir", str(self.shm_dir), "--seed", str(options.seed), "--wait-subscribers"]
        command += ["--wake-us", str(options.wake_us)]
        if options.capture is not None:
            command += ["--capture", str(options.capture), "--speed", str(options.speed) if options.speed else "flat"]
        else:
            command += ["--rate", str(options.rate), "--instruments", str(options.instruments)]
            command += ["--keying", options.keying]
        if options.hold:
            command += ["--hold"]
        if options.seconds:
            command += ["--seconds", str(options.seconds)]
        self.sim = self._spawn("simulator", "feedhandler.sim", command)
        self._wait_for(self.folder / "venue.port")
        self.first_books = self.venue("books")  # before the flow: its BBO log has changes only

    def _spawn(self, name: str, module: str, arguments: Sequence[str]) -> "subprocess.Popen[bytes]":
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        with (logs / f"{name}.log").open("ab") as stderr:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments], stdin=subprocess.DEVNULL, stderr=stderr, process_group=0,
                env=scheduling.as_child(),
            )  # fmt: skip

    def client(self, name: str, module: str, *arguments: str) -> Path:
        """Start a measuring client; return the file it writes when it ends."""
        out = self.folder / f"{name}.npz"
        self.clients[name] = self._spawn(name, module, ["--shm-dir", str(self.shm_dir), "--out", str(out), *arguments])
        return out

    def websocket_client(self, name: str = "websocket", *arguments: str) -> Path:
        """Start a WebSocket client that takes `bbo`."""
        port_file = str(self.run_dir / "bridge.port")
        return self.client(name, "feedhandler.demo.probe_ws", "--port-file", port_file, *arguments)

    def zmq_client(self, name: str = "zmq", *arguments: str) -> Path:
        """Start a ZeroMQ subscriber."""
        return self.client(name, "feedhandler.demo.probe_zmq", "--run-dir", str(self.run_dir), *arguments)

    def _wait_for(self, path: Path) -> None:
        deadline = clock.monotonic_ns() / 1e9 + START_TIMEOUT_S
        while not (path.is_file() and path.read_text().strip()):
            self.poll(0.02)
            if clock.monotonic_ns() / 1e9 > deadline:
                raise RigError(f"{path} did not appear within {START_TIMEOUT_S:.0f} s; see {self.folder / 'logs'}")

    def begin(self) -> None:
        """Wait until every measuring client has had its snapshot, then let a held flow start."""
        for name in self.clients:
            self._wait_for(self.folder / f"{name}.ready")
        self.venue("release")

    def favour(self, priority: int, *clients: str) -> None:
        """Run the venue, these clients and their children at a SCHED_FIFO priority, as the system itself is."""
        for process in (self.sim, *(self.clients[name] for name in clients)):
            if process is None:
                continue
            one = psutil.Process(process.pid)
            for thread in (thread for each in (one, *one.children(recursive=True)) for thread in each.threads()):
                os.sched_setscheduler(thread.id, os.SCHED_FIFO, os.sched_param(priority))

    def poll(self, timeout_s: float) -> None:
        """Supervise for `timeout_s`, count what is in the ring, note CPU and memory."""
        if self.sim is not None and self.sim.poll() is not None:
            raise RigError(f"the simulated venue ended with code {self.sim.returncode}; see {self.folder / 'logs'}")
        supervisor = getattr(self, "supervisor", None)
        if supervisor is None:
            time.sleep(timeout_s)
            return
        supervisor.poll(timeout_s)
        if supervisor.state.finished:
            raise RigError(f"the system stopped by itself; see {self.folder / 'logs'}")
        self.tally.read()

    def measure(self) -> None:
        """Note CPU seconds and resident memory of every process, as of now."""
        for name, facts in self.supervisor.status()["processes"].items():
            self.cpu_s[name] = facts["cpu_s"]
            self.rss_mb[name] = round(facts["rss_bytes"] / 1e6, 1)
        for name, process in {"simulator": self.sim, **self.clients}.items():
            if process is None or process.poll() is not None:
                continue
            one = psutil.Process(process.pid)
            times = one.cpu_times()
            self.cpu_s[name] = times.user + times.system
            self.rss_mb[name] = round(one.memory_info().rss / 1e6, 1)

    def venue(self, op: str, **request: Any) -> dict[str, Any]:
        """Ask the venue, the judge of everything downstream."""
        return control.call(self.sim_control, op, 30.0, **request)

    def ask(self, process: str, op: str, **request: Any) -> dict[str, Any]:
        """Ask one of the four processes."""
        return control.call(self.run_dir / f"{process}.ctl", op, 10.0, **request)

    def kill(self, name: str) -> int:
        """End a process with SIGKILL; return its pid."""
        pid = int(self.supervisor.status()["processes"][name]["pid"])
        psutil.Process(pid).send_signal(signal.SIGKILL)
        self.kills.append((clock.monotonic_ns() / 1e9, name))
        return pid

    def drained(self) -> bool:
        """Whether everything the venue sent is in the ring, applied by the conflator and in the journal."""
        try:
            status = self.venue("status")
            sent = sum(int(status[f"ticks_{name}"]) for name in ("sent", "cut", "skipped"))
            rings = self.ask("conflator", "status")["rings"]
            journaled = self.ask("recorder", "status")["rings"][HANDLER]
        except ControlError:
            return False
        self.tally.read()
        return bool(
            self.tally.ticks >= sent
            and rings[0]["next"] > rings[0]["published"]
            and (journaled["epoch"], journaled["journaled"]) == (rings[0]["epoch"], rings[0]["published"])
        )

    def settle(self, timeout_s: float = 15.0) -> bool:
        """Poll until drained; False where that did not happen in time."""
        deadline = clock.monotonic_ns() / 1e9 + timeout_s
        while not self.drained():
            if clock.monotonic_ns() / 1e9 > deadline:
                return False
            self.poll(0.1)
        return True

    def stop_clients(self) -> None:
        """End the measuring clients and wait for what they write."""
        for process in self.clients.values():
            process.terminate()
        for name, process in self.clients.items():
            code = process.wait(60)
            if code != 0:
                raise RigError(f"client {name} ended with code {code}; see {self.folder / 'logs'}")

    def stop_system(self) -> int:
        """Stop the four processes in order; the recorder drains. Returns the supervisor's exit code."""
        code = self.supervisor.stop()
        self.tally.read()
        return code

    def close(self) -> None:
        """End what still runs and free the shared memory. Files in `folder` stay."""
        for process in (*self.clients.values(), self.sim):
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait(30)
        if getattr(self, "supervisor", None) is not None and not self.supervisor.state.finished:
            self.supervisor.stop()
        shutil.rmtree(self.shm_dir, ignore_errors=True)

    def __enter__(self) -> Self:
        """Start; what was started is ended where that fails."""
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End everything."""
        self.close()

    def _write_config(self) -> None:
        extra = self.options.extra
        port = (self.folder / "venue.port").read_text().strip()
        self.config_path.write_text(f"""\
[feedhandler]
name = "demo"
shm_dir = "{self.shm_dir}"
state_dir = "{self.folder / "state"}"
run_dir = "{self.run_dir}"

[[handler]]
name = "{HANDLER}"
{extra.get("handler", "")}

[[handler.source]]
name = "{SOURCE}"
profile = "fix44"
host = "127.0.0.1"
port = {port}
sender = "FH"
target = "SIM"
keying = "{self.options.keying}"
reconnect_min_s = 0.05
instruments_file = "instruments.csv"
{extra.get("source", "")}

[conflator]
{extra.get("conflator", "")}

[bridge]
port = 0
{extra.get("bridge", "")}

[recorder]
journal_dir = "{self.folder / "journal"}"
{extra.get("recorder", "")}

[recorder.parquet]
dir = "{self.folder / "parquet"}"
""")
        load(self.config_path)
