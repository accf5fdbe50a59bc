"""The subscriber's state machine, fed by hand: no sockets, no clock."""

import random

import pytest

from feedhandler.topics import Bbo, Book, Heartbeat, State, Tick, Trade, decode_request, encode_payload
from feedhandler.wire.book_state import BookState
from feedhandler.wire.sequencer import BUFFER_MAX
from feedhandler.wire.subscriber import SubscriberState
from feedhandler.wire.subscriber_events import (
    GapEvent,
    PublisherChanged,
    ResetSnapshotSocket,
    SendRequest,
    Subscribe,
    Synced,
    Unsubscribe,
    Update,
)

MS = 1_000_000


def head(seq, version=1):
    return (version, seq, 10 * seq, 10 * seq + 1, 10 * seq + 2, "r", 1, seq)


def bbo(seq, version=1):
    return Bbo(*head(seq, version), float(seq), 1.0, seq + 1.0, 1.0, 0, 10 * seq)


def book(seq, kind=1, bids=(), asks=()):
    return Book(*head(seq), kind, list(bids), list(asks), 0)


def trade(seq):
    return Trade(*head(seq), float(seq), 1.0, 1, seq, 0)


class Rig:
    """A state machine, its time, and short ways to feed it."""

    def __init__(self, *prefixes):
        self.state = SubscriberState()
        self.now = MS
        for prefix in prefixes:
            self.state.subscribe(prefix)
        self.hb = 0

    def live(self, topic, payload, *more):
        self.state.on_frames([topic.encode(), encode_payload(payload), *more], self.now)

    def beat(self, epoch=1, seq=None, **last):
        self.hb = seq if seq is not None else self.hb + 1
        self.live("hb|*|*", Heartbeat(*head(self.hb), epoch, {k.replace("_", "|"): v for k, v in last.items()}))

    def requests(self):
        self.state.poll(self.now)
        return [decode_request(a.frame).prefix for a in self.state.take_actions() if isinstance(a, SendRequest)]

    def reply(self, *items, epoch=1):
        for topic, payload in items:
            self.state.on_snapshot([b"S", topic.encode(), encode_payload(payload)], self.now)
        self.state.on_snapshot([b"E", encode_payload({"publisher_epoch": epoch, "count": len(items)})], self.now)

    def sync(self, *items, epoch=1):
        while self.requests():
            self.reply(*items, epoch=epoch)
            self.now += 10 * MS
        return self.events()

    def events(self):
        """What happened, as short tuples."""
        out = []
        for event in self.state.take_events():
            match event:
                case Update(topic, payload, snapshot):
                    out.append(("snap" if snapshot else "live", topic.channel, payload.seq))
                case GapEvent(topic, first, last):
                    out.append(("gap", topic.channel, first, last))
                case PublisherChanged(epoch):
                    out.append(("restart", epoch))
                case Synced(prefix):
                    out.append(("synced", prefix))
        return out


def test_subscribes_then_asks_for_the_snapshot():
    rig = Rig("bbo|A|")
    rig.state.poll(rig.now)
    first, second, request = rig.state.take_actions()
    assert (first, second) == (Subscribe(b"hb|"), Subscribe(b"bbo|A|"))
    assert decode_request(request.frame).prefix == "bbo|A|"


def test_updates_wait_for_the_snapshot_and_those_it_contains_are_dropped():
    rig = Rig("bbo|")
    rig.requests()
    for seq in (4, 5, 6):
        rig.live("bbo|A|x", bbo(seq))
    assert rig.events() == []
    rig.reply(("bbo|A|x", bbo(5)), ("bbo|B|x", bbo(9)))
    assert rig.events() == [("snap", "bbo", 5), ("live", "bbo", 6), ("snap", "bbo", 9), ("synced", "bbo|")]
    rig.live("bbo|A|x", bbo(7))
    rig.live("bbo|B|x", bbo(10))
    assert rig.events() == [("live", "bbo", 7), ("live", "bbo", 10)]
    assert rig.state.synced
    assert rig.state.counts.stale == 2


