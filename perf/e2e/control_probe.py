"""What the machine itself costs during a run, as a process: bare timer overshoot and loopback TCP hops.

Every --period-ms: sleep until then (clock_nanosleep), note how late the wake came, and send 8 bytes over loopback to
a twin process that sends them back; half the round trip is a hop. Nothing of the feed handler takes part but the clock.
Writes .npz: at (monotonic ns), overshoot_ns, hop_ns.
"""

import argparse
import os
import socket
import sys
import time
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from feedhandler import clock
from feedhandler.demo.deliveries import Stop

PING = b"12345678"


def _echo(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := connection.recv(len(PING)):
        connection.sendall(data)


def _measure(connection: socket.socket, period_ns: int, stop: Stop) -> dict[str, "array[int]"]:
    found = {name: array("q") for name in ("at", "overshoot_ns", "hop_ns")}
    due = clock.monotonic_ns()
    while not stop.asked:
        due = max(due + period_ns, clock.monotonic_ns())
        time.sleep(max(0, due - clock.monotonic_ns()) / 1e9)
        woken = clock.monotonic_ns()
        connection.sendall(PING)
        got = connection.recv(len(PING), socket.MSG_WAITALL)
        back = clock.monotonic_ns()
        if len(got) < len(PING):
            break
        found["at"].append(due)
        found["overshoot_ns"].append(woken - due)
        found["hop_ns"].append((back - woken) // 2)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM."""
    parse = argparse.ArgumentParser(prog="python -m perf.e2e.control_probe", description=__doc__)
    parse.add_argument("--out", required=True, type=Path)
    parse.add_argument("--period-ms", type=float, default=5.0)
    parse.add_argument("--shm-dir", help="not used: every client of the rig is told")
    options = parse.parse_args(argv)
    stop = Stop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child = os.fork()
        if child == 0:
            _echo(listener)
            os._exit(0)
        with socket.create_connection(listener.getsockname()) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            found = _measure(connection, int(options.period_ms * 1e6), stop)
        os.waitpid(child, 0)
    np.savez(options.out, **{name: np.frombuffer(values, np.int64) for name, values in found.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
