"""MsgSeqNum: gaps, resends, duplicates, resets; cases named after QuickFIX's acceptance tests where alike."""

import pytest
from fix_text import SECOND, logged_on, wire

from feedhandler.wire.fix_session import (
    App,
    Disconnect,
    Gap,
    LoggedOut,
    MemoryStore,
    Rejected,
    SequenceReset,
    SessionState,
)

STAMP = "20261121-10:58:41"
US = "49=FH|56=SIM"
OUT_OF_RANGE = "Value is incorrect (out of range) for this tag"


def app_seqs(it):
    return [(event.seq, event.poss_dup) for event in it.events() if isinstance(event, App)]


def test_in_sequence_application_messages():
    it = logged_on()
    raw = wire("35=X|49=SIM|56=FH|34=2|52=NOW|268=0")
    it.session.receive(raw, it.now_ns)
    assert it.events() == [App(b"X", 2, False, raw)]
    assert it.session.next_in == 3


def test_2b_too_high_asks_once_and_discards_until_filled():
    it = logged_on()
    assert it.says("35=X|PEER|34=5|52=NOW") == [f"35=2|34=2|49=FH|52={STAMP}|56=SIM|7=2|16=0"]
    assert it.events() == [Gap(2, 4)]
    assert it.says("35=X|PEER|34=6|52=NOW", "35=0|PEER|34=7|52=NOW") == []
    assert (it.session.next_in, it.session.gap_pending, it.session.discarded_count) == (2, True, 3)
    for seq in range(2, 8):
        it.says(f"35=X|PEER|34={seq}|52=NOW|43=Y|122=NOW")
        assert it.session.gap_pending == (seq < 4)
    it.says("35=X|PEER|34=8|52=NOW")
    assert app_seqs(it) == [(seq, True) for seq in range(2, 8)] + [(8, False)]
    assert it.session.next_in == 9


def test_a_second_gap_is_asked_for_again():
    it = logged_on()
    it.says("35=X|PEER|34=3|52=NOW", "35=X|PEER|34=2|52=NOW|43=Y|122=NOW", "35=X|PEER|34=3|52=NOW|43=Y|122=NOW")
    assert it.says("35=X|PEER|34=6|52=NOW") == [f"35=2|34=3|49=FH|52={STAMP}|56=SIM|7=4|16=0"]


def test_kept_messages_are_processed_in_order_when_the_gap_is_filled():
    """RejectResentMessage: the queue, for peers that resend only what was missing."""
    it = logged_on(queue_max=10)
    assert it.says("35=1|PEER|34=3|52=NOW|112=HELLO1") == [f"35=2|34=2|49=FH|52={STAMP}|56=SIM|7=2|16=0"]
    assert it.says("35=1|PEER|34=4|52=NOW|112=HELLO2") == []
    assert it.says("35=X|PEER|34=2|43=Y|52=NOW|122=NOW") == [
        f"35=0|34=3|49=FH|52={STAMP}|56=SIM|112=HELLO1",
        f"35=0|34=4|49=FH|52={STAMP}|56=SIM|112=HELLO2",
    ]
    assert it.session.next_in == 5


def test_gap_fill_past_kept_messages_drops_them():
    it = logged_on(queue_max=10)
    it.says("35=X|PEER|34=4|52=NOW", "35=X|PEER|34=9|52=NOW", "35=4|PEER|34=2|43=Y|52=NOW|122=NOW|36=9|123=Y")
    assert it.session.next_in == 10
    assert app_seqs(it) == [(9, False)]


def test_without_resend_a_gap_is_reported_and_passed():
    it = logged_on(resend_on_gap=False)
    assert it.says("35=X|PEER|34=5|52=NOW") == []
    events = it.events()
    assert events[0] == Gap(2, 4)
    assert (events[1].seq, it.session.next_in, it.session.gap_pending) == (5, 6, False)


def test_2c_too_low():
    it = logged_on()
    assert it.says("35=X|PEER|34=1|52=NOW") == [
        f"35=5|34=2|49=FH|52={STAMP}|56=SIM|58=MsgSeqNum too low, expecting 2 but received 1"
    ]
    text = "MsgSeqNum too low, expecting 2 but received 1"
    assert it.events() == [LoggedOut(text), Disconnect(text)]
    assert it.session.next_in == 2


def test_2e_poss_dup_already_received_is_ignored():
    it = logged_on()
    assert it.says("35=X|PEER|34=2|52=NOW", "35=X|PEER|34=2|52=NOW|43=Y|122=NOW") == []
    assert app_seqs(it) == [(2, False)]
    assert it.session.duplicate_count == 1


