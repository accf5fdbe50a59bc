"""A killed conflator: from its checkpoint it troubles no venue; without one it asks again, at the configured pace."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from feedhandler import control
from feedhandler.client import PublisherChanged, Subscriber, Update
from feedhandler.demo.rig import HANDLER, Rig
from feedhandler.errors import ControlError
from feedhandler.ring import Attach, Reader
from feedhandler.tick import Flag, Kind
from feedhandler.topics import Bbo
from tests.e2e.rigs import LIMIT_S, books_differing_at_rest, running, until

INSTRUMENTS = 200
PACE = 100
PER_MESSAGE = 50  # subscribe_per_message's default: also how much the pace may catch up at once


def successor(rig: Rig, old: int, meanwhile: Callable[[], None] = lambda: None) -> dict:
    """Wait for the conflator that follows process `old`; return its status."""
    found: list[dict] = []

    def answers() -> bool:
        meanwhile()
        # The supervisor runs in this thread: a long wait for an answer would keep the successor from starting.
        with suppress(ControlError):
            found.append(control.call(rig.run_dir / "conflator.ctl", "status", 0.1))
        return bool(found) and found[-1]["pid"] != old

    until(rig, answers, "a new conflator")
    return found[-1]


def checkpointed(rig: Rig) -> bool:
    """Whether a checkpoint holds all books."""
    path = rig.shm_dir / "conflator.books"
    return path.exists() and path.stat().st_size > INSTRUMENTS * 100


def test_a_killed_conflator_resumes_and_the_venue_hears_nothing(tmp_path: Path) -> None:
    with running(tmp_path, rate=10_000, instruments=INSTRUMENTS) as rig:
        until(rig, lambda: checkpointed(rig), "a checkpoint")
        before, epoch = rig.venue("messages"), rig.ask("conflator", "status")["publisher_epoch"]
        status = successor(rig, rig.kill("conflator"))
        assert status["resumed_books"] == INSTRUMENTS
        assert status["publisher_epoch"] > epoch
        assert books_differing_at_rest(rig) == []
        after = rig.venue("messages")
        assert after["requests"] == before["requests"]
        assert {35: after["by_type"]["V"]} == {35: before["by_type"]["V"]}
        assert after["instruments"] == before["instruments"] == {"1": INSTRUMENTS}
        assert rig.ask("conflator", "status")["resnapshots_pending"] == {}


class Watch:
    """What the handler wrote and what a subscriber was shown, from a moment on."""

    def __init__(self, rig: Rig, subscriber: Subscriber) -> None:
        self._rig = rig
        self._subscriber = subscriber
        self._ring = Reader(rig.shm_dir, HANDLER)
        assert self._ring.attach() == Attach.OK
        self.cleared: dict[int, int] = {}  # instrument -> seq of its first new snapshot
        self.shown: list[tuple[str, int, bool]] = []  # symbol, seq of the record, called good; by the new publisher
        self.changed = False

    def look(self) -> None:
        self._rig.tally.read()
        while True:
            batch = self._ring.read()
            assert batch.lost == 0, "the test itself fell behind"
            if not len(batch.records):
                break
            for record in batch.records[batch.records["kind"] == Kind.BOOK_CLEAR]:
                self.cleared.setdefault(int(record["instrument"]), int(record["seq"]))
        for event in self._subscriber.poll():
            if isinstance(event, PublisherChanged):
                self.changed = True
            if isinstance(event, Update) and isinstance(event.payload, Bbo) and self.changed:
                good = not event.payload.flags & Flag.MAYBE_BAD_BOOK
                self.shown.append((event.topic.symbol, event.payload.ring_seq, good))


def kill_and_forget(rig: Rig, watch: Watch) -> int:
    """Kill the conflator, take its checkpoint away, and let the ring lap before a successor is started."""
    pid = rig.kill("conflator")
    deadline = time.monotonic() + LIMIT_S
    while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
    (rig.shm_dir / "conflator.books").unlink()
    position = rig.ask(HANDLER, "status")["ring"]
    # The supervisor runs in this thread: it starts nothing until the rig is polled again.
    while rig.ask(HANDLER, "status")["ring"]["published"] < position["published"] + position["capacity"] + 1000:
        assert time.monotonic() < deadline
        watch.look()
    return pid


def assert_paced(requests: list[dict]) -> None:
    """The venue's own record of the requests: never more than the pace allows, in any stretch of time."""
    assert {request["type"] for request in requests} == {"0"}
    assert sum(request["instruments"] for request in requests) == INSTRUMENTS
    assert max(request["instruments"] for request in requests) <= PER_MESSAGE
    times = [request["at_ns"] / 1e9 for request in requests]
    assert times[-1] - times[0] > (INSTRUMENTS - PER_MESSAGE) / PACE / 2
    for i in range(len(requests)):
        for j in range(i, len(requests)):
            asked = sum(request["instruments"] for request in requests[i : j + 1])
            # Requests wait for the venue's turn, at most a tenth of a second by far: that is the slack.
            assert asked <= PACE * (times[j] - times[i] + 0.25) + PER_MESSAGE


def test_without_checkpoint_and_ring_it_asks_instrument_by_instrument_at_the_pace(tmp_path: Path) -> None:
    extra = {"handler": "ring_capacity = 16384", "source": f"resnapshot_per_s = {PACE}"}
    with running(tmp_path, rate=20_000, instruments=INSTRUMENTS, extra=extra) as rig:
        until(rig, lambda: checkpointed(rig), "a checkpoint")
        endpoints = (f"ipc://{rig.run_dir / name}" for name in ("publish.ipc", "snapshot.ipc"))
        with Subscriber(*endpoints, ["bbo|"]) as subscriber:
            until(rig, lambda: (subscriber.poll(), subscriber.synced)[1], "the subscriber to be in sync")
            before = rig.venue("messages")["requests"]
            watch = Watch(rig, subscriber)
            old = kill_and_forget(rig, watch)
            watch.cleared.clear()
            assert successor(rig, old, watch.look)["resumed_books"] == 0

            def all_good() -> bool:
                watch.look()
                return len({symbol for symbol, _, good in watch.shown if good}) == INSTRUMENTS

            until(rig, all_good, "all books to be good again")
            requests = rig.venue("messages")["requests"]
            assert requests[: len(before)] == before
            assert_paced(requests[len(before) :])
            assert_good_only_after_its_snapshot(rig, watch)
        assert books_differing_at_rest(rig) == []


def assert_good_only_after_its_snapshot(rig: Rig, watch: Watch) -> None:
    from feedhandler.instruments import Directory  # noqa: PLC0415 - read once the handler has written it

    ids = {entry.symbol: entry.id for entry in Directory(rig.folder / "state" / "instruments.dir").all()}
    early = [(symbol, seq) for symbol, seq, good in watch.shown if good and seq < watch.cleared[ids[symbol]]]
    assert early == []
    assert any(not good for _, _, good in watch.shown), "unfinished books were published, and said so"
