"""Dictionaries in QuickFIX's format: what is read, and what is refused with file, line and expectation."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feedhandler.wire.fix_dictionary import DictionaryError
from feedhandler.wire.fix_dictionary_xml import load, parse

SMALL = """<fix type="FIX" major="4" minor="4">
 <header><field name="BeginString" required="Y"/><field name="MsgType" required="Y"/></header>
 <trailer><field name="CheckSum" required="Y"/></trailer>
 <messages>
  <message name="Order" msgtype="D" msgcat="app">
   <field name="ClOrdID" required="Y"/>
   <component name="Instrument" required="Y"/>
   <component name="Maybe" required="N"/>
   <group name="NoAllocs" required="N">
    <field name="AllocAccount" required="Y"/>
    <group name="NoNested" required="Y"><field name="NestedID" required="Y"/></group>
    <component name="Instrument" required="Y"/>
   </group>
  </message>
 </messages>
 <components>
  <component name="Instrument"><field name="Symbol" required="Y"/></component>
  <component name="Maybe"><field name="Side" required="Y"/></component>
 </components>
 <fields>
  <field number="8" name="BeginString" type="STRING"/><field number="35" name="MsgType" type="STRING"/>
  <field number="10" name="CheckSum" type="STRING"/><field number="11" name="ClOrdID" type="STRING"/>
  <field number="55" name="Symbol" type="STRING"/>
  <field number="54" name="Side" type="CHAR">
   <value enum="1" description="BUY"/><value enum="2" description="SELL"/></field>
  <field number="78" name="NoAllocs" type="NUMINGROUP"/><field number="79" name="AllocAccount" type="STRING"/>
  <field number="539" name="NoNested" type="NUMINGROUP"/><field number="524" name="NestedID" type="STRING"/>
 </fields>
</fix>"""


def test_a_small_dictionary_is_read():
    it = parse(SMALL.encode())
    order = it.messages[b"D"]
    allocs = order.groups[78]
    assert (it.version, it.appl_ver_id, it.header, it.trailer) == ("FIX.4.4", "6", {8: True, 35: True}, {10: True})
    assert (order.name, order.required, order.members) == ("Order", (11, 55), {11, 55, 54, 78})
    # Members of an optional group need not be there; those of a required one inside of it must.
    assert (allocs.delimiter, list(allocs.members), allocs.required) == (79, [79, 539, 55], ())
    assert (allocs.groups[539].delimiter, allocs.groups[539].required) == (524, (524,))
    assert it.fields[54].values == {b"1": "BUY", b"2": "SELL"}
    assert (it.name_of(54), it.name_of(9999)) == ("Side", "9999")


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("<fix ", "<fax ", "mismatched tag"),
        ('major="4" ', "", "d.xml:1: <fix> has no major attribute"),
        ('type="FIX"', 'type="FAST"', "d.xml:1: type is 'FAST', expected FIX or FIXT"),
        ('name="ClOrdID" required', 'name="Unheard" required', "d.xml:6: no field is called Unheard"),
        ('name="Maybe" required', 'name="Gone" required', "d.xml:8: no component is called Gone"),
        ('<field name="Side" required="Y"/>', '<component name="Maybe"/>', "component Maybe contains itself"),
        ('number="55"', 'number="x"', "d.xml:23: field Symbol has number 'x', expected a tag"),
        ('number="55"', 'number="0"', "field Symbol has number '0', expected a tag"),
        ('name="CheckSum" type', 'name="MsgType" type', "field MsgType is defined twice"),
        (' enum="1"', "", "d.xml:25: <value> has no enum attribute"),
        ('<field name="NestedID" required="Y"/>', "", "d.xml:11: group NoNested is empty, expected fields"),
        ("<messages>", "<messages2>", "mismatched tag"),
        ("<fix ", "<!DOCTYPE fix [<!ENTITY a 'b'>]><fix ", "d.xml:1: a document type declaration, expected none"),
    ],
)
def test_what_is_wrong_is_named(old, new, error):
    assert old in SMALL
    with pytest.raises(DictionaryError, match=error.replace("(", r"\(").replace("[", r"\[")):
        parse(SMALL.replace(old, new, 1).encode(), "d.xml")


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DictionaryError, match=r"none\.xml: No such file"):
        load(tmp_path / "none.xml")
    with pytest.raises(DictionaryError, match="there is no <fields> section"):
        parse(b'<fix major="4" minor="4"/>')


def test_components_that_double_are_bounded():
    """Thirty lines that ask for 2^30 members."""
    levels = 30
    components = "".join(
        f'<component name="c{i}"><component name="c{i + 1}"/><component name="c{i + 1}"/></component>'
        for i in range(levels)
    )
    leaf = f'<component name="c{levels}"><field name="Symbol"/></component>'
    text = SMALL.replace("<components>", f"<components>{components}{leaf}").replace("Maybe", "c0", 1)
    with pytest.raises(DictionaryError, match="more than 1000000 members"):
        parse(text.encode())


def test_depth_is_bounded():
    group = '<group name="NoNested">' * 60 + '<field name="NestedID"/>' + "</group>" * 60
    with pytest.raises(DictionaryError, match="nest deeper than 32 levels"):
        parse(SMALL.replace('<component name="Maybe" required="N"/>', group).encode())


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(SMALL)), st.integers(0, 40), st.binary(max_size=20))
def test_any_change_is_read_or_refused(begin, size, new):
    data = SMALL.encode()
    with contextlib.suppress(DictionaryError):
        parse(data[:begin] + new + data[begin + size :])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data):
    with pytest.raises(DictionaryError):
        parse(data)