def test_a_topic_born_after_the_snapshot_starts_at_one_or_has_a_gap():
    rig = Rig("bbo|")
    rig.sync()
    rig.live("bbo|A|x", bbo(1))
    rig.live("bbo|B|x", bbo(3))
    assert rig.events() == [("live", "bbo", 1), ("gap", "bbo", 1, 2), ("live", "bbo", 3)]


def test_a_gap_of_a_complete_value_is_reported_and_healed_by_the_value_itself():
    rig = Rig("bbo|")
    rig.sync(("bbo|A|x", bbo(1)))
    rig.live("bbo|A|x", bbo(5))
    assert rig.events() == [("gap", "bbo", 2, 4), ("live", "bbo", 5)]
    assert rig.requests() == []
    assert rig.state.counts.lost == 3


def test_a_gap_in_a_book_waits_for_a_snapshot_of_that_topic():
    rig = Rig("book|")
    rig.sync(("book|A|x", book(1, 0)))
    rig.live("book|A|x", book(2))
    rig.live("book|A|x", book(4))
    rig.live("book|A|x", book(5))
    assert rig.events() == [("live", "book", 2), ("gap", "book", 3, 3)]
    assert not rig.state.synced
    assert rig.requests() == ["book|A|x"]
    rig.reply(("book|A|x", book(4, 0)))
    assert rig.events() == [("snap", "book", 4), ("live", "book", 5)]


def test_a_book_snapshot_on_the_live_stream_heals_a_gap_at_once():
    rig = Rig("book|")
    rig.sync(("book|A|x", book(1, 0)))
    rig.live("book|A|x", book(4, 0))
    rig.live("book|A|x", book(5))
    assert rig.events() == [("gap", "book", 2, 3), ("live", "book", 4), ("live", "book", 5)]


def test_a_snapshot_older_than_a_second_gap_leads_to_another_request():
    rig = Rig("book|")
    rig.sync(("book|A|x", book(1, 0)))
    for seq in (3, 4, 7):
        rig.live("book|A|x", book(seq))
    assert rig.requests() == ["book|A|x"]
    rig.reply(("book|A|x", book(4, 0)))
    assert rig.events() == [("gap", "book", 2, 2), ("snap", "book", 4), ("gap", "book", 5, 6)]
    rig.now += 10 * MS
    assert rig.requests() == ["book|A|x"]
    rig.reply(("book|A|x", book(7, 0)))
    assert rig.events() == [("snap", "book", 7)]


def test_events_are_never_held_and_their_loss_is_an_exact_range():
    rig = Rig("trade|", "tick|")
    rig.live("trade|A|x", trade(10))
    rig.live("trade|A|x", trade(11))
    rig.live("trade|A|x", trade(15))
    rig.live("tick|*|x", Tick(*head(1), 1), bytes(64))
    assert rig.events() == [
        ("live", "trade", 10), ("live", "trade", 11), ("gap", "trade", 12, 14), ("live", "trade", 15),
        ("live", "tick", 1),
    ]  # fmt: skip


def test_a_trade_snapshot_sets_the_base_but_swallows_no_live_trade():
    rig = Rig("trade|")
    rig.sync(("trade|A|x", trade(7)), ("trade|B|x", trade(7)))
    rig.live("trade|A|x", trade(6))
    rig.live("trade|A|x", trade(7))
    rig.live("trade|B|x", trade(9))
    assert rig.events() == [("live", "trade", 6), ("live", "trade", 7), ("gap", "trade", 8, 8), ("live", "trade", 9)]


