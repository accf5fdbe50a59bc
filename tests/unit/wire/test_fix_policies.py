"""Versions, reset policies, schedules, resends in parts, and what a peer may ask for."""

from datetime import time

import pytest
from fix_text import SECOND, T0, Wire, logged_on, wire

from feedhandler.wire.fix_dictionary_xml import parse
from feedhandler.wire.fix_events import App, Limits
from feedhandler.wire.fix_message import frame
from feedhandler.wire.fix_schedule import Schedule
from feedhandler.wire.fix_session import Disconnect, LoggedOn, Role, SessionState
from feedhandler.wire.fix_time import parse_timestamp
from feedhandler.wire.fix_validate import Rules

ACCEPTOR = Role.ACCEPTOR
STAMP = "20261121-10:58:41"
US = f"49=FH|52={STAMP}|56=SIM"


def ns(text: str) -> int:
    return parse_timestamp(text.encode())


def speaks(begin: str, role: Role = ACCEPTOR, **settings) -> tuple[Wire, list[str]]:
    """A session of that version after the peer's Logon, and what it answered (8 and 9 cut off)."""
    it = Wire(role, begin_string=begin, **settings)
    it.session.connected(it.now_ns)
    body = wire(f"35=A|{it.peer}|34=1|52=NOW|98=0|108=30" + ("|1137=9" if begin == "FIXT.1.1" else ""))
    return it, answers(it, begin, body)


def answers(it: Wire, begin: str, message: bytes) -> list[str]:
    body = message[message.index(b"35=") : message.rindex(b"10=")]
    it.session.receive(frame(begin.encode(), body), it.now_ns)
    out = it.session.take_output().decode().replace("\x01", "|")
    return ["35=" + part.split("|35=", 1)[1].rsplit("|10=", 1)[0] for part in out.split(f"8={begin}|")[1:]]


@pytest.mark.parametrize(
    ("begin", "precision", "reject"),
    [
        ("FIX.4.0", "", "45=2|58=Tag appears more than once (49)"),
        ("FIX.4.1", "", "45=2|58=Tag appears more than once (49)"),
        ("FIX.4.2", ".000", "45=2|58=Tag appears more than once|371=49|372=0"),
        ("FIX.4.4", ".000", "45=2|58=Tag appears more than once|371=49|372=0|373=13"),
        ("FIXT.1.1", ".000", "45=2|58=Tag appears more than once|371=49|372=0|373=13"),
    ],
)
def test_each_version_has_its_own_words(begin, precision, reject):
    it, logon = speaks(begin, time_precision="ms")
    us = f"49=SIM|52={STAMP}{precision}|56=FH"
    assert logon == [f"35=A|34=1|{us}|98=0|108=30" + ("|1137=9" if begin == "FIXT.1.1" else "")]
    twice = wire(f"35=0|34=2|52=NOW|{it.peer}|49=FH")
    assert answers(it, begin, twice) == [f"35=3|34=2|{us}|{reject}"]
    end = "0" if begin >= "FIX.4.2" else "999999"
    assert answers(it, begin, wire(f"35=0|34=9|52=NOW|{it.peer}")) == [f"35=2|34=3|{us}|7=3|16={end}"]


def test_fixt_needs_a_version_of_the_application_messages():
    it = Wire(ACCEPTOR, begin_string="FIXT.1.1")
    it.session.connected(it.now_ns)
    assert answers(it, "FIXT.1.1", wire(f"35=A|{it.peer}|34=1|52=NOW|98=0|108=30")) == []
    assert it.events()[-1] == Disconnect("Required tag missing before logon")


def test_an_unsupported_application_message_is_refused_in_business_words():
    it = logged_on()
    it.says("35=8|PEER|34=2|52=NOW|37=id")
    (event,) = it.events()
    assert isinstance(event, App)
    it.session.reject_business(event, 3, it.now_ns)
    assert it.out() == [f"35=j|34=2|{US}|45=2|58=Unsupported Message Type|372=8|380=3"]


def test_reject_turns_the_route_around():
    it = logged_on()
    route = "50=a|57=b|115=c|116=d|128=e|129=f|142=g|143=h|144=i|145=j"
    assert it.says(f"35=D|PEER|34=2|52=NOW|{route}|11=") == [
        (
            f"35=3|34=2|49=FH|50=b|52={STAMP}|56=SIM|57=a|115=e|116=f|128=c|129=d|142=h|143=g|144=j|145=i"
            "|45=2|58=Tag specified without a value|371=11|372=D|373=4"
        )
    ]


