"""Logon and logout, both roles."""

import pytest
from fix_text import SECOND, T0, Wire, logged_on, wire

from feedhandler.wire.fix_session import (
    NEVER_NS,
    Disconnect,
    Gap,
    LoggedOn,
    LoggedOut,
    LogonRefused,
    Role,
    SessionState,
)

INITIATOR, ACCEPTOR = Role.INITIATOR, Role.ACCEPTOR
STAMP = "20261121-10:58:41"


def test_initiator_logs_on():
    it = Wire(INITIATOR)
    assert it.connect() == [f"35=A|34=1|49=FH|52={STAMP}|56=SIM|98=0|108=30"]
    assert it.session.state is SessionState.LOGON_SENT
    assert it.says("35=A|PEER|34=1|52=NOW|98=0|108=30") == []
    assert it.events() == [LoggedOn()]
    assert it.session.state is SessionState.LOGGED_ON


def test_acceptor_answers():
    it = Wire(ACCEPTOR)
    assert it.connect() == []
    assert it.says("35=A|PEER|34=1|52=NOW|98=0|108=7") == [f"35=A|34=1|49=SIM|52={STAMP}|56=FH|98=0|108=7"]
    assert it.events() == [LoggedOn()]
    assert it.session.next_timer_ns() == T0 + 7 * SECOND


def test_all_logon_fields():
    hook_calls = []

    def hook(seq, sending_time):
        hook_calls.append((seq, sending_time))
        return [(95, b"3"), (96, b"sig")]

    it = Wire(
        INITIATOR, reset_on_logon=True, username="me", password="secret", appl_ver_id="9",
        logon_hook=hook, header_fields=((57, b"QUOTE"),),
    )  # fmt: skip
    assert it.connect() == [
        f"35=A|34=1|49=FH|52={STAMP}|56=SIM|57=QUOTE|98=0|108=30|141=Y|553=me|554=secret|1137=9|95=3|96=sig"
    ]
    assert hook_calls == [(1, STAMP)]
    assert "secret" not in repr(it.config)


def test_numbers_go_on_over_connections():
    it = logged_on()
    it.session.disconnected(it.now_ns)
    assert it.events() == [LoggedOut("connection lost")]
    assert it.connect() == [f"35=A|34=2|49=FH|52={STAMP}|56=SIM|98=0|108=30"]


def test_reset_by_the_initiator():
    it = logged_on(reset_on_logon=True)
    it.session.next_in = it.session.next_out = 50
    it.session.disconnected(it.now_ns)
    assert it.connect() == [f"35=A|34=1|49=FH|52={STAMP}|56=SIM|98=0|108=30|141=Y"]
    assert it.says("35=A|PEER|34=1|52=NOW|98=0|108=30|141=Y") == []
    assert it.events()[-1] == LoggedOn(reset=True)
    assert (it.session.next_in, it.session.next_out) == (2, 2)


def test_acceptor_answers_a_reset_with_a_reset():
    it = logged_on(ACCEPTOR)
    it.session.next_in = it.session.next_out = 50
    it.session.disconnected(it.now_ns)
    it.connect()
    assert it.says("35=A|PEER|34=1|52=NOW|98=0|108=30|141=Y") == [
        f"35=A|34=1|49=SIM|52={STAMP}|56=FH|98=0|108=30|141=Y"
    ]
    assert it.events()[-1] == LoggedOn(reset=True)
    assert (it.session.next_in, it.session.next_out) == (2, 2)


def test_reset_while_logged_on():
    """QuickFIX's acceptance case SessionReset."""
    it = logged_on(ACCEPTOR)
    it.says(*[f"35=0|PEER|34={seq}|52=NOW" for seq in range(2, 10)])
    assert it.says("35=1|PEER|34=10|52=NOW|112=1") == [f"35=0|34=2|49=SIM|52={STAMP}|56=FH|112=1"]
    assert it.says("35=A|PEER|34=1|52=NOW|98=0|108=30|141=Y") == [
        f"35=A|34=1|49=SIM|52={STAMP}|56=FH|98=0|108=30|141=Y"
    ]
    assert it.says("35=1|PEER|34=2|52=NOW|112=1") == [f"35=0|34=2|49=SIM|52={STAMP}|56=FH|112=1"]


