"""Every request a client may send, and the defined answer to every other."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedhandler.bridge import protocol
from feedhandler.bridge.protocol import Auth, Fault, List, Ping, Subscribe, Unsubscribe, parse

SUB = {"op": "subscribe", "channels": ["bbo"], "symbols": ["A"]}
FULL = {
    "op": "subscribe", "channels": ["bbo", "book", "trade", "bbo"], "symbols": ["*", "A", "*"], "sources": ["x", "y"],
    "max_rate": 5, "id": {"any": [1]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (SUB | {"id": 1}, Subscribe(1, ("bbo",), ("A",), None, None)),
        (FULL, Subscribe({"any": [1]}, ("bbo", "book", "trade"), ("*", "A"), frozenset({"x", "y"}), 5.0)),
        (SUB | {"sources": None, "max_rate": None, "id": None}, Subscribe(None, ("bbo",), ("A",), None, None)),
        ({"op": "unsubscribe", "channels": ["bbo"], "symbols": ["*"]}, Unsubscribe(None, ("bbo",), ("*",))),
        ({"op": "list", "id": "x"}, List("x")),
        ({"op": "ping", "id": 1.5}, Ping(1.5)),
        ({"op": "auth", "token": "secret"}, Auth(None, "secret")),
    ],
)
def test_good_requests(message, expected):
    assert parse(json.dumps(message).encode()) == expected


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"\xff\xfe", "bad_json"),
        (b'{"op":"ping"} x', "bad_json"),
        (b'{"op":"\xff"}', "bad_json"),
        (b"[" * 5000 + b"]" * 5000, "bad_json"),
        (b"[]", "bad_message"),
        (b"null", "bad_message"),
        (b'"ping"', "bad_message"),
        (b"{}", "unknown_op"),
        (b'{"op":["ping"]}', "unknown_op"),
        (b'{"op":"PING"}', "unknown_op"),
    ],
)
def test_what_is_no_request(data, code):
    fault = parse(data)
    assert isinstance(fault, Fault)
    assert fault.code == code


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        ({"channels": None}, "bad_field", "channels"),
        ({"channels": []}, "bad_field", "channels"),
        ({"channels": "bbo"}, "bad_field", "channels"),
        ({"channels": [1]}, "bad_field", "channels"),
        ({"channels": ["bbo", "tick"]}, "unknown_channel", "tick"),
        ({"symbols": []}, "bad_field", "symbols"),
        ({"symbols": [""]}, "bad_field", "symbols"),
        ({"symbols": ["A|B"]}, "bad_field", "symbols"),
        ({"symbols": ["A" * 129]}, "bad_field", "symbols"),
        ({"sources": []}, "bad_field", "sources"),
        ({"sources": "x"}, "bad_field", "sources"),
        ({"max_rate": 0}, "bad_field", "max_rate"),
        ({"max_rate": True}, "bad_field", "max_rate"),
        ({"max_rate": "5"}, "bad_field", "max_rate"),
        ({"max_rate": 10**400}, "bad_field", "max_rate"),
        ({"max_rte": 5}, "bad_field", "max_rte"),
        ({"op": "auth"}, "bad_field", "channels"),
        ({"op": "unsubscribe", "max_rate": 5}, "bad_field", "max_rate"),
    ],
)
def test_every_bad_field_is_named_and_the_id_comes_back(change, code, named):
    fault = parse(json.dumps(SUB | change | {"id": 7}).encode())
    assert isinstance(fault, Fault)
    assert (fault.code, fault.id) == (code, 7)
    assert named in fault.message
    assert json.loads(protocol.error(fault)) == {"type": "error", "code": code, "message": fault.message, "id": 7}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(["bbo", "*"]),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(st.fixed_dictionaries({"op": st.sampled_from(protocol.OPS)}, optional=dict.fromkeys(
    ["channels", "symbols", "max_rate", "sources", "token", "id"], VALUES)))  # fmt: skip
def test_nearly_right_messages_are_values(message):
    assert parse(json.dumps(message).encode()) is not None


@given(st.binary(max_size=200))
def test_hostile_messages_are_values(data):
    assert isinstance(parse(data), Fault)
