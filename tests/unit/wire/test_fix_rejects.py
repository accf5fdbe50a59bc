"""Bad messages: what is rejected, with which words, and what is ignored. Texts are QuickFIX's."""

import pytest
from fix_text import logged_on, wire

from feedhandler.wire.fix_session import Disconnect, Garbled, LoggedOut, Rejected, SessionState

STAMP = "20261121-10:58:41"
US = "49=FH|56=SIM"


@pytest.mark.parametrize(
    ("message", "reject"),
    [
        ("35=0|34=2|49=SIM|52=NOW", "45=2|58=Required tag missing|371=56|372=0|373=1"),
        ("35=0|34=2|56=FH|52=NOW", "45=2|58=Required tag missing|371=49|372=0|373=1"),
        ("35=X|PEER|34=2", "45=2|58=Required tag missing|371=52|372=X|373=1"),
        ("35=1|PEER|34=2|52=NOW", "45=2|58=Required tag missing|371=112|372=1|373=1"),
        ("35=2|PEER|34=2|52=NOW|7=1", "45=2|58=Required tag missing|371=16|372=2|373=1"),
        ("35=3|PEER|34=2|52=NOW", "45=2|58=Required tag missing|371=45|372=3|373=1"),
        ("35=0|PEER|34=2|52=NOW|0=HI", "45=2|58=Invalid tag number|371=0|372=0|373=0"),
        ("35=0|PEER|34=2|52=NOW|-1=HI", "45=2|58=Invalid tag number|371=-1|372=0|373=0"),
        ("35=0|PEER|34=2|52=NOW|112=", "45=2|58=Tag specified without a value|371=112|372=0|373=4"),
        ("35=X|PEER|34=2|52=NOW|268=1|279=", "45=2|58=Tag specified without a value|371=279|372=X|373=4"),
        ("35=0|PEER|34=2|52=NOW|49=SIM", "45=2|58=Tag appears more than once|371=49|372=0|373=13"),
        ("35=0|PEER|34=2|52=yesterday", "45=2|58=Incorrect data format for value|371=52|372=0|373=6"),
        ("35=0|PEER|34=2|52=NOW|43=J", "45=2|58=Incorrect data format for value|371=43|372=0|373=6"),
        ("35=0|PEER|34=2|52=NOW|122=x", "45=2|58=Incorrect data format for value|371=122|372=0|373=6"),
        ("35=2|PEER|34=2|52=NOW|7=x|16=0", "45=2|58=Incorrect data format for value|371=7|372=2|373=6"),
        ("35=2|PEER|34=2|52=NOW|7=1|16=-1", "45=2|58=Incorrect data format for value|371=16|372=2|373=6"),
        ("35=*|PEER|34=2|52=NOW", "45=2|58=Invalid MsgType|372=*|373=11"),
        ("35=LONG|PEER|34=2|52=NOW", "45=2|58=Invalid MsgType|372=LONG|373=11"),
        (
            "35=X|PEER|34=2|52=NOW|115=JCD|116=CS|112=",
            "128=JCD|129=CS|45=2|58=Tag specified without a value|371=112|372=X|373=4",
        ),
    ],
)
def test_rejected_and_counted_as_received(message, reject):
    it = logged_on()
    assert it.says(message) == [f"35=3|34=2|49=FH|52={STAMP}|56=SIM|{reject}"]
    assert it.session.next_in == 3
    (event,) = it.events()
    assert isinstance(event, Rejected)
    assert not event.by_peer
    assert it.session.state is SessionState.LOGGED_ON


@pytest.mark.parametrize(
    ("message", "reject"),
    [
        ("35=0|PEER|34=x|52=NOW", "58=Incorrect data format for value|371=34|372=0|373=6"),
        ("35=0|PEER|34=-1|52=NOW", "58=Incorrect data format for value|371=34|372=0|373=6"),
        (f"35=0|PEER|34={2**63}|52=NOW", "58=Incorrect data format for value|371=34|372=0|373=6"),
        ("35=0|PEER|34=7|52=NOW|112=", "45=7|58=Tag specified without a value|371=112|372=0|373=4"),
        ("35=4|PEER|34=2|52=NOW|123=Y", "45=2|58=Required tag missing|371=36|372=4|373=1"),
        ("35=4|PEER|34=2|52=NOW|36=9|123=x", "45=2|58=Incorrect data format for value|371=123|372=4|373=6"),
    ],
)
def test_rejected_but_the_number_is_not_counted(message, reject):
    it = logged_on()
    assert it.says(message) == [f"35=3|34=2|49=FH|52={STAMP}|56=SIM|{reject}"]
    assert it.session.next_in == 2