def test_a_venue_that_resets_counts_our_logon_as_first():
    it = logged_on()
    it.session.next_in = it.session.next_out = 50
    it.session.disconnected(it.now_ns)
    it.connect()
    it.says("35=A|PEER|34=1|52=NOW|98=0|108=30|141=Y")
    assert (it.session.next_in, it.session.next_out) == (2, 2)


def test_acceptor_that_resets_on_logon():
    it = logged_on(ACCEPTOR, reset_on_logon=True)
    it.session.next_in = it.session.next_out = 50
    it.session.disconnected(it.now_ns)
    it.connect()
    assert it.says("35=A|PEER|34=1|52=NOW|98=0|108=30") == [f"35=A|34=1|49=SIM|52={STAMP}|56=FH|98=0|108=30"]


@pytest.mark.parametrize("first", ["35=0", "35=1|112=x", "35=V|262=1", "35=5", "35=4|36=9", "35=2|7=1|16=0"])
def test_first_message_must_be_logon(first):
    it = Wire(ACCEPTOR)
    it.connect()
    msg_type, *body = first.split("|")
    assert it.says("|".join([msg_type, "PEER|34=1|52=NOW", *body])) == []
    assert it.events() == [Disconnect("Logon state is not valid for message")]
    assert it.session.next_in == 1


@pytest.mark.parametrize(
    ("logon", "reason"),
    [
        ("35=A|49=WHO|56=SIM|34=1|52=NOW|98=0|108=30", "CompID problem before logon"),
        ("35=A|49=FH|56=WHO|34=1|52=NOW|98=0|108=30", "CompID problem before logon"),
        ("35=A|PEER|34=1|52=20261121-10:50:00|98=0|108=30", "SendingTime accuracy problem before logon"),
        ("35=A|PEER|34=1|52=NOW|108=30", "Required tag missing before logon"),
        ("35=A|PEER|34=1|52=NOW|98=0", "Required tag missing before logon"),
        ("35=A|PEER|34=1|52=NOW|98=0|108=x", "Incorrect data format for value before logon"),
        ("8=FIX.4.2|35=A|PEER|34=1|52=NOW|98=0|108=30", "Incorrect BeginString"),
    ],
)
def test_bad_logon_ends_the_connection_without_a_word(logon, reason):
    it = Wire(ACCEPTOR)
    it.connect()
    assert it.says(logon) == []
    refused, end = it.events()
    assert isinstance(refused, LogonRefused)
    assert (refused.reason, end) == (reason, Disconnect(reason))
    assert it.session.next_in == 1


def test_a_negative_heartbeat_interval_is_refused_in_words():
    it = Wire(ACCEPTOR)
    it.connect()
    text = "HeartBtInt must not be negative"
    assert it.says("35=A|PEER|34=1|52=NOW|98=0|108=-10") == [f"35=5|34=1|49=SIM|52={STAMP}|56=FH|58={text}"]
    assert it.events() == [Disconnect(text)]


def test_a_garbled_logon_ends_the_connection():
    it = Wire(ACCEPTOR)
    it.connect()
    raw = wire(f"35=A|{it.peer}|34=1|52=NOW|98=0|108=30").replace(b"\x0110=", b"\x0110=9")
    it.session.receive(raw, it.now_ns)
    assert it.out() == []
    assert it.events()[-1] == Disconnect("Logon message is not valid: BodyLength is wrong")


def test_a_venue_explains_itself_with_a_reject_before_it_logs_out():
    it = Wire(INITIATOR)
    it.connect()
    assert it.says("35=3|PEER|34=1|52=NOW|45=1|58=Unknown user") == []
    (rejected,) = it.events()
    assert (rejected.ref_seq, rejected.text, rejected.by_peer) == (1, "Unknown user", True)
    assert it.says("35=5|PEER|34=2|52=NOW") == [f"35=5|34=2|49=FH|52={STAMP}|56=SIM"]


def test_a_logon_that_resets_is_number_1_whatever_it_says():
    it = Wire(ACCEPTOR)
    it.connect()
    assert it.says("35=A|PEER|34=5|52=NOW|98=0|108=30|141=Y") == [
        f"35=A|34=1|49=SIM|52={STAMP}|56=FH|98=0|108=30|141=Y"
    ]
    assert (it.session.next_in, it.session.gap_pending) == (2, False)


