"""A measuring ZeroMQ subscriber, as a process: `python -m feedhandler.demo.probe_zmq`.

It takes everything under its prefixes, checks every topic's seq, and notes when each bbo was decoded.
"""

import argparse
import gc
import sys
from collections.abc import Sequence
from pathlib import Path

from feedhandler.client import Event, GapEvent, Subscriber, Update
from feedhandler.clock import Clock
from feedhandler.demo.deliveries import Deliveries, Stop
from feedhandler.topics import Bbo


def _take(events: list[Event], deliveries: Deliveries, now_ns: int, *, record: bool) -> None:
    for event in events:
        if not isinstance(event, Update):
            deliveries.gaps += isinstance(event, GapEvent)
            continue
        deliveries.updates += 1
        payload = event.payload
        if isinstance(payload, Bbo):
            number = deliveries.number(event.topic.symbol, event.topic.source)
            deliveries.last[number] = (payload.bid, payload.bid_size, payload.ask, payload.ask_size)
            if record:
                deliveries.key.append(number)
                deliveries.ts_event.append(payload.ts_event)
                deliveries.arrival.append(now_ns)


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGTERM."""
    parse = argparse.ArgumentParser(prog="python -m feedhandler.demo.probe_zmq")
    parse.add_argument("--run-dir", required=True, type=Path)
    parse.add_argument("--shm-dir", required=True, help="for the shared clock")
    parse.add_argument("--out", required=True, type=Path, help="the .npz to write")
    parse.add_argument("--topics", nargs="+", default=["bbo|"], help="prefixes; an empty one is everything")
    parse.add_argument("--no-record", action="store_true", help="count, and keep no row per update")
    options = parse.parse_args(argv)
    stop, deliveries, clock = Stop(), Deliveries(), Clock(options.shm_dir)
    gc.disable()
    publish, snapshot = (f"ipc://{options.run_dir / name}" for name in ("publish.ipc", "snapshot.ipc"))
    with Subscriber(publish, snapshot, options.topics) as subscriber:
        waiting = True
        while not stop.asked:
            if waiting and subscriber.synced:
                deliveries.ready(options.out)
                waiting = False
            events = subscriber.poll(0.1)
            now_ns = clock.now_ns()
            _take(events, deliveries, now_ns, record=not options.no_record)
    deliveries.save(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