def test_2f_orig_sending_time_after_sending_time():
    it = logged_on()
    it.says("35=X|PEER|34=2|52=NOW")
    assert it.says("35=X|PEER|34=2|43=Y|52=NOW|122=20261121-10:58:42") == [
        f"35=3|34=2|49=FH|52={STAMP}|56=SIM|45=2|58=SendingTime accuracy problem|372=X|373=10",
        f"35=5|34=3|49=FH|52={STAMP}|56=SIM",
    ]
    assert it.session.state is SessionState.LOGOUT_SENT


def test_2g_poss_dup_without_orig_sending_time():
    it = logged_on()
    it.says("35=X|PEER|34=2|52=NOW")
    assert it.says("35=X|PEER|34=2|43=Y|52=NOW") == [
        f"35=3|34=2|49=FH|52={STAMP}|56=SIM|45=2|58=Required tag missing|371=122|372=X|373=1"
    ]
    assert it.session.next_in == 3


def test_10_gap_fill_equal():
    it = logged_on()
    assert it.says("35=4|PEER|34=2|52=NOW|36=20|123=Y") == []
    assert it.session.next_in == 20
    assert it.events() == [SequenceReset(20, 2, gap_fill=True)]


def test_10_gap_fill_too_high():
    it = logged_on()
    assert it.says("35=4|PEER|34=10|52=NOW|36=20|123=Y", "35=1|PEER|34=20|52=NOW|112=HELLO") == [
        f"35=2|34=2|49=FH|52={STAMP}|56=SIM|7=2|16=0"
    ]


def test_10_gap_fill_too_low():
    it = logged_on()
    it.session.next_in = 3
    assert it.says("35=4|PEER|34=1|52=NOW|43=Y|122=NOW|36=20|123=Y") == []
    assert it.session.next_in == 3
    assert it.says("35=4|PEER|34=1|52=NOW|36=20|123=Y")[0].endswith("expecting 3 but received 1")


@pytest.mark.parametrize("mode", ["", "|123=N"])
def test_11_reset_mode_ignores_the_sequence(mode):
    it = logged_on()
    assert it.says(f"35=4|PEER|34=0|52=NOW|36=20{mode}", f"35=4|PEER|34=900|52=NOW|36=30{mode}") == []
    assert it.session.next_in == 30
    assert it.says(f"35=4|PEER|34=5|52=NOW|36=30{mode}") == []
    assert it.says(f"35=4|PEER|34=5|52=NOW|36=29{mode}") == [
        f"35=3|34=2|49=FH|52={STAMP}|56=SIM|45=5|58=Value is incorrect (out of range) for this tag|372=4|373=5"
    ]
    assert it.session.next_in == 30


def test_reset_mode_ends_a_gap():
    it = logged_on()
    it.says("35=X|PEER|34=5|52=NOW", "35=4|PEER|34=6|52=NOW|36=20")
    assert not it.session.gap_pending


def with_history():
    """8_AdminAndApplicationMessages: we sent 1 logon, 2-4 admin, 5-6 app, 7-8 admin, 9 app."""
    it = logged_on()
    for seq in (2, 3, 4):
        it.says(f"35=1|PEER|34={seq}|52=NOW|112=HELLO")
    it.session.send(b"D", [(11, b"A")], it.now_ns)
    it.session.send(b"D", [(11, b"B")], it.now_ns)
    it.says("35=1|PEER|34=5|52=NOW|112=HELLO", "35=1|PEER|34=6|52=NOW|112=HELLO")
    assert it.session.send(b"D", [(11, b"C")], it.now_ns) == 9
    it.out()
    it.now_ns += SECOND
    return it


FILL_1 = "35=4|34=1|43=Y|49=FH|52=20261121-10:58:42|56=SIM|122=20261121-10:58:42|36=5|123=Y"
FILL_2 = FILL_1.replace("34=1", "34=2")
FILL_7 = "35=4|34=7|43=Y|49=FH|52=20261121-10:58:42|56=SIM|122=20261121-10:58:42|36=9|123=Y"
APP_5 = f"35=D|34=5|43=Y|49=FH|52=20261121-10:58:42|56=SIM|122={STAMP}|11=A"
APP_6 = f"35=D|34=6|43=Y|49=FH|52=20261121-10:58:42|56=SIM|122={STAMP}|11=B"
APP_9 = f"35=D|34=9|43=Y|49=FH|52=20261121-10:58:42|56=SIM|122={STAMP}|11=C"


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("7=2|16=4", [FILL_2]),
        ("7=2|16=6", [FILL_2, APP_5, APP_6]),
        ("7=2|16=8", [FILL_2, APP_5, APP_6, FILL_7]),
        ("7=2|16=9", [FILL_2, APP_5, APP_6, FILL_7, APP_9]),
        ("7=2|16=0", [FILL_2, APP_5, APP_6, FILL_7, APP_9]),
        ("7=1|16=0", [FILL_1, APP_5, APP_6, FILL_7, APP_9]),
        ("7=0|16=999999", [FILL_1, APP_5, APP_6, FILL_7, APP_9]),
        ("7=6|16=6", [APP_6]),
        ("7=9|16=0", [APP_9]),
        ("7=8|16=8", [FILL_7.replace("34=7", "34=8")]),
    ],
)
def test_8_resend(asked, sent):
    it = with_history()
    assert it.says(f"35=2|PEER|34=7|52=NOW|{asked}") == sent
    assert (it.session.next_in, it.session.next_out) == (8, 10)


