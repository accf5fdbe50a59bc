"""Follow topics over ZeroMQ: `zmq_subscriber.py RUN_DIR [--topic bbo|] [--count N]`."""

import argparse

from feedhandler.client import GapEvent, PublisherChanged, Subscriber, Update

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("run_dir", help="folder of publish.ipc and snapshot.ipc")
parser.add_argument("--topic", action="append", help="prefix such as 'bbo|EUR/USD|'; may be repeated")
parser.add_argument("--count", type=int, default=0, help="stop after so many updates; 0 = never")
args = parser.parse_args()

endpoints = f"ipc://{args.run_dir}/publish.ipc", f"ipc://{args.run_dir}/snapshot.ipc"
seen = 0
with Subscriber(*endpoints, topics=args.topic or ["bbo|"]) as subscriber:
    for event in subscriber:
        match event:
            case Update(topic, payload, snapshot):
                print("snapshot" if snapshot else "update", topic, payload, flush=True)
                seen += 1
            case GapEvent(topic, from_seq, to_seq):
                print("lost", topic, from_seq, to_seq, flush=True)
            case PublisherChanged():
                print("the publisher restarted", flush=True)
        if args.count and seen >= args.count:
            break