def test_the_heartbeat_reveals_a_lost_trailing_edge():
    rig = Rig("bbo|", "trade|")
    rig.sync(("bbo|A|x", bbo(1)))
    rig.live("trade|A|x", trade(1))
    rig.beat(bbo_A_x=1, trade_A_x=1)
    assert rig.events() == [("live", "trade", 1)]
    rig.beat(bbo_A_x=3, trade_A_x=4)
    assert rig.events() == [("gap", "bbo", 2, 3), ("gap", "trade", 2, 4)]
    assert rig.requests() == ["bbo|A|x"]
    rig.reply(("bbo|A|x", bbo(3)))
    rig.live("bbo|A|x", bbo(4))
    rig.live("trade|A|x", trade(5))
    assert rig.events() == [("snap", "bbo", 3), ("live", "bbo", 4), ("live", "trade", 5)]


def test_the_heartbeat_reveals_topics_of_which_nothing_arrived():
    rig = Rig("bbo|", "trade|")
    rig.sync()
    rig.beat(trade_B_x=3)  # before we joined, for all we know
    rig.beat(bbo_A_x=2, trade_A_x=2, book_A_x=9)
    assert rig.events() == [("gap", "bbo", 1, 2), ("gap", "trade", 0, 2)]
    assert rig.requests() == ["bbo|A|x"]


def test_a_lost_heartbeat_makes_us_compare_everything():
    rig = Rig("bbo|")
    rig.sync(("bbo|A|x", bbo(1)))
    rig.beat(seq=1)
    rig.beat(seq=3)
    assert rig.requests() == ["bbo|"]
    rig.reply(("bbo|A|x", bbo(4)))
    rig.live("bbo|A|x", bbo(5))
    assert rig.events() == [("snap", "bbo", 4), ("live", "bbo", 5)]


def test_a_new_publisher_epoch_starts_all_over():
    rig = Rig("bbo|", "book|")
    rig.sync(("bbo|A|x", bbo(8)), ("book|A|x", book(3, 0)))
    rig.beat(epoch=1)
    rig.beat(epoch=2, seq=1)
    assert rig.events() == [("restart", 2)]
    rig.live("bbo|A|x", bbo(2))
    events = rig.sync(("bbo|A|x", bbo(1)), ("book|A|x", book(1, 0)), epoch=2)
    assert events.count(("snap", "bbo", 1)) == 1
    assert ("live", "bbo", 2) in events
    assert ("snap", "book", 1) in events
    assert rig.state.synced
    assert rig.state.epoch == 2


def test_a_seq_that_runs_back_is_a_new_publisher_even_before_its_heartbeat():
    rig = Rig("bbo|", "trade|")
    rig.sync(("bbo|A|x", bbo(8)))
    rig.live("bbo|A|x", bbo(9))
    rig.live("trade|A|x", trade(5))
    assert rig.events() == [("live", "bbo", 9), ("live", "trade", 5)]
    rig.live("trade|A|x", trade(1))
    assert rig.events() == [("restart", None), ("live", "trade", 1)]
    rig.sync(("bbo|A|x", bbo(1)), epoch=2)
    rig.beat(epoch=2, seq=1)
    assert rig.state.counts.restarts == 1


def test_a_snapshot_by_another_publisher_starts_all_over():
    rig = Rig("bbo|")
    rig.beat(epoch=1)
    rig.requests()
    rig.reply(("bbo|A|x", bbo(1)), epoch=2)
    assert ("restart", 2) in rig.events()
    assert rig.sync(("bbo|A|x", bbo(1)), epoch=2) == [("snap", "bbo", 1), ("synced", "bbo|")]


def test_an_unanswered_request_is_sent_again_on_a_new_socket():
    rig = Rig("bbo|")
    assert rig.requests() == ["bbo|"]
    rig.now += 999 * MS
    assert rig.requests() == []
    rig.now += 2 * MS
    rig.state.poll(rig.now)
    assert ResetSnapshotSocket() in rig.state.take_actions()
    rig.now += 6 * MS
    assert rig.requests() == ["bbo|"]
    rig.now = rig.state.next_timer_ns()
    rig.state.poll(rig.now)
    rig.now += 40 * MS
    assert rig.requests() == []  # later and later
    assert rig.state.counts.snapshot_timeouts == 2


