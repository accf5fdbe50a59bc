"""The bridge's ZeroMQ side on an event loop: SUB and DEALER read through their file descriptors.

A ZeroMQ descriptor is edge-triggered: it says that something may have changed, once. So every wake-up
reads until EAGAIN, or comes back in the next turn of the loop; and whatever else touches a socket
(subscribing, sending) is followed by a look as well.
"""

import asyncio
from contextlib import suppress

import zmq

from feedhandler import clock, zmq_native
from feedhandler.bridge.hub import Hub
from feedhandler.bridge.timer import Timer
from feedhandler.wire.subscriber_events import ResetSnapshotSocket, SendRequest, Subscribe, Unsubscribe

MESSAGES_PER_TURN = 500  # then the WebSockets get their turn
RECEIVE_HWM = 100_000


class Upstream:
    """Feeds a hub from the publisher; flushes the hub whenever all that was there has been read.

    With `flush_interval_us` at most once an interval, so that updates share messages at the price of their age.
    """

    def __init__(
        self, hub: Hub, publish: str, snapshot: str, loop: asyncio.AbstractEventLoop, flush_interval_us: int = 0
    ) -> None:
        self._hub = hub
        self._loop = loop
        self._snapshot_endpoint = snapshot
        self._context = zmq.Context()
        self._sub = self._socket(zmq.SUB, publish, RECEIVE_HWM)
        self._inbound = zmq_native.receiver(self._sub)
        self._dealer = self._socket(zmq.DEALER, snapshot, 0)
        self._again = False
        self._interval_ns = flush_interval_us * 1000
        self._flushed_ns = 0
        self._timer = Timer(loop, self._flush) if flush_interval_us else None
        self._odd = 0
        loop.add_reader(self._sub.fileno(), self._read)
        loop.add_reader(self._dealer.fileno(), self._read_all)
        self.work()

    def _socket(self, kind: int, endpoint: str, receive_hwm: int) -> "zmq.Socket[bytes]":
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVHWM, receive_hwm)
        socket.setsockopt(zmq.RECONNECT_IVL, 20)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 200)
        socket.connect(endpoint)
        return socket

    def close(self) -> None:
        """Close the sockets; the loop must still be there."""
        for socket in (self._sub, self._dealer):
            self._loop.remove_reader(socket.fileno())
            socket.close(linger=0)
        if self._timer is not None:
            self._timer.close()
        self._context.term()

    def work(self) -> None:
        """Do what the subscriber's state machine wants: timers, subscriptions, requests."""
        state = self._hub.state
        state.poll(clock.monotonic_ns())
        actions = state.take_actions()
        for action in actions:
            match action:
                case Subscribe(prefix):
                    self._sub.setsockopt(zmq.SUBSCRIBE, prefix)
                case Unsubscribe(prefix):
                    self._sub.setsockopt(zmq.UNSUBSCRIBE, prefix)
                case SendRequest(frame):
                    # Where no service is, the request's deadline passes and it is sent again.
                    with suppress(zmq.Again):
                        self._dealer.send(frame, zmq.NOBLOCK)
                case ResetSnapshotSocket():
                    self._loop.remove_reader(self._dealer.fileno())
                    self._dealer.close(linger=0)
                    self._dealer = self._socket(zmq.DEALER, self._snapshot_endpoint, 0)
                    self._loop.add_reader(self._dealer.fileno(), self._read_all)
        if actions:
            self._later()

    def _later(self) -> None:
        if not self._again:
            self._again = True
            self._loop.call_soon(self._read_again)

    def _read_again(self) -> None:
        self._again = False
        self._read_all()

    def _read_all(self) -> None:
        self._read(snapshots=True)

    def _read(self, *, snapshots: bool = False) -> None:
        """Read what is there, within the bound of a turn, and flush.

        A look at an empty socket costs as much as some messages: replies are only looked for where one is due, or
        where the dealer's descriptor said so.
        """
        if self._sub.closed:
            return
        hub = self._hub
        hub.now_ns = now_ns = clock.monotonic_ns()
        emptied = self._drain_updates(now_ns)
        if snapshots or hub.state.asking:
            emptied &= self._drain_snapshots(now_ns)
        if self._timer is None:
            hub.flush()
        elif now_ns - self._flushed_ns >= self._interval_ns:
            self._flush()
        elif not self._timer.armed:
            self._timer.arm(self._flushed_ns + self._interval_ns - now_ns)
        if not emptied:
            self._later()
        if hub.state.has_actions:
            self.work()

    def _drain_updates(self, now_ns: int) -> bool:
        """Feed the hub's state machine; return whether the socket is empty now."""
        take = self._hub.state.on_message
        turns = iter(self._inbound.receive(MESSAGES_PER_TURN))
        for topic, payload, extra in zip(turns, turns, turns, strict=True):
            if extra is None:
                take(topic, payload, now_ns)
            else:
                self._hub.state.counts.malformed += 1  # no channel of ours has a third frame
        self._hub.state.counts.malformed += self._inbound.odd - self._odd
        self._odd = self._inbound.odd
        return self._inbound.emptied

    def _drain_snapshots(self, now_ns: int) -> bool:
        try:
            for _ in range(MESSAGES_PER_TURN):
                self._hub.state.on_snapshot(self._dealer.recv_multipart(zmq.NOBLOCK), now_ns)
        except zmq.Again:
            return True
        return False

    def _flush(self) -> None:
        self._flushed_ns = self._hub.now_ns = clock.monotonic_ns()
        self._hub.flush()
