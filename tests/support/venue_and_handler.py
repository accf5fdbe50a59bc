"""The simulated venue and one handler, as real processes, and nothing behind the ring: tests read it themselves."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from feedhandler import control

LIMIT_S = 60.0


class VenueAndHandler:
    """Runs `feedhandler.sim` with `venue_options` and a handler subscribed to it. Ends both on exit, by pid."""

    def __init__(self, folder: Path, venue_options: list[str], ring_capacity: int) -> None:
        self.folder = folder / f"r{os.getpid()}"
        self.shm_dir = Path("/dev/shm", f"feedhandler-{folder.name}-{os.getpid()}")
        self.venue_control = self.folder / "venue.ctl"
        self._options = venue_options
        self._ring_capacity = ring_capacity
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.folder.mkdir()
        shutil.rmtree(self.shm_dir, ignore_errors=True)
        self.shm_dir.mkdir()
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        port_file, csv = self.folder / "venue.port", self.folder / "instruments.csv"
        files = ["--port-file", str(port_file), "--instruments-csv", str(csv), "--control", str(self.venue_control)]
        self._spawn("sim", ["--port", "0", *files, *self._options])
        self.until(port_file.is_file, "the venue to listen")
        config = self.folder / "feedhandler.toml"
        config.write_text(f"""
[feedhandler]
name = "captures"
shm_dir = "{self.shm_dir}"
state_dir = "{self.folder / "state"}"
run_dir = "{self.folder / "run"}"
[[handler]]
name = "handler1"
ring_capacity = {self._ring_capacity}
[[handler.source]]
name = "venue"
profile = "fix44"
host = "127.0.0.1"
port = {port_file.read_text().strip()}
sender = "FH"
target = "SIM"
reconnect_min_s = 0.05
instruments_file = "instruments.csv"
[conflator]
[bridge]
[recorder]
journal_dir = "{self.folder / "journal"}"
[recorder.parquet]
dir = "{self.folder / "parquet"}"
""")
        self._spawn("handler", ["--config", str(config)])

    def _spawn(self, module: str, arguments: list[str]) -> None:
        with (self.folder / f"{module}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen([sys.executable, "-m", f"feedhandler.{module}", *arguments], stderr=log)
            )

    def venue(self, op: str) -> dict[str, Any]:
        """Ask the venue."""
        return control.call(self.venue_control, op, 20.0)

    def handler(self, op: str) -> dict[str, Any]:
        """Ask the handler."""
        return control.call(self.folder / "run" / "handler1.ctl", op, 20.0)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for a condition, at most LIMIT_S."""
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            ended = [process.args for process in self._processes if process.poll() is not None]
            assert not ended, f"ended: {ended}; {self._logs()}"
            assert time.monotonic() < deadline, f"no {what} within {LIMIT_S} s; {self._logs()}"
            time.sleep(0.02)

    def _logs(self) -> str:
        return "\n".join(path.read_text()[-2000:] for path in self.folder.glob("*.log"))

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.shm_dir, ignore_errors=True)
