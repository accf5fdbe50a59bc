"""From configuration to session: hours, resets, what is checked."""

from datetime import UTC, datetime, time

from feedhandler.config_source import Endpoint, Hours, Source, parse_endpoint
from feedhandler.sources.fix_config import schedule, session_config
from feedhandler.wire import fix_profile


def source(**keys):
    fixed = {"name": "v", "profile": "fix44", "host": "venue.example", "port": 1, "sender": "A", "target": "B"}
    return Source(**fixed | keys)


def at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def test_a_week_in_new_york():
    hours = Hours(start=time(17), end=time(17), start_day="Sun", end_day="Fri", zone="America/New_York")
    week = schedule(hours)
    assert week.session_of(at("2026-11-20T21:59:59")) is not None  # Friday 16:59:59 in New York
    assert week.session_of(at("2026-11-20T22:00:00")) is None
    assert week.next_start_ns(at("2026-11-21T12:00:00")) == at("2026-11-22T22:00:00")


def test_a_day_across_midnight():
    day = schedule(Hours(start=time(22), end=time(21, 55)))
    assert day.session_of(at("2026-11-20T21:54:59")) == (at("2026-11-19T22:00:00"), at("2026-11-20T21:55:00"))
    assert day.session_of(at("2026-11-20T21:57:00")) is None
    assert schedule(None) is None


def test_the_keys_reach_the_session():
    keys = {"reset_on_logon": True, "reset_on_logout": True, "reset_on_disconnect": True}
    got = session_config(source(**keys, check_field_order=False, check_empty_values=False), fix_profile.load("fix44"))
    assert [getattr(got, key) for key in keys] == [True, True, True]
    assert (got.rules.validation.order, got.rules.validation.have_values) == (False, False)
    strict = session_config(source(), fix_profile.load("fix44")).rules.validation
    assert (strict.order, strict.have_values) == (True, True)


def test_endpoints_are_tried_behind_the_first():
    one = source(endpoints=["b.example:2", "[::1]:3"])
    assert one.addresses() == [Endpoint("venue.example", 1), Endpoint("b.example", 2), Endpoint("::1", 3)]
    assert [parse_endpoint(str(endpoint)) for endpoint in one.addresses()] == one.addresses()
