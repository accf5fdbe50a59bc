"""A handler's line to its venue: hours, endpoints in turn, a pace of requests, messages in an order of their own."""

import re
import socket
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from feedhandler.tick import Kind, State
from feedhandler.wire.fix_events import App, LoggedOn, Role, SessionConfig
from feedhandler.wire.fix_session import MemoryStore, Session
from tests.support.fix_site import Site, states, ticks, until


def log_of(site):
    return "".join(path.read_text() for path in site.folder.glob("handler*.log"))


def clock(offset_s):
    return (datetime.now(UTC) + timedelta(seconds=offset_s)).strftime("%H:%M:%S")


def test_a_source_lives_in_its_hours_only(tmp_path):
    hours = f"[handler.source.schedule]\nstart = {clock(-3600)}\nend = {clock(12)}"
    site = Site(tmp_path, tables=hours)
    try:
        until(lambda: site.ask()["counts"]["ticks"] > 0)
        until(lambda: site.ask()["reason"] == "out_of_hours", timeout_s=40)
        assert site.ask()["state"] == "disconnected"
        until(lambda: site.tell_venue("status")["sessions"][0]["state"] == "disconnected")
        time.sleep(1.0)  # many reconnections' time
        assert site.ask()["counts"]["connects"] == 1
        last = [record for record in site.records() if record["kind"] == Kind.STATE][-1]
        assert (last["level"], last["ref"]) == (State.DISCONNECTED, 14)
    finally:
        site.close()


def test_a_source_that_starts_outside_of_its_hours_waits_for_them(tmp_path):
    hours = f"[handler.source.schedule]\nstart = {clock(6)}\nend = {clock(3600)}"
    site = Site(tmp_path, tables=hours)
    try:
        assert site.ask()["reason"] in ("out_of_hours", "logged_on", "subscribed")
        until(lambda: site.ask()["state"] == "synced", timeout_s=40)
        assert states(site.records())[:3] == [State.DISCONNECTED, State.DISCONNECTED, State.CONNECTED]
    finally:
        site.close()


def test_the_next_endpoint_is_taken_where_one_lets_nobody_log_on(tmp_path):
    """The first refuses, the second takes connections and says nothing, the third is the venue."""
    with socket.create_server(("127.0.0.1", 0)) as dumb, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: refused

        def where(port):
            listed = f'["localhost:{dumb.getsockname()[1]}", "127.0.0.1:{port}"]'
            return f'host = "127.0.0.1"\nport = {closed.getsockname()[1]}\nendpoints = {listed}'

        taken = []

        def take():
            connection, _ = dumb.accept()
            taken.append(connection.recv(1000))
            connection.close()

        thread = threading.Thread(target=take)
        thread.start()
        site = Site(tmp_path, where=where)
        try:
            until(lambda: site.ask()["state"] == "synced", timeout_s=40)
            assert site.ask()["endpoint"] == f"127.0.0.1:{site.port}"
            venue, records = site.settled()
            assert venue["ticks_sent"] == ticks(records)
        finally:
            site.close()
            thread.join(10)
    assert b"35=A" in taken[0]
    assert re.search(r'"why": "127.0.0.1:\d+: Connection refused"', log_of(site))


def test_requests_keep_to_the_pace_that_is_configured(tmp_path):
    site = Site(tmp_path, more="requests_per_s = 4\nsubscribe_per_message = 3")  # ten requests for thirty instruments
    try:
        until(lambda: site.ask()["state"] == "synced", timeout_s=40)
        at = [one["at_ns"] / 1e9 for one in site.tell_venue("messages")["requests"]]
        assert len(at) == 10
        assert at[-1] - at[3] >= 1.0, "four at once, six more at four a second"
        assert site.ask()["requests_waiting"] == 0
    finally:
        site.close()


class OddVenue:
    """Puts MsgSeqNum and SendingTime behind the body of market data, as some venues do."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.rejects = []
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        connection, _ = self.listener.accept()
        config = SessionConfig(role=Role.ACCEPTOR, sender="SIM", target="FH")
        session = Session(config, MemoryStore())
        session.connected(time.time_ns())
        connection.settimeout(0.02)
        with connection:
            while True:
                try:
                    data = connection.recv(65536)
                    if not data:
                        return
                    session.receive(data, time.time_ns())
                except TimeoutError:
                    session.poll(time.time_ns())
                out = session.take_output()
                for event in session.take_events():
                    if isinstance(event, App) and event.msg_type == b"V":
                        out += self.odd(session)
                    elif not isinstance(event, App | LoggedOn):
                        self.rejects.append(event)
                connection.sendall(out)

    @staticmethod
    def odd(session):
        now = datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S")
        body = "35=W|49=SIM|56=FH|55=EURUSD|268=1|269=0|270=1.5|271=100|"
        body += f"34={session.store.next_out}|52={now}|"
        session.store.next_out += 1
        data = body.replace("|", "\x01").encode()
        data = b"8=FIX.4.4\x019=%d\x01" % len(data) + data
        return data + b"10=%03d\x01" % (sum(data) % 256)


@pytest.mark.parametrize("strict", [True, False])
def test_header_fields_behind_the_body_are_taken_where_that_is_allowed(tmp_path, strict):
    venue = OddVenue()
    port = venue.listener.getsockname()[1]
    instrument = (
        '{ venue = "EURUSD", symbol = "EUR/USD", tick = 0.1, lot = 1.0, price_decimals = 5, size_decimals = 2 }'
    )
    more = f"check_field_order = {str(strict).lower()}\ninstruments = [ {instrument} ]"
    site = Site(tmp_path, where=lambda _: f'host = "127.0.0.1"\nport = {port}', more=more, own_instruments=True)
    try:
        if strict:
            until(lambda: site.ask()["next_out"] >= 4)  # Logon, request, Reject
            assert site.ask()["counts"]["ticks"] == 0
        else:
            until(lambda: site.ask()["counts"]["ticks"] == 1)
            level = site.records()[site.records()["kind"] == Kind.LEVEL]
            assert list(level["price"]) == [1.5]
    finally:
        site.close()
        venue.listener.close()
        venue.thread.join(10)
    kinds = [type(event).__name__ for event in venue.rejects]
    assert ("Rejected" in kinds) == strict
