"""Messages against a dictionary: the reason, the tag, and which of two defects is named first."""

import pytest
from fix_text import wire
from test_fix_dictionary import SMALL

from feedhandler.wire.fix_checks import Problem, Validation
from feedhandler.wire.fix_dictionary_xml import parse
from feedhandler.wire.fix_message import decode
from feedhandler.wire.fix_validate import Rules, find_problem

FIELDS = """
 <field number="9" name="BodyLength" type="LENGTH"/><field number="34" name="MsgSeqNum" type="SEQNUM"/>
 <field number="49" name="SenderCompID" type="STRING"/><field number="56" name="TargetCompID" type="STRING"/>
 <field number="52" name="SendingTime" type="UTCTIMESTAMP"/><field number="38" name="Qty" type="QTY"/>
 <field number="126" name="ExpireTime" type="UTCTIMESTAMP"/><field number="18" name="ExecInst" type="MULTIPLEVALUESTRING">
 <value enum="1"/><value enum="G"/></field><field number="43" name="PossDup" type="BOOLEAN"/>
 <field number="424" name="Day" type="UTCDATE"/><field number="425" name="Clock" type="UTCTIMEONLY"/>
"""
OTHERS = "".join(f'<field name="{name}"/>' for name in ("Qty", "ExpireTime", "ExecInst", "Day", "Clock"))
DICTIONARY = parse(
    SMALL.replace("<fields>", f"<fields>{FIELDS}")
    .replace('<field name="ClOrdID" required="Y"/>', f'<field name="ClOrdID" required="Y"/>{OTHERS}')
    .encode()
)
HEAD = "34=2|49=A|52=20261121-10:58:41|56=B"


def problem(text: str, **validation: bool) -> Problem | None:
    return find_problem(decode(wire(text.replace("HEAD", HEAD))), Rules(DICTIONARY, {}, Validation(**validation)))


@pytest.mark.parametrize(
    ("text", "reason", "tag"),
    [
        ("35=D|HEAD|11=a|55=x|7777=1", 0, 7777),
        ("35=D|HEAD|11=a|55=x|0=1", 0, 0),
        ("35=D|HEAD|11=a|55=x|-1=1", 0, -1),
        ("35=D|HEAD|55=x", 1, 11),
        ("35=D|HEAD|11=a", 1, 55),
        ("35=D|34=2|49=A|56=B|11=a|55=x", 1, 52),
        ("35=D|HEAD|11=a|55=x|78=1|79=q|539=1|55=y", 16, 539),
        ("35=D|HEAD|11=a|55=x|524=z", 2, 524),
        ("35=D|HEAD|11=|55=x", 4, 11),
        ("35=D|HEAD|11=a|55=x|54=3", 5, 54),
        ("35=D|HEAD|11=a|18=1 X|55=x", 5, 18),
        ("35=D|HEAD|11=a|38=+200.00|55=x", 6, 38),
        ("35=D|HEAD|11=a|54=12|55=x", 6, 54),
        ("35=D|HEAD|11=a|55=x|126=20040415", 6, 126),
        ("35=D|HEAD|11=a|55=x|424=20041301", 6, 424),
        ("35=D|HEAD|11=a|55=x|425=24:00:00", 6, 425),
        ("35=D|43=J|HEAD|11=a|55=x", 6, 43),
        ("35=ZZ|HEAD", 11, None),
        ("35=D|HEAD|11=a|11=b|55=x", 13, 11),
        ("35=D|11=a|HEAD|55=x", 14, 34),
        ("35=D|HEAD|11=a|55=x|78=1|55=q|79=a", 15, 55),
        ("35=D|HEAD|11=a|55=x|78=1|79=q|55=y|539=0", 15, 539),
        ("35=D|HEAD|11=a|55=x|78=2|79=q", 16, 78),
        ("35=D|HEAD|11=a|55=x|78=0|79=q", 16, 78),
        ("35=D|HEAD|11=a|55=x|78=-1", 16, 78),
        ("35=D|HEAD|11=a|55=x|78=999999999|79=q", 16, 78),
        ("35=D|HEAD|11=a|55=x|78=1|79=", 4, 79),
        # Two defects: parts in order, then the type, then what is missing, then fields ascending, header first.
        ("35=ZZ|11=a|HEAD", 14, 34),
        ("35=D|HEAD|38=x|54=9", 1, 11),
        ("35=D|43=J|HEAD|11=|55=x", 6, 43),
        ("35=D|HEAD|11=a|54=9|38=x|55=x", 6, 38),
    ],
)
def test_a_defect_is_named(text, reason, tag):
    assert problem(text) == Problem(reason, tag)


@pytest.mark.parametrize(
    "text",
    [
        "35=D|HEAD|11=a|55=x",
        "35=D|HEAD|55=x|11=a|38=002000.00",
        "35=D|HEAD|11=a|18=1 G|38=-.5|55=x|126=20040415-10:00:00.123456789|424=20041231|425=23:59:60",
        "35=D|HEAD|11=a|55=x|78=2|79=q|539=2|524=1|524=2|79=r|55=y",
        "35=D|HEAD|11=a|55=x|78=0",
    ],
)
def test_nothing_is_wrong(text):
    assert problem(text) is None


@pytest.mark.parametrize(
    ("text", "switch"),
    [
        ("35=D|11=a|HEAD|55=x", "order"),
        ("35=D|HEAD|11=|55=x", "have_values"),
        ("35=D|HEAD|11=a|55=x|5001=1", "user_fields"),
        ("35=D|HEAD|11=a|55=x|524=z", "unknown_fields"),
        ("35=D|HEAD|11=a|55=x|4999=z", "unknown_fields"),
        ("35=D|HEAD|11=a|55=x|78=1|79=q|55=a|539=0", "group_order"),
    ],
)
def test_each_check_can_be_switched_off(text, switch):
    assert problem(text) is not None
    assert problem(text, **{switch: False}) is None


def test_fixt_takes_the_body_from_the_application_version():
    session = parse(SMALL.replace('type="FIX" major="4" minor="4"', 'type="FIXT" major="1" minor="1"').encode())
    rules = Rules(DICTIONARY._replace(version=session.version), {"9": DICTIONARY})
    message = decode(wire(f"35=D|{HEAD}|11=a"))
    assert find_problem(message, rules, "9") == Problem(1, 55)
    assert find_problem(message, rules, "7") == Problem(18, None)
    wrong = decode(wire(f"35=D|{HEAD}|1128=3|11=a|55=x"))
    assert find_problem(wrong, rules, "9") == Problem(18, 1128)