@pytest.mark.parametrize(("policy", "after_logout"), [("reset_on_logout", 1), ("reset_on_disconnect", 1), ("", 3)])
def test_numbers_after_a_logout(policy, after_logout):
    it = logged_on(ACCEPTOR, **({policy: True} if policy else {}))
    it.says("35=5|PEER|34=2|52=NOW")
    assert (it.session.next_in, it.session.next_out) == (after_logout, after_logout)


@pytest.mark.parametrize(("policy", "after"), [("reset_on_logout", 2), ("reset_on_disconnect", 1)])
def test_numbers_after_a_lost_connection(policy, after):
    it = logged_on(**{policy: True})
    it.session.disconnected(it.now_ns)
    assert (it.session.next_in, it.session.next_out) == (after, after)


def test_fresh_numbers_of_a_resetting_initiator_say_so():
    it = Wire(Role.INITIATOR, reset_on_disconnect=True)
    assert it.connect() == [f"35=A|34=1|{US}|98=0|108=30|141=Y"]
    it.says("35=A|PEER|34=1|52=NOW|98=0|108=30|141=Y")
    assert it.events() == [LoggedOn(reset=True)]


def test_a_gap_is_asked_for_in_parts():
    it = logged_on(resend_chunk=5)
    assert it.says("35=0|PEER|34=15|52=NOW") == [f"35=2|34=2|{US}|7=2|16=6"]
    assert it.says("35=4|PEER|34=2|52=NOW|43=Y|122=NOW|36=7|123=Y".replace("|43=Y|122=NOW", "")) == [
        f"35=2|34=3|{US}|7=7|16=11"
    ]
    assert it.says("35=4|PEER|34=7|52=NOW|36=12|123=Y") == [f"35=2|34=4|{US}|7=12|16=0"]
    it.says("35=4|PEER|34=12|52=NOW|36=15|123=Y")
    assert not it.session.gap_pending


# ---- hostile peers ----


@pytest.mark.parametrize(
    ("limits", "message", "what"),
    [
        (Limits(answers=(3, 1)), "35=1|PEER|34=SEQ|52=NOW|112=x", "TestRequests"),
        (Limits(rejects=(3, 1)), "35=0|PEER|34=SEQ|52=NOW|112=", "rejected messages"),
        (Limits(resends=(350, 1)), "35=2|PEER|34=SEQ|52=NOW|7=1|16=0", "ResendRequests"),
    ],
)
def test_a_flood_ends_the_session(limits, message, what):
    it = logged_on(limits=limits)
    for seq in range(2, 12):
        it.says(message.replace("SEQ", str(seq)))
    assert it.session.overdone_count == 1
    assert it.events()[-1] == Disconnect(f"Too many {what}")


def test_a_message_that_is_never_finished_ends_the_session():
    it = logged_on(heartbeat_s=0, unfinished_s=60)
    for byte in b"8=FIX.4.4\x019=100\x0135=0\x01":
        it.session.receive(bytes([byte]), it.now_ns)
        it.now_ns += SECOND
    it.after(100)
    assert it.events()[-1] == Disconnect("a message was not finished in time")


@pytest.mark.parametrize("number", [2**31 - 1, 2**31, 2**32, 2**62])
def test_large_numbers_are_numbers(number):
    it = logged_on()
    it.says(f"35=4|PEER|34=2|52=NOW|36={number}")
    assert it.says(f"35=1|PEER|34={number}|52=NOW|112=x") == [f"35=0|34=2|{US}|112=x"]


def test_numbers_near_the_end_end_the_session():
    it = logged_on()
    assert it.says(f"35=4|PEER|34=2|52=NOW|36={2**63 - 1}") == [f"35=5|34=2|{US}|58=sequence numbers are used up"]


def test_what_is_kept_above_a_gap_is_bounded_in_bytes():
    it = logged_on(queue_max=1000, queue_bytes_max=2000)
    for seq in range(5, 40):
        it.says(f"35=B|PEER|34={seq}|52=NOW|58={'x' * 500}")
    assert sum(len(kept.raw) for kept in it.session._queue.values()) <= 2000
    assert it.session.discarded_count == 35 - len(it.session._queue)


