"""What a change would do: from what runs and what shall run, without doing it."""

from msgspec import structs

from feedhandler.config_source import InstrumentSpec, Source
from feedhandler.handler_changes import Plan, difference


def spec(venue, **keys):
    return InstrumentSpec(
        **{"venue": venue, "symbol": venue, "tick": 1.0, "lot": 1.0, "price_decimals": 0, "size_decimals": 0} | keys
    )


def source(name, *venues, **keys):
    fixed = {"name": name, "profile": "fix44", "host": "h", "port": 1, "sender": "A", "target": "B"}
    return Source(**fixed | keys, instruments=[spec(venue) for venue in venues])


def test_nothing_is_nothing():
    assert difference([source("a", "X")], [source("a", "X", instruments_file="elsewhere.csv")]) == Plan()


def test_sources_come_and_go():
    assert difference([source("a"), source("b")], [source("c"), source("b")]) == Plan(
        removed=["a"], added=[source("c")]
    )


def test_instruments_come_and_go_without_touching_the_session():
    plan = difference([source("a", "X", "Y")], [source("a", "Z", "Y", "W")])
    assert plan == Plan(more={"a": [spec("Z"), spec("W")]}, fewer={"a": ["X"]})
    assert plan.sources() == {"a"}


def test_any_other_key_means_a_new_session():
    for keys in ({"port": 2}, {"heartbeat_s": 5}, {"endpoints": ["b:1"]}, {"mask_tags": [1]}, {"market_depth": 1}):
        after = source("a", "X", **keys)
        assert difference([source("a", "X", "Y")], [after]) == Plan(replaced=[after])


def test_an_instrument_that_is_described_anew_is_no_other_one():
    after = structs.replace(source("a", "X"), instruments=[spec("X", tick=2.0)])
    assert difference([source("a", "X")], [after]) == Plan(changed={"a": [spec("X", tick=2.0)]})
