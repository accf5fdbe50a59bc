"""The bridge process: `python -m feedhandler.bridge --config FILE`."""

import asyncio
import ipaddress
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import uvloop

from feedhandler import clock, process
from feedhandler.bridge.server import Server
from feedhandler.bridge.status import count, status
from feedhandler.errors import ConfigError

COUNTERS_NS = 100_000_000


def is_loopback(host: str) -> bool:
    """Return whether only this host can reach a server bound to `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def serve(runtime: process.Runtime) -> None:
    """Run the bridge until the runtime says stop."""
    section, general = runtime.section, runtime.config.feedhandler
    run_dir = Path(general.run_dir)
    server = Server(section, f"ipc://{run_dir}/publish.ipc", f"ipc://{run_dir}/snapshot.ipc", runtime.log)
    await server.start()
    port_file = run_dir / "bridge.port"
    partial = run_dir / f".bridge.port.{os.getpid()}"
    partial.write_text(f"{server.port}\n")
    partial.replace(port_file)
    runtime.control.status_fn = lambda: status(server)
    runtime.log.info("listening", host=section.host, port=server.port)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_reader(runtime.wake_fd, stop.set)
    counted_ns = 0
    while not runtime.stopping:
        pause_s = server.turn()
        runtime.control.poll()
        now_ns = clock.monotonic_ns()
        if now_ns - counted_ns >= COUNTERS_NS:
            counted_ns = now_ns
            count(server, runtime.counters)
        if not runtime.stopping:
            try:
                await asyncio.wait_for(stop.wait(), pause_s)
            except TimeoutError:
                continue
            with suppress(BlockingIOError):
                os.read(runtime.wake_fd, 4096)
            stop.clear()
    asyncio.get_running_loop().remove_reader(runtime.wake_fd)
    count(server, runtime.counters)
    await server.stop()
    port_file.unlink(missing_ok=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the process; return its exit code."""
    with process.start("bridge", argv) as runtime:
        section = runtime.section
        if not is_loopback(section.host) and not section.tokens:
            raise ConfigError(
                "configuration", "bridge.tokens_env", "nothing", f"tokens, because host {section.host} is not loopback"
            )
        uvloop.run(serve(runtime))
    return 0


if __name__ == "__main__":
    sys.exit(main())