def test_a_group_that_never_ends_costs_its_bytes():
    xml = """<fix major="4" minor="4"><header><field name="A"/></header><trailer><field name="A"/></trailer><messages>
    <message name="N" msgtype="N"><group name="G"><field name="M"/></group></message></messages><fields>
    <field number="8" name="A" type="STRING"/><field number="9" name="L" type="INT"/>
    <field number="10" name="C" type="STRING"/><field number="35" name="T" type="STRING"/>
    <field number="34" name="S" type="INT"/><field number="49" name="F" type="STRING"/>
    <field number="56" name="O" type="STRING"/><field number="52" name="W" type="UTCTIMESTAMP"/>
    <field number="73" name="G" type="NUMINGROUP"/><field number="67" name="M" type="STRING"/></fields></fix>"""
    it = logged_on()
    it.session.config = type(it.config)(
        role=Role.INITIATOR, sender="FH", target="SIM", time_precision="s", rules=Rules(parse(xml.encode()))
    )
    text = "35=N|PEER|34=2|52=NOW|73=999999999" + "|67=x" * 2000
    assert it.says(text) == [
        f"35=3|34=2|{US}|45=2|58=Incorrect NumInGroup count for repeating group|371=73|372=N|373=16"
    ]


# ---- schedules ----

DAILY = Schedule(start=time(8), end=time(17), zone="America/New_York")
WEEKLY = Schedule(start=time(17), end=time(17), start_day=6, end_day=4, zone="America/New_York")
ROUND = Schedule(start=time(0), end=time(0))


@pytest.mark.parametrize(
    ("schedule", "now", "begin", "end"),
    [
        (DAILY, "20261120-14:00:00", "20261120-13:00:00", "20261120-22:00:00"),
        (DAILY, "20261120-12:59:59", None, None),
        (DAILY, "20261120-22:00:00", None, None),
        (DAILY, "20260720-12:30:00", "20260720-12:00:00", "20260720-21:00:00"),  # summer
        (WEEKLY, "20261118-03:00:00", "20261115-22:00:00", "20261120-22:00:00"),
        (WEEKLY, "20261121-03:00:00", None, None),
        (ROUND, "20261118-00:00:00", "20261118-00:00:00", "20261119-00:00:00"),
        (ROUND, "20261118-23:59:59", "20261118-00:00:00", "20261119-00:00:00"),
        (Schedule(start=time(22), end=time(4)), "20261118-01:00:00", "20261117-22:00:00", "20261118-04:00:00"),
    ],
)
def test_sessions_of_a_schedule(schedule, now, begin, end):
    expected = None if begin is None else (ns(begin), ns(end))
    assert schedule.session_of(ns(now)) == expected


@pytest.mark.parametrize(
    ("schedule", "now", "start"),
    [
        (DAILY, "20261120-22:00:00", "20261121-13:00:00"),
        (DAILY, "20261120-12:00:00", "20261120-13:00:00"),
        (WEEKLY, "20261121-03:00:00", "20261122-22:00:00"),
        (ROUND, "20261118-12:00:00", "20261119-00:00:00"),
    ],
)
def test_next_start(schedule, now, start):
    assert schedule.next_start_ns(ns(now)) == ns(start)


def test_a_session_ends_with_its_time_and_begins_at_1():
    it = Wire(ACCEPTOR, schedule=Schedule(start=time(9), end=time(11)), heartbeat_s=0)
    it.store.reset(T0)
    it.connect()
    it.says("35=A|PEER|34=1|52=NOW|98=0|108=0")
    assert it.session.next_timer_ns() == ns("20261121-11:00:00")
    assert it.after(100) == ["35=5|34=2|49=SIM|52=20261121-11:00:21|56=FH"]
    assert it.events()[-1] == Disconnect("the session's time is over")
    assert not it.session.may_connect(it.now_ns)
    assert it.session.next_start_ns(it.now_ns) == ns("20261122-09:00:00")
    it.connect()
    assert (it.session.state, it.session.next_out) == (SessionState.DISCONNECTED, 3)
    it.now_ns = ns("20261122-09:00:00")
    it.connect()
    assert (it.session.state, it.session.next_in, it.session.next_out) == (SessionState.CONNECTED, 1, 1)