@pytest.mark.parametrize(("asked", "tag"), [("7=10|16=0", 7), ("7=5|16=4", 16), (f"7={2**63 - 1}|16=0", 7)])
def test_resend_of_what_was_never_sent_is_refused(asked, tag):
    it = with_history()
    assert it.says(f"35=2|PEER|34=7|52=NOW|{asked}") == [
        f"35=3|34=10|49=FH|52=20261121-10:58:42|56=SIM|45=7|58={OUT_OF_RANGE}|371={tag}|372=2|373=5"
    ]
    assert it.session.next_in == 8


def test_messages_no_longer_kept_are_gap_filled():
    it = logged_on()
    it.session.store = MemoryStore(messages_max=1)
    it.session.next_in = it.session.next_out = 2
    for name in (b"A", b"B", b"C"):
        it.session.send(b"D", [(11, name)], it.now_ns)
    it.out()
    assert it.says("35=2|PEER|34=2|52=NOW|7=2|16=0") == [
        f"35=4|34=2|43=Y|49=FH|52={STAMP}|56=SIM|122={STAMP}|36=4|123=Y",
        f"35=D|34=4|43=Y|49=FH|52={STAMP}|56=SIM|122={STAMP}|11=C",
    ]


def test_20_simultaneous_resend_requests():
    it = with_history()
    assert it.says("35=0|PEER|34=20|52=NOW") == ["35=2|34=10|49=FH|52=20261121-10:58:42|56=SIM|7=7|16=0"]
    assert it.says("35=2|PEER|34=21|52=NOW|7=9|16=9") == [APP_9]
    assert it.session.next_in == 7
    it.says("35=4|PEER|34=7|43=Y|52=NOW|122=NOW|36=22|123=Y")
    assert (it.session.next_in, it.session.gap_pending) == (22, False)


def test_a_stalled_resend_is_asked_for_again_then_given_up():
    it = logged_on(heartbeat_s=0, resend_timeout_s=10, resend_tries_max=3)
    it.says("35=X|PEER|34=5|52=NOW")
    assert it.session.next_timer_ns() == it.now_ns + 10 * SECOND
    it.now_ns += 5 * SECOND
    it.says("35=X|PEER|34=2|52=NOW|43=Y|122=NOW")
    assert it.after(5) == []  # progress: wait on
    assert it.after(10)[0].endswith("|7=3|16=0")
    assert it.after(10)[0].endswith("|7=3|16=0")
    it.events()
    it.after(10)
    assert it.events()[-1] == Disconnect("the gap was not filled")


def test_numbers_advanced_by_native_code():
    """The native loop fills the gap and goes on; the session sees it by the number alone."""
    it = logged_on(heartbeat_s=10)
    it.says("35=X|PEER|34=5|52=NOW")
    assert it.session.gap_end == 4
    it.session.next_in = 9
    assert not it.session.gap_pending
    assert [m.split("|")[0] for m in it.after(11)] == ["35=0"]  # heard just now: a heartbeat, no test request
    it.session.next_out += 100
    it.now_ns += 9 * SECOND
    it.session.next_in += 1
    assert it.after(1) == []  # sent just now: no heartbeat
    assert it.says("35=1|PEER|34=10|52=NOW|112=x") == ["35=0|34=104|49=FH|52=20261121-10:59:02|56=SIM|112=x"]


def test_a_peer_that_asks_and_never_reads_is_cut_off():
    it = logged_on(output_bytes_max=10_000)
    for _ in range(50):
        it.session.send(b"D", [(58, b"x" * 100)], it.now_ns)
    it.out()
    for seq in range(2, 10):
        it.session.receive(wire(f"35=2|{it.peer}|34={seq}|52=NOW|7=1|16=0"), it.now_ns)
    assert it.events()[-1] == Disconnect("the peer asks for more than it reads")


def test_peer_rejects_us():
    it = logged_on()
    it.says("35=3|PEER|34=2|52=NOW|45=7|371=262|372=V|373=1|58=Required tag missing")
    (event,) = it.events()
    assert isinstance(event, Rejected)
    assert (event.ref_seq, event.msg_type, event.reason, event.tag, event.text, event.by_peer) == (
        7, b"V", 1, 262, "Required tag missing", True,
    )  # fmt: skip
    assert it.session.next_in == 3
