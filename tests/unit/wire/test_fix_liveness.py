"""Heartbeat, TestRequest, time-outs: a clock moved by hand."""

from fix_text import SECOND, T0, Wire, logged_on

from feedhandler.wire.fix_session import NEVER_NS, Disconnect, LoggedOut, Role

US = "49=FH|56=SIM"


def test_heartbeat_after_an_interval_of_sending_nothing():
    it = logged_on(heartbeat_s=10)
    assert it.session.next_timer_ns() == T0 + 10 * SECOND
    assert it.after(9.9) == []
    assert it.after(0.1) == ["35=0|34=2|49=FH|52=20261121-10:58:51|56=SIM"]
    it.says("35=0|PEER|34=2|52=NOW")
    assert it.session.next_timer_ns() == T0 + 20 * SECOND


def test_sending_delays_the_heartbeat():
    it = logged_on(heartbeat_s=10)
    it.now_ns += 5 * SECOND
    it.session.send(b"V", [(262, b"1")], it.now_ns)
    it.out()
    assert it.after(5) == []
    assert it.says("35=0|PEER|34=2|52=NOW") == []
    assert [m.split("|")[0] for m in it.after(5)] == ["35=0"]


def test_6_test_request_then_the_end():
    it = logged_on(heartbeat_s=10)
    assert [m.split("|")[0] for m in it.after(10)] == ["35=0"]
    assert it.session.next_timer_ns() == T0 + 12 * SECOND
    assert it.after(2) == ["35=1|34=3|49=FH|52=20261121-10:58:53|56=SIM|112=TEST"]
    assert it.after(11) == []
    assert it.session.next_timer_ns() == T0 + 24 * SECOND
    it.after(1)
    assert it.events() == [
        LoggedOut("Timed out waiting for heartbeat"),
        Disconnect("Timed out waiting for heartbeat"),
    ]


def test_an_answer_to_the_test_request_keeps_the_session():
    it = logged_on(heartbeat_s=10)
    it.after(12)
    it.says("35=0|PEER|34=2|52=NOW|112=TEST")
    it.after(9)
    assert it.events() == []
    assert [m.split("|")[0] for m in it.after(3)] == ["35=1"]


def test_4b_test_request_is_answered_with_its_id():
    it = logged_on()
    assert it.says("35=1|PEER|34=2|52=NOW|112=are you there=?") == [
        "35=0|34=2|49=FH|52=20261121-10:58:41|56=SIM|112=are you there=?"
    ]


def test_no_heartbeats_with_108_0():
    it = logged_on(Role.ACCEPTOR, heartbeat_s=0)
    assert it.session.next_timer_ns() == NEVER_NS
    assert it.after(100_000) == []
    assert it.events() == []


def test_garbled_bytes_do_not_count_as_life():
    it = logged_on(heartbeat_s=10)
    it.now_ns += 11 * SECOND
    it.session.receive(b"8=FIX.4.4\x019=5\x01garbage\x01", it.now_ns)
    assert "35=1" in [m.split("|")[0] for m in it.after(1)]


def test_native_traffic_counts_as_life():
    it = logged_on(heartbeat_s=10)
    for _ in range(5):
        it.now_ns += 8 * SECOND
        it.session.note_received(it.now_ns)
        it.session.note_sent(it.now_ns)
        it.session.poll(it.now_ns)
    assert (it.out(), it.events()) == ([], [])


def test_a_clock_that_steps_back_does_nothing():
    it = logged_on(heartbeat_s=10)
    assert it.after(-50) == []
    assert it.events() == []


def test_acceptor_that_hears_nothing_at_all():
    it = Wire(Role.ACCEPTOR)
    it.connect()
    it.session.receive(b"\x00\xff" * 100, it.now_ns)
    it.after(10)
    assert it.events()[-1] == Disconnect("Timed out waiting for logon response")
