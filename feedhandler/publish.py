"""ZeroMQ out: the XPUB socket and the snapshot service (docs/contracts/topics.md). Payloads come encoded.

XPUB is best effort: what a slow subscriber loses shows in `seq`, and `hb` reveals a lost trailing edge.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import zmq

from feedhandler import zmq_native
from feedhandler.control import readable
from feedhandler.counters import Counter, Counters

CHANNELS = ("bbo", "book", "trade", "tick", "state")
SUBSCRIPTIONS_PER_POLL = 10_000
SNAPSHOTS_PER_POLL = 64
_SUBSCRIBE = 1
_encode = msgspec.msgpack.Encoder().encode
_decode_request = msgspec.msgpack.Decoder(dict[str, Any]).decode

Frames = list[bytes | None]
"""Flat: topic, payload, extra frame or None, topic, ..."""


def channels_of(prefixes: Iterable[bytes]) -> set[str]:
    """Return the channels that topics with one of these prefixes can have."""
    wanted = set()
    for prefix in prefixes:
        text = prefix.decode("utf-8", "replace")
        wanted |= {channel for channel in CHANNELS if f"{channel}|".startswith(text) or text.startswith(f"{channel}|")}
    return wanted


class Publisher:
    """Owns the two sockets. One thread; never blocks.

    `snapshot(prefix)` must return the frames of every topic under a prefix, with the topics' last seq.
    Raises zmq.ZMQError where an endpoint cannot be bound.
    """

    def __init__(
        self, run_dir: str | Path, counters: Counters, snapshot: Callable[[str], Frames], epoch: int, *, send_hwm: int
    ) -> None:
        self._counters = counters
        self._snapshot = snapshot
        self._epoch = epoch
        self._prefixes: set[bytes] = set()
        self._context = zmq.Context()
        self.xpub = self._bind(zmq.XPUB, Path(run_dir, "publish.ipc"), send_hwm)
        self.native = zmq_native.sender(self.xpub)
        """The XPUB socket as the data path uses it."""
        self.router = self._bind(zmq.ROUTER, Path(run_dir, "snapshot.ipc"), send_hwm)
        self.router.setsockopt(zmq.ROUTER_MANDATORY, 1)

    def _bind(self, kind: int, path: Path, hwm: int) -> "zmq.Socket[bytes]":
        socket: zmq.Socket[bytes] = self._context.socket(kind)
        socket.setsockopt(zmq.SNDHWM, hwm)
        socket.setsockopt(zmq.LINGER, 1000)
        before = os.umask(0o117)  # the owner and its group: file permission is the access rule of an ipc socket
        try:
            socket.bind(f"ipc://{path}")
        finally:
            os.umask(before)
        return socket

    def send(self, frames: Frames) -> int:
        """Send messages; return how many. XPUB drops towards a subscriber whose queue is full, and never waits."""
        size = self.native.send(frames)
        count = len(frames) // 3
        self._counters.add(Counter.PUBLISH_MESSAGES, count)
        self._counters.add(Counter.PUBLISH_BYTES, size)
        return count

    def poll_subscriptions(self) -> set[str] | None:
        """Take in what subscribers asked for; return the wanted channels where they changed, else None."""
        if not readable(self.xpub):
            return None
        before = channels_of(self._prefixes)
        for _ in range(SUBSCRIPTIONS_PER_POLL):
            try:
                event = self.xpub.recv(zmq.NOBLOCK)
            except zmq.Again:
                break
            if not event:
                continue
            if event[0] == _SUBSCRIBE:
                self._prefixes.add(event[1:])
            else:
                self._prefixes.discard(event[1:])
        wanted = channels_of(self._prefixes)
        return None if wanted == before else wanted

    def poll_snapshots(self) -> int:
        """Answer pending snapshot requests; return how many. Call after everything encoded so far was sent."""
        if not readable(self.router):
            return 0
        for count in range(SNAPSHOTS_PER_POLL):
            try:
                frames = self.router.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return count
            self._counters.add(Counter.SNAPSHOT_REQUESTS)
            self._answer(frames[0], frames[-1])
        return SNAPSHOTS_PER_POLL

    def _answer(self, client: bytes, body: bytes) -> None:
        try:
            request = _decode_request(body)
            op, prefix = request.get("op"), request.get("prefix", "")
            if op not in ("snapshot", "hello") or not isinstance(prefix, str):
                raise msgspec.ValidationError("expected op 'snapshot' with a text 'prefix', or op 'hello'")
        except msgspec.DecodeError as error:
            self._counters.add(Counter.SNAPSHOT_BAD_REQUESTS)
            self._reply(client, [b"X", _encode({"error": str(error)})])
            return
        count = 0
        if op == "snapshot":
            turns = iter(self._snapshot(prefix))
            for topic, payload, _ in zip(turns, turns, turns, strict=True):
                if not self._reply(client, [b"S", topic or b"", payload or b""]):
                    return
                count += 1
        self._reply(client, [b"E", _encode({"publisher_epoch": self._epoch, "count": count})])

    def _reply(self, client: bytes, frames: list[bytes]) -> bool:
        try:
            self.router.send_multipart([client, *frames], zmq.NOBLOCK)
        except zmq.ZMQError:
            # Gone, or slower than its queue: it asks again after its time-out.
            self._counters.add(Counter.PUBLISH_DROPPED)
            return False
        return True

    def close(self) -> None:
        """Send what is queued for up to a second and give up the sockets."""
        self._context.destroy(linger=1000)