def test_a_reply_that_nobody_waits_for_is_ignored():
    rig = Rig("bbo|")
    rig.reply(("bbo|A|x", bbo(1)))
    assert rig.events() == []


@pytest.mark.parametrize(
    "frames", [[], [b"S"], [b"E"], [b"E", b"\xc1"], [b"Q", b""], [b"X", encode_payload({"error": "no"})]]
)
def test_a_refused_or_garbled_reply_is_counted_and_asked_again(frames):
    rig = Rig("bbo|")
    rig.requests()
    rig.state.on_snapshot(frames, rig.now)
    assert rig.state.counts.snapshot_errors == 1
    rig.now += 100 * MS
    assert rig.requests() == ["bbo|"]


def test_many_broken_topics_are_asked_for_with_one_request():
    rig = Rig("book|")
    rig.sync(*((f"book|S{i}|x", book(1, 0)) for i in range(100)))
    for i in range(100):
        rig.live(f"book|S{i}|x", book(3))
    rig.events()
    assert rig.requests() == ["book|"]
    rig.reply(*((f"book|S{i}|x", book(3, 0)) for i in range(100)))
    assert rig.events() == [("snap", "book", 3)] * 100
    assert rig.state.synced


def test_a_full_buffer_is_counted_and_ends_in_sync_all_the_same():
    rig = Rig("book|")
    rig.requests()
    for seq in range(1, BUFFER_MAX + 3):
        rig.live("book|A|x", book(seq, int(seq > 1)))
    assert rig.state.counts.buffer_overflows == 1
    rig.reply(("book|A|x", book(10, 0)))
    assert ("gap", "book", 11, BUFFER_MAX) in rig.events()
    rig.now += 10 * MS
    assert rig.requests()
    rig.reply(("book|A|x", book(BUFFER_MAX + 2, 0)))
    assert rig.events() == [("snap", "book", BUFFER_MAX + 2)]
    assert rig.state.synced


@pytest.mark.parametrize(
    ("topic", "payload", "counter"),
    [
        (b"bbo|A|x", encode_payload(bbo(2, version=2)), "wrong_version"),
        (b"bbo|A|x", encode_payload([2, "else"]), "wrong_version"),
        (b"bbo|A|x", b"\xc1", "malformed"),
        (b"bbo|A|x", b"", "malformed"),
        (b"bbo|A|x", encode_payload(bbo(0)), "malformed"),
        (b"bbo|A|x", encode_payload(bbo(-1)), "malformed"),
        (b"bbo|A", encode_payload(bbo(2)), "bad_topics"),
        (b"\xff\xfe", encode_payload(bbo(2)), "bad_topics"),
        (b"bar.1m|A|x", encode_payload(bbo(2)), "unknown_channel"),
    ],
)
def test_what_cannot_be_read_is_counted_and_harms_nothing(topic, payload, counter):
    rig = Rig("bbo|")
    rig.sync(("bbo|A|x", bbo(1)))
    rig.state.on_frames([topic, payload], rig.now)
    rig.state.on_frames([topic], rig.now)
    assert getattr(rig.state.counts, counter) >= 1
    rig.live("bbo|A|x", bbo(2))
    assert rig.events() == [("live", "bbo", 2)]


def test_unsubscribing_forgets_and_later_messages_are_ignored():
    rig = Rig("bbo|", "bbo|A|")
    rig.sync(("bbo|A|x", bbo(1)), ("bbo|B|x", bbo(1)))
    rig.state.unsubscribe("bbo|")
    assert rig.state.take_actions() == [Unsubscribe(b"bbo|")]
    rig.live("bbo|A|x", bbo(2))
    rig.live("bbo|B|x", bbo(2))
    assert rig.events() == [("live", "bbo", 2)]


def test_state_of_a_source_arrives_by_snapshot_and_live():
    rig = Rig("state|")
    assert rig.sync(("state|*|x", State(*head(2), 1, 0, 0))) == [("snap", "state", 2), ("synced", "state|")]
    rig.live("state|*|x", State(*head(3), 2, 0, 0))
    assert rig.events() == [("live", "state", 3)]