@pytest.mark.parametrize("ids", ["49=WHO|56=FH", "49=SIM|56=WHO", "49=FH|56=SIM"])
def test_2k_comp_ids(ids):
    it = logged_on()
    assert it.says(f"35=X|{ids}|34=2|52=NOW") == [
        f"35=3|34=2|49=FH|52={STAMP}|56=SIM|45=2|58=CompID problem|372=X|373=9",
        f"35=5|34=3|49=FH|52={STAMP}|56=SIM",
    ]
    assert it.says("35=5|PEER|34=3|52=NOW") == []
    assert it.events()[-2:] == [LoggedOut(""), Disconnect("logged out")]


@pytest.mark.parametrize("time", ["20261121-10:56:40", "20261121-11:00:42"])
def test_2o_sending_time_more_than_120_seconds_off(time):
    it = logged_on()
    assert it.says(f"35=0|PEER|34=2|52={time}") == [
        f"35=3|34=2|49=FH|52={STAMP}|56=SIM|45=2|58=SendingTime accuracy problem|372=0|373=10",
        f"35=5|34=3|49=FH|52={STAMP}|56=SIM",
    ]
    assert it.session.next_in == 3


@pytest.mark.parametrize("time", ["20261121-10:56:41", "20261121-11:00:41"])
def test_sending_time_just_within(time):
    assert logged_on().says(f"35=0|PEER|34=2|52={time}") == []


def test_sending_time_unchecked_on_request():
    assert logged_on(max_latency_s=0).says("35=0|PEER|34=2|52=19990101-00:00:00") == []


def test_2i_begin_string():
    it = logged_on()
    assert it.says("8=FIX.4.1|35=1|PEER|34=2|52=NOW|112=id") == [
        f"35=5|34=2|49=FH|52={STAMP}|56=SIM|58=Incorrect BeginString"
    ]
    assert it.says("8=FIX.4.1|35=1|PEER|34=2|52=NOW|112=id") == []  # one Logout is enough
    it.says("35=5|PEER|34=3|52=NOW")
    assert it.events()[-1] == Disconnect("logged out")


@pytest.mark.parametrize("body", ["35=0|PEER|34=2|garbled", "35=0|PEER|34=2||"])
def test_2d_3c_garbled_fields_are_ignored_and_counted(body):
    it = logged_on()
    assert it.says(f"{body}|52=NOW") == []
    assert (it.session.next_in, it.session.garbled_count) == (2, 1)
    assert isinstance(it.events()[0], Garbled)


@pytest.mark.parametrize("tag", ["4garbled9", "", "12a", "99999999999", "+7", "--7"])
def test_a_tag_that_is_no_number_is_no_tag(tag):
    it = logged_on()
    assert it.says(f"35=0|PEER|34=2|52=NOW|{tag}=TW") == [
        f"35=3|34=2|49=FH|52={STAMP}|56=SIM|45=2|58=Invalid tag number|371=0|372=0|373=0"
    ]
    assert it.session.next_in == 3


def test_14g_header_field_behind_the_body():
    it = logged_on()
    assert it.says("35=D|11=id|PEER|34=2|52=NOW") == [
        f"35=3|34=2|49=FH|52={STAMP}|56=SIM|45=2|58=Tag specified out of required order|371=49|372=D|373=14"
    ]


def test_without_a_number_the_session_ends():
    it = logged_on()
    text = "Received message without MsgSeqNum"
    assert it.says("35=0|PEER|52=NOW") == [f"35=5|34=2|49=FH|52={STAMP}|56=SIM|58={text}"]
    assert it.events()[-1] == Disconnect(text)


def test_3b_wrong_checksum_is_ignored_then_the_gap_is_found():
    it = logged_on()
    raw = wire("35=X|49=SIM|56=FH|34=2|52=NOW")
    bad = raw[:-4] + b"%03d\x01" % ((int(raw[-4:-1]) + 1) % 256)
    it.session.receive(bad, it.now_ns)
    assert (it.out(), it.session.next_in, it.session.garbled_count) == ([], 2, 1)
    assert it.says("35=X|PEER|34=3|52=NOW") == [f"35=2|34=2|49=FH|52={STAMP}|56=SIM|7=2|16=0"]


def test_2t_first_three_fields_out_of_order():
    it = logged_on()
    it.session.receive(b"35=0\x01" + wire("34=2|35=0|49=SIM|56=FH|52=NOW"), it.now_ns)
    assert it.says("35=1|PEER|34=2|52=NOW|112=HELLO") == [f"35=0|34=2|49=FH|52={STAMP}|56=SIM|112=HELLO"]


def test_15_header_fields_in_another_order():
    it = logged_on()
    assert it.says("35=1|52=NOW|34=2|56=FH|49=SIM|112=HELLO") == [f"35=0|34=2|49=FH|52={STAMP}|56=SIM|112=HELLO"]


def test_bad_answer_to_our_logon_ends_the_connection():
    it = logged_on()
    it.session.disconnected(it.now_ns)
    it.connect()
    it.events()
    it.says("35=A|PEER|34=2|52=NOW|98=0|108=")
    assert it.events()[-1] == Disconnect("Tag specified without a value before logon")
