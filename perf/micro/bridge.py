"""What the bridge costs and adds: `python -m perf.micro.bridge [--json FILE]`.

A publisher process sends bbo updates over 1,000 symbols, open loop. One WebSocket client takes all of them, nine
take 50 symbols each, a ZeroMQ subscriber is the control. Latency is client clock minus `oldest`, which the
publisher sets to its sending time: conflation cannot hide the age of what it swallowed.
"""

import argparse
import asyncio
import json
import multiprocessing
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
import uvloop
import zmq
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from feedhandler.topics import decode
from tests.support.bridge import Bridge
from tests.support.publisher import __file__ as publisher_file

Ages = dict[str, tuple[np.ndarray, int]]


class Datum(msgspec.Struct):
    """What is looked at of a datum."""

    oldest: int


class Message(msgspec.Struct):
    """What is looked at of a message."""

    type: str
    data: list[Datum] = []


class Taker(WSListener):
    """Decodes everything and keeps the age of each update, ns."""

    def __init__(self, request: dict[str, Any]) -> None:
        super().__init__()
        self.request, self.ages, self.frames = request, [], 0
        self.decode = msgspec.json.Decoder(Message).decode

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Subscribe."""
        transport.send(WSMsgType.TEXT, json.dumps(self.request).encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002
        """Note the age of every datum."""
        message = self.decode(frame.get_payload_as_memoryview())
        if message.type == "update":
            now = time.time_ns()
            self.frames += 1
            self.ages += [now - datum.oldest for datum in message.data]


def clients(port: int, requests: list[dict[str, Any]], warm_s: float, seconds: float, results: Any) -> None:
    """Run some WebSocket clients in this process; put (ages, frames) of each into `results`."""

    async def go() -> None:
        takers = [Taker(request) for request in requests]
        ends = [(await ws_connect(lambda t=t: t, f"ws://127.0.0.1:{port}/"))[0] for t in takers]
        await asyncio.sleep(warm_s)
        for taker in takers:
            taker.ages, taker.frames = [], 0
        await asyncio.sleep(seconds)
        out = [(np.array(t.ages), t.frames) for t in takers]
        for end in ends:
            end.disconnect()
        results.put(out)

    uvloop.run(go())


def control(endpoint: str, warm_s: float, seconds: float, results: Any) -> None:
    """Receive the same updates by ZeroMQ alone."""
    sub = zmq.Context().socket(zmq.SUB)
    sub.setsockopt(zmq.SUBSCRIBE, b"bbo|")
    sub.connect(endpoint)
    ages, start = [], time.monotonic()
    while (t := time.monotonic() - start) < warm_s + seconds:
        if sub.poll(100):
            value = decode("bbo", sub.recv_multipart()[1])
            if t > warm_s:
                ages.append(time.time_ns() - value.oldest)
    results.put([(np.array(ages), len(ages))])


def measure(rate: float, seconds: float, flush_us: int, warm_s: float = 2.0) -> tuple[float, Ages, dict[str, Any]]:
    """Run one case: the bridge's share of a core, ages (ns) and messages by kind of client, its status."""
    folder = Path(tempfile.mkdtemp(prefix="fh-bridge-"))
    bridge = Bridge(folder, f"flush_interval_us = {flush_us}", publisher=False)
    source = subprocess.Popen(
        [sys.executable, publisher_file, "--publish", bridge.endpoints[0], "--snapshot", bridge.endpoints[1],
         "--symbols", "1000", "--rate", str(rate), "--bbo-only"],
        env={"PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    time.sleep(1.0)
    subscribe = {"op": "subscribe", "channels": ["bbo"], "id": 1}
    some = [subscribe | {"symbols": [f"SYM{i:04d}/USD" for i in range(100 * k, 100 * k + 50)]} for k in range(9)]
    jobs = {
        "all": (clients, (bridge.port, [subscribe | {"symbols": ["*"]}], warm_s, seconds)),
        "fifty": (clients, (bridge.port, some, warm_s, seconds)),
        "zmq": (control, (bridge.endpoints[0], warm_s, seconds)),
    }
    process, workers = psutil.Process(bridge.process.pid), []
    try:
        for name, (target, args) in jobs.items():
            queue = multiprocessing.Queue()
            worker = multiprocessing.Process(target=target, args=(*args, queue))
            worker.start()
            workers.append((name, worker, queue))
        time.sleep(warm_s)
        before, t0 = process.cpu_times(), time.monotonic()
        found = {name: queue.get(timeout=seconds + 60) for name, _, queue in workers}
        after, t1 = process.cpu_times(), time.monotonic()
        for _, worker, _ in workers:
            worker.join()
        status = bridge.status()
    finally:
        source.kill()
        source.wait()
        bridge.close()
    cpu = (after.user + after.system - before.user - before.system) / (t1 - t0)
    return cpu, {name: (np.concatenate([a for a, _ in r]), sum(f for _, f in r)) for name, r in found.items()}, status


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rate", type=float, default=15_000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--flush-us", type=int, nargs="*", default=[0])
    args = parser.parse_args()
    results: list[dict[str, Any]] = []

    def note(name: str, unit: str, median: float, p99: float | None) -> None:
        none = {"runs": 1, "peer": None, "peer_median": None, "ratio": None}
        results.append({"name": name, "unit": unit, "median": median, "p99": p99} | none)

    for flush_us in args.flush_us:
        cpu, found, status = measure(args.rate, args.seconds, flush_us)
        share = f"conflated {status['conflated']} of {status['updates_out']} out"
        print(f"flush_interval_us {flush_us}: bridge CPU {cpu:.1%}, {share}")
        note(f"bridge CPU, flush {flush_us} us", "share of a core", cpu, None)
        for name, (ages, frames) in found.items():
            us = np.percentile(ages, [50, 90, 99, 99.9, 100]) / 1000
            rates = f"{len(ages) / args.seconds:9.0f} updates/s {frames / args.seconds:8.0f} messages/s"
            print(f"  {name:6} {rates}  p50, p90, p99, p99.9, max us: {' '.join(f'{x:.0f}' for x in us)}")
            note(f"{name} latency, flush {flush_us} us", "us", us[0], us[2])
    if args.json:
        git = ["git", "rev-parse", "HEAD"]
        commit = subprocess.run(git, check=False, capture_output=True, text=True).stdout.strip()
        machine = {"cpu": platform.machine(), "cores": psutil.cpu_count(), "python": platform.python_version()}
        args.json.write_text(json.dumps({"machine": machine, "commit": commit, "results": results}, indent=1))


if __name__ == "__main__":
    main()
