"""Samples of 64 bytes a second from one Python process to another: our ring, iceoryx2, multiprocessing.Queue.

Each sends flat out from a process of its own, and the receiver polls (the queue's blocks, it knows no other way). The
ring goes by batches of 64, and by single records published one by one; the others have no batches. Nothing may be
lost: the ring holds twice what is sent, the others hold the sender up. A count goes with every sample and is checked
at the end.
"""

import argparse
import ctypes
import multiprocessing as mp
import sys
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from feedhandler import _native, clock
from feedhandler.ring import Reader
from feedhandler.tick import TICK, Flag, Kind
from perf import result
from perf.result import Result

SPAWN = mp.get_context("spawn")
BATCH = 64
RING_SAMPLES = 1 << 19
SINGLE_SAMPLES = 1 << 17
ICEORYX_SAMPLES = 100_000
QUEUE_SAMPLES = 20_000
SERVICE = "feedhandler/perf/ring"
LIMIT_S = 60


class Payload(ctypes.Structure):
    """64 bytes for iceoryx2."""

    _fields_ = (("seq", ctypes.c_uint64), ("rest", ctypes.c_uint8 * 56))


def send_ring(pipe: Connection, folder: str, count: int, batch: int) -> None:
    """Publish `count` records, `batch` at a time."""
    writer = _native.RingWriter(folder, folder, "peers", 2 * count)
    records = np.zeros(batch, TICK)
    records["kind"], records["flags"] = Kind.LEVEL, Flag.LAST
    payload = records.view(np.uint8)
    pipe.send("ready")
    pipe.recv()
    for _ in range(count // batch):
        writer.append(payload)
        writer.publish(1)
    pipe.recv()


def receive_ring(folder: str, count: int) -> Callable[[], int]:
    """Read until `count` records came; LostError ends the run."""
    reader = Reader(folder, "peers", max_records=4096)

    def receive() -> int:
        left, last = count, 0
        while left:
            records = reader.read().records
            if len(records):
                left -= len(records)
                last = int(records["seq"][-1])
        return last

    return receive


def _service() -> tuple[Any, Any]:
    import iceoryx2 as iox2  # noqa: PLC0415 - a peer that may be missing

    iox2.set_log_level(iox2.LogLevel.Error)
    node = iox2.NodeBuilder.new().create(iox2.ServiceType.Ipc)
    builder = node.service_builder(iox2.ServiceName.new(SERVICE)).publish_subscribe(Payload)
    builder = builder.enable_safe_overflow(False).subscriber_max_buffer_size(1024)
    return node, builder.open_or_create()


def send_iceoryx(pipe: Connection, _: Any, count: int, __: int) -> None:
    """Send by copy, which is the quickest of its ways here; waits while the subscriber's buffer is full."""
    node, service = _service()
    publisher = service.publisher_builder().create()
    pipe.send("ready")
    pipe.recv()
    sample = Payload()
    for seq in range(1, count + 1):
        sample.seq = seq
        publisher.send_copy(sample)
    pipe.recv()
    del publisher, service, node


def receive_iceoryx(_: Any, count: int) -> Callable[[], int]:
    """Receive, and look at the payload, as its examples do."""
    node, service = _service()
    subscriber = service.subscriber_builder().create()

    def receive() -> int:
        left, last = count, 0
        while left:
            sample = subscriber.receive()
            if sample is not None:
                last = sample.payload().contents.seq
                left -= 1
        return last if node is not None else 0

    return receive


def send_queue(pipe: Connection, queue: Any, count: int, _: int) -> None:
    """Put 64 bytes."""
    pipe.send("ready")
    pipe.recv()
    for seq in range(1, count + 1):
        queue.put(seq.to_bytes(64, "little"))
    pipe.recv()


def receive_queue(queue: Any, count: int) -> Callable[[], int]:
    """Get 64 bytes."""

    def receive() -> int:
        last = b""
        for _ in range(count):
            last = queue.get(timeout=LIMIT_S)
        return int.from_bytes(last, "little")

    return receive


def rate(
    send: Callable[..., None], receiver: Callable[[Any, int], Callable[[], int]], place: Any, count: int, batch: int
) -> float:
    """Return samples/s from the first `go` to the last sample received."""
    pipe, other = SPAWN.Pipe()
    process = SPAWN.Process(target=send, args=(other, place, count, batch), daemon=True)
    process.start()
    try:
        other.close()
        pipe.recv()
        receive = receiver(place, count)
        begin = clock.monotonic_ns()
        pipe.send("go")
        last = receive()
        took = clock.monotonic_ns() - begin
        if last != count:
            raise RuntimeError(f"{send.__name__}: the last sample is {last}, not {count}")
        pipe.send("end")
    finally:
        process.join(5)
        process.kill()
    return count / took * 1e9


def samples(options: argparse.Namespace) -> Iterator[Result]:
    """Each in turns; a peer that is not installed is named and left out."""
    found: dict[str, list[float]] = {"batches": [], "singles": [], "iceoryx2": [], "queue": []}
    iceoryx2 = _has_iceoryx2()
    for _ in range(options.runs):
        for name, count, batch in (("batches", RING_SAMPLES, BATCH), ("singles", SINGLE_SAMPLES, 1)):
            with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
                found[name].append(rate(send_ring, receive_ring, folder, count, batch))
        if iceoryx2:
            found["iceoryx2"].append(rate(send_iceoryx, receive_iceoryx, None, ICEORYX_SAMPLES, 1))
        found["queue"].append(rate(send_queue, receive_queue, SPAWN.Queue(1024), QUEUE_SAMPLES, 1))
    peers = [("iceoryx2", "iceoryx2, a sample a call")] * iceoryx2 + [("queue", "multiprocessing.Queue")]
    for name in ("batches", "singles"):
        for peer, words in peers:
            yield result.result(
                f"ring/python_{name}_vs_{peer}", "samples/s", (found[name], []), words, (found[peer], [])
            )


def _has_iceoryx2() -> bool:
    try:
        import iceoryx2  # noqa: F401, PLC0415
    except ImportError as error:
        print(f"peer iceoryx2 is missing: {error}", file=sys.stderr)
        return False
    return True