def test_logon_too_low():
    it = logged_on(ACCEPTOR)
    it.session.disconnected(it.now_ns)
    it.events()
    it.connect()
    assert it.says("35=A|PEER|34=1|52=NOW|98=0|108=30") == [
        f"35=5|34=2|49=SIM|52={STAMP}|56=FH|58=MsgSeqNum too low, expecting 2 but received 1"
    ]
    assert it.events() == [Disconnect("MsgSeqNum too low, expecting 2 but received 1")]


@pytest.mark.parametrize("role", [INITIATOR, ACCEPTOR])
def test_logon_too_high_is_answered_then_the_gap_is_asked_for(role):
    it = Wire(role)
    it.connect()
    replies = it.says("35=A|PEER|34=5|52=NOW|98=0|108=30")
    assert [reply.split("|")[0] for reply in replies] == ["35=A"] * (role is ACCEPTOR) + ["35=2"]
    assert replies[-1].endswith("|7=1|16=0")
    assert it.events() == [LoggedOn(), Gap(1, 4)]
    assert (it.session.next_in, it.session.gap_pending) == (1, True)
    it.says("35=4|PEER|34=1|43=Y|52=NOW|122=NOW|36=6|123=Y")
    assert (it.session.next_in, it.session.gap_pending) == (6, False)


def test_second_logon_without_reset_ends_the_connection():
    it = logged_on(ACCEPTOR)
    assert it.says("35=A|PEER|34=2|52=NOW|98=0|108=30") == []
    assert it.events()[-1] == Disconnect("Logon state is not valid for message")


def test_peer_refuses_the_logon():
    it = Wire(INITIATOR)
    it.connect()
    assert it.says("35=5|PEER|34=1|52=NOW|58=Unknown user") == [f"35=5|34=2|49=FH|52={STAMP}|56=SIM"]
    assert it.events() == [LoggedOut("Unknown user"), Disconnect("logged out")]


@pytest.mark.parametrize("role", [INITIATOR, ACCEPTOR])
def test_logon_times_out(role):
    it = Wire(role, logon_timeout_s=10)
    it.connect()
    assert it.session.next_timer_ns() == T0 + 10 * SECOND
    it.after(9.99)
    assert it.events() == []
    it.after(0.01)
    assert it.events() == [Disconnect("Timed out waiting for logon response")]
    assert it.session.next_timer_ns() == NEVER_NS


def test_our_logout():
    it = logged_on()
    it.session.logout("bye", it.now_ns)
    assert it.out() == [f"35=5|34=2|49=FH|52={STAMP}|56=SIM|58=bye"]
    assert it.session.state is SessionState.LOGOUT_SENT
    assert it.says("35=5|PEER|34=2|52=NOW|58=ciao") == []
    assert it.events() == [LoggedOut("ciao"), Disconnect("logged out")]
    assert (it.session.next_in, it.session.next_out) == (3, 3)


def test_messages_still_count_while_the_logout_is_open():
    it = logged_on()
    it.session.logout("", it.now_ns)
    it.out()
    it.says("35=X|PEER|34=2|52=NOW|268=0")
    assert it.session.next_in == 3
    assert it.session.send(b"V", [], it.now_ns) == 0


def test_peers_logout():
    it = logged_on()
    assert it.says("35=5|PEER|34=2|52=NOW") == [f"35=5|34=2|49=FH|52={STAMP}|56=SIM"]
    assert it.events() == [LoggedOut(""), Disconnect("logged out")]
    assert it.session.next_in == 3


def test_logout_above_a_gap_does_not_hide_the_gap():
    it = logged_on()
    it.says("35=5|PEER|34=9|52=NOW")
    assert it.session.next_in == 2
    assert it.events()[-1] == Disconnect("logged out")


def test_logout_times_out():
    it = logged_on(logout_timeout_s=5)
    it.session.logout("", it.now_ns)
    it.after(5)
    assert it.events() == [
        LoggedOut("Timed out waiting for logout response"),
        Disconnect("Timed out waiting for logout response"),
    ]


def test_nothing_happens_after_the_end():
    it = logged_on()
    it.says("35=5|PEER|34=2|52=NOW")
    it.events()
    assert it.says("35=1|PEER|34=3|52=NOW|112=x") == []
    assert it.after(1000) == []
    it.session.logout("", it.now_ns)
    assert (it.events(), it.out(), it.session.next_in) == ([], [], 3)
    assert it.session.send(b"V", [], it.now_ns) == 0