def test_a_book_is_put_together_from_snapshot_and_changes():
    state = BookState()
    with pytest.raises(ValueError, match="no book"):
        state.snapshot()
    state.apply(book(1, 0, [(9.0, 1.0), (8.0, 2.0)], [(10.0, 1.0), (11.0, 5.0)]))
    state.apply(book(2, 1, [(9.0, 0.0), (8.5, 3.0), (1.0, 0.0)], [(10.0, 4.0)]))
    assert state.bids() == [(8.5, 3.0), (8.0, 2.0)]
    assert state.asks(1) == [(10.0, 4.0)]
    assert state.snapshot() == book(2, 0, [(8.5, 3.0), (8.0, 2.0)], [(10.0, 4.0), (11.0, 5.0)])


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_lost_books_end_equal_and_every_hole_was_announced(seed):
    """Random losses of updates, heartbeats and replies, random delays, a restart: the book is right in the end."""
    rng = random.Random(seed)
    rig = Rig("book|", "trade|")
    truth, mine, received, announced = BookState(), BookState(), set(), set()
    epoch, seq, trades, hb, pending, asked = 1, 0, 0, 0, [], None
    restart_at = rng.randrange(20, 300)

    def settle():
        for event in rig.state.take_events():
            if isinstance(event, Update) and event.topic.channel == "book":
                mine.apply(event.payload)
            elif isinstance(event, Update):
                received.add((epoch, event.payload.seq))
            elif isinstance(event, GapEvent) and event.topic.channel == "trade":
                announced.update((epoch, n) for n in range(event.from_seq, event.to_seq + 1))

    for step in range(900):
        rig.now += rng.randrange(1, 20) * MS
        calm = step >= 400
        if step == restart_at:
            epoch, seq, trades, hb, truth = 2, 0, 0, 0, BookState()
        lost = not calm and rng.random() < 0.15
        seq += 1
        price = float(rng.randrange(1, 6))
        change = book(seq, 0 if seq == 1 else 1, [(price, float(rng.randrange(0, 3)))], [])
        truth.apply(change)
        trades += 1
        if not lost:
            rig.live("book|A|x", change)
            rig.live("trade|A|x", trade(trades))
        if step % 5 == 4:
            hb += 1
            if calm or rng.random() > 0.2:
                rig.live("hb|*|*", Heartbeat(*head(hb), epoch, {"book|A|x": seq, "trade|A|x": trades}))
        settle()
        rig.state.poll(rig.now)
        for action in rig.state.take_actions():
            if isinstance(action, SendRequest):
                asked = decode_request(action.frame).prefix
            elif isinstance(action, ResetSnapshotSocket):
                asked, pending = None, []
        if asked is not None and (calm or rng.random() < 0.5):
            if calm or rng.random() > 0.2:
                pending = [("book|A|x", truth.snapshot())] if "book|A|x".startswith(asked) else []
                rig.reply(*pending, epoch=epoch)
            asked = None
        settle()
    assert rig.state.synced
    assert (mine.bids(), mine.latest.seq) == (truth.bids(), seq)
    first = min(n for e, n in received if e == 2)
    assert {(2, n) for n in range(first, trades + 1)} == {pair for pair in received | announced if pair >= (2, first)}


def test_a_topic_put_aside_by_a_heartbeat_is_taken_once_it_is_subscribed():
    rig = Rig("bbo|")
    rig.sync()
    rig.beat(book_A_x=5, bbo_A_x=0)
    rig.beat(book_A_x=6)
    assert rig.requests() == []
    rig.state.subscribe("book|")
    assert rig.sync(("book|A|x", book(6, kind=0))) == [("snap", "book", 6), ("synced", "book|")]
    rig.beat(book_A_x=7)
    assert rig.events() == [("gap", "book", 7, 7)]
    assert rig.requests() == ["book|A|x"]
