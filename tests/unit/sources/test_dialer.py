"""Endpoints in turn, pauses that grow, names that take for ever: everything by the times given to it."""

import socket
import threading
import time
from types import SimpleNamespace

import pytest

from feedhandler.config_source import Endpoint
from feedhandler.sources.dialer import Dialer, DialError
from feedhandler.sources.resolve import KEEP_NS, STALE_NS, Resolver

S = 1_000_000_000
A, B, C = Endpoint("127.0.0.1", 1), Endpoint("127.0.0.2", 2), Endpoint("127.0.0.3", 3)
PACE = SimpleNamespace(connect_timeout_s=5.0, reconnect_min_s=1.0, reconnect_max_s=8.0)


class Fake:
    """A connection that stands, fails or hangs, as its endpoint is told to."""

    def __init__(self, answer):
        self.answer = answer
        self.closed = False

    def opened(self):
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer

    def close(self):
        self.closed = True


class Venue:
    def __init__(self, **answers):
        self.answers = answers
        self.tried = []
        self.made = []

    def open(self, address, endpoint):
        self.tried.append(str(endpoint))
        self.made.append(Fake(self.answers[f"p{endpoint.port}"]))
        return self.made[-1]


def refused():
    return OSError(111, "Connection refused")


def attempt(dialer, now_ns):
    """One attempt; the connection, or what was said."""
    assert dialer.next_ns <= now_ns
    dialer.begin(now_ns)
    try:
        return dialer.poll(now_ns)
    except DialError as error:
        return str(error)


def test_endpoints_are_tried_in_turn_and_only_a_whole_round_costs_a_pause():
    venue = Venue(p1=refused(), p2=refused(), p3=refused())
    dialer = Dialer([A, B, C], Resolver(), venue.open, PACE)
    now, pauses = 0, []
    for _ in range(6):
        said = [attempt(dialer, now) for _ in range(3)]
        assert said == [f"{e}: Connection refused" for e in (A, B, C)]
        pauses.append((dialer.next_ns - now) / S)
        now = dialer.next_ns
    for pause, limit in zip(pauses, [1, 2, 4, 8, 8, 8], strict=True):
        assert limit / 2 <= pause <= limit
    assert len(set(pauses)) > 1
    assert venue.tried == [str(A), str(B), str(C)] * 6


def test_failover_and_the_way_back():
    venue = Venue(p1=refused(), p2=True)
    dialer = Dialer([A, B], Resolver(), venue.open, PACE)
    attempt(dialer, 0)
    connection = attempt(dialer, 0)
    assert connection is venue.made[1]
    assert dialer.endpoint == B
    dialer.lost(S, logged_on=True)
    assert dialer.endpoint == A, "after a session the first one is preferred again"
    assert S < dialer.next_ns <= 2 * S


def test_an_endpoint_that_answers_but_lets_nobody_log_on_is_left_for_the_next():
    venue = Venue(p1=True, p2=True)
    dialer = Dialer([A, B], Resolver(), venue.open, PACE)
    for endpoint in (A, B):
        assert attempt(dialer, 0) is venue.made[-1]
        assert dialer.endpoint == endpoint
        dialer.lost(0, logged_on=False)
    assert dialer.next_ns >= S / 2, "all of them: pause"


def test_no_answer_is_given_up_after_the_time_out():
    venue = Venue(p1=False, p2=True)
    dialer = Dialer([A, B], Resolver(), venue.open, PACE)
    assert attempt(dialer, 0) is None
    assert dialer.poll(5 * S - 1) is None
    with pytest.raises(DialError, match=r"^127.0.0.1:1: no answer after 5 s$"):
        dialer.poll(5 * S)
    assert venue.made[0].closed
    assert attempt(dialer, 5 * S) is venue.made[1]


def test_every_address_of_a_name_is_tried_before_the_next_endpoint():
    look_up = lambda host, port: [  # noqa: E731
        (socket.AF_INET, socket.SOCK_STREAM, 0, "", (f"10.0.0.{i}", port)) for i in (1, 2)
    ]
    tried = []

    def open_(address, endpoint):
        tried.append(address.address[0])
        return Fake(refused())

    dialer = Dialer([Endpoint("venue.example", 9), B], Resolver(look_up), open_, PACE)
    deadline = time.monotonic() + 10
    while len(tried) < 3:
        attempt(dialer, 0)
        assert time.monotonic() < deadline
    assert tried == ["10.0.0.1", "10.0.0.2", "127.0.0.2"]


def test_a_look_up_that_hangs_stops_nobody():
    release = threading.Event()

    def look_up(_host, _port):
        release.wait(30)
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("10.0.0.1", 9))]

    dialer = Dialer([Endpoint("venue.example", 9)], Resolver(look_up), Venue(p9=True).open, PACE)
    began = time.monotonic()
    dialer.begin(0)
    assert dialer.poll(0) is None
    with pytest.raises(DialError, match="its address is still looked up after 5 s"):
        dialer.poll(5 * S)
    assert time.monotonic() - began < 10
    release.set()
    deadline = time.monotonic() + 10
    dialer.begin(5 * S)
    while dialer.poll(6 * S) is None:
        assert time.monotonic() < deadline


def resolved(resolver, endpoint, now_ns):
    deadline = time.monotonic() + 10
    while (found := resolver.addresses(endpoint, now_ns)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return [address.address[0] for address in found]


def test_answers_are_kept_for_a_while_and_longer_where_the_name_server_fails():
    answers = ["10.0.0.1", OSError(-3, "Temporary failure"), "10.0.0.2", OSError(-2, "Name or service not known")]
    asked = []

    def look_up(host, port):
        asked.append(host)
        answer = answers[len(asked) - 1]
        if isinstance(answer, OSError):
            raise answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (answer, port))]

    resolver, venue = Resolver(look_up), Endpoint("venue.example", 9)
    assert resolved(resolver, venue, 0) == ["10.0.0.1"]
    assert resolved(resolver, venue, KEEP_NS - 1) == ["10.0.0.1"]
    assert len(asked) == 1
    assert resolved(resolver, venue, KEEP_NS) == ["10.0.0.1"], "the name server failed: the answer before counts"
    assert resolved(resolver, venue, 2 * KEEP_NS) == ["10.0.0.2"]
    with pytest.raises(OSError, match=r"^venue\.example is not found: Name or service not known"):
        resolved(resolver, venue, 2 * KEEP_NS + STALE_NS)


def test_an_address_needs_no_look_up():
    resolver = Resolver(lambda *_: pytest.fail("looked up"))
    assert resolved(resolver, Endpoint("::1", 5), 0) == ["::1"]
    assert resolved(resolver, A, 0) == ["127.0.0.1"]
