"""feedhandler.client over real sockets, against a publisher that can misbehave."""

import time

import pytest

from feedhandler.client import GapEvent, PublisherChanged, Subscriber, Synced, Update
from feedhandler.topics import SNAPSHOT_KIND, Topic
from tests.support.publisher import PublisherThread

PATIENCE_S = 20.0


@pytest.fixture
def publisher(tmp_path):
    peer = PublisherThread(f"ipc://{tmp_path}/p.ipc", f"ipc://{tmp_path}/s.ipc", heartbeat_s=0.05)
    yield peer
    peer.close()


def collect(subscriber, until):
    """Poll until `until(events so far)`; the events."""
    events, deadline = [], time.monotonic() + PATIENCE_S
    while not until(events):
        assert time.monotonic() < deadline, events
        events += subscriber.poll(0.2)
    return events


def connected(publisher, tmp_path, *topics, **options):
    """A subscriber that is in sync and known to the publisher."""
    subscriber = Subscriber(*publisher.publisher.endpoints, topics=topics, **options)
    events = collect(
        subscriber, lambda _: subscriber.synced and subscriber.publisher_epoch and subscriber._state.heard_ns
    )
    return subscriber, events


def test_snapshot_comes_first_then_updates(publisher, tmp_path):
    publisher.call(lambda p: (p.bbo("EUR/USD", 1.0, 1.1), p.bbo("USD/JPY", 150.0, 151.0)))
    subscriber, events = connected(publisher, tmp_path, "bbo|EUR/USD|")
    with subscriber:
        (update, synced) = events
        assert (update.snapshot, update.topic, update.payload.bid) == (True, Topic("bbo", "EUR/USD", "sim"), 1.0)
        assert synced == Synced("bbo|EUR/USD|")
        publisher.call(lambda p: (p.bbo("USD/JPY", 150.0, 151.0), p.bbo("EUR/USD", 1.05, 1.1)))
        (update,) = collect(subscriber, bool)
        assert (update.snapshot, update.payload.seq, update.payload.bid) == (False, 2, 1.05)


def test_iteration_yields_the_same_events_and_ticks_carry_their_records(publisher, tmp_path):
    subscriber, _ = connected(publisher, tmp_path, "tick|")
    publisher.call(lambda p: p.tick(bytes(range(64)) * 3))
    with subscriber:
        update = next(iter(subscriber))
        assert update.payload.count == 3
        assert update.records == bytes(range(64)) * 3


def test_lost_messages_are_announced_and_the_book_is_right_again(publisher, tmp_path):
    publisher.call(lambda p: p.book("A", [(9.0, 1.0)], [(10.0, 1.0)], SNAPSHOT_KIND))
    subscriber, _ = connected(publisher, tmp_path, "book|", "trade|", books=True)

    def lose(p):
        p.trade("A", 9.5)
        p.mute = True
        p.book("A", [(9.0, 5.0)], [])
        p.trade("A", 9.6)
        p.mute = False
        p.trade("A", 9.7)

    with subscriber:
        publisher.call(lose)
        book = subscriber.books[Topic("book", "A", "sim")]
        events = collect(subscriber, lambda _: book.latest.seq == 2)
        gaps = {event.topic.channel: (event.from_seq, event.to_seq) for event in events if isinstance(event, GapEvent)}
        assert gaps == {"trade": (2, 2), "book": (2, 2)}
        assert book.bids() == [(9.0, 5.0)]
        assert subscriber.counts.lost == 2


def test_a_restarted_publisher_is_followed(publisher, tmp_path):
    publisher.call(lambda p: [p.bbo("A", 1.0 + i, 2.0 + i) for i in range(5)])
    subscriber, _ = connected(publisher, tmp_path, "bbo|")
    with subscriber:
        publisher.call(lambda p: (p.restart(epoch=2), p.bbo("A", 50.0, 51.0)))
        events = collect(subscriber, lambda e: any(isinstance(x, Update) and x.payload.bid == 50.0 for x in e))
        assert PublisherChanged(2) in events
        collect(subscriber, lambda _: subscriber.publisher_epoch == 2 and subscriber.synced)
        publisher.call(lambda p: p.bbo("A", 60.0, 61.0))
        assert collect(subscriber, bool)[0].payload.seq == 2


def test_a_subscriber_that_comes_before_its_publisher_waits_for_it(tmp_path):
    endpoints = f"ipc://{tmp_path}/p.ipc", f"ipc://{tmp_path}/s.ipc"
    with Subscriber(*endpoints, topics=["bbo|"]) as subscriber:
        assert subscriber.poll(0.05) == []
        peer = PublisherThread(*endpoints)
        peer.call(lambda p: p.bbo("A", 1.0, 2.0))
        collect(subscriber, lambda e: any(isinstance(x, Update) for x in e))
        peer.close()


def test_subscriptions_come_and_go(publisher, tmp_path):
    subscriber, _ = connected(publisher, tmp_path, "bbo|A|")
    with subscriber:
        subscriber.subscribe("trade|")
        collect(subscriber, lambda e: Synced("trade|") in e)
        subscriber.unsubscribe("bbo|A|")
        collect(subscriber, lambda _: b"\0bbo|A|" in publisher.publisher.subscriptions)
        publisher.call(lambda p: (p.bbo("A", 1.0, 2.0), p.trade("A", 1.5)))
        assert [e.topic.channel for e in collect(subscriber, bool)] == ["trade"]
