"""A real venue's day through framing and decoding."""

import numpy as np

from feedhandler import _native
from feedhandler.tick import TICK, Kind
from feedhandler.wire import fix_profile


def test_every_message_of_the_jse_capture_is_whole(captures, tmp_path):
    """6,000 messages, all lengths and checksums right; 3,478 X carry index values, many instruments."""
    data = (captures / "fix" / "jse-index-20111124-part1.fix").read_bytes()
    ring = _native.RingWriter(str(tmp_path), str(tmp_path), "jse", 1 << 16)
    reader = _native.RingReader(str(tmp_path), "jse")
    reader.attach(0, True)
    loop = _native.FixLoop(ring)
    table = fix_profile.load("fix44").compile()
    loop.add_session(table, 1, 0, 1 << 20, 16)
    loop.set_sequence(0, 1, False)
    kinds: dict[bytes, int] = {}
    for begin in range(0, len(data), 4096):
        handed = loop.feed(0, data[begin : begin + 4096], 1)
        while handed is not None:
            kind = handed.split(b"\x0135=", 1)[1].split(b"\x01", 1)[0]
            kinds[kind] = kinds.get(kind, 0) + 1
            if kind == b"X":  # this venue's stream has no 34: the caller decides that it may be decoded
                assert loop.decode(0, handed)
            handed = loop.feed(0, b"", 1)
    counts = loop.counts(0)
    assert (counts["messages"], counts["garbled"], counts["skipped_bytes"]) == (6000, 0, 0)
    assert kinds[b"X"] == 3478
    assert sum(kinds.values()) == 6000
    assert loop.buffered(0) == 0
    assert counts["market_data"] == 3478
    out = np.zeros(1 << 16, TICK)
    assert reader.read_into(out.view(np.uint8))[0] == 0  # no instrument of it is ours
    assert counts["unknown_symbol"] >= 3478


def test_the_values_of_one_index(captures, tmp_path):
    """The records of the busiest symbol equal what splitting the text gives."""
    data = (captures / "fix" / "jse-index-20111124-part1.fix").read_bytes()
    values: dict[bytes, list[float]] = {}
    for message in data.split(b"8=FIXT.1.1\x01")[1:]:
        fields = message.split(b"\x01")
        if b"35=X" not in fields:
            continue
        symbol = next(field[3:] for field in fields if field.startswith(b"55="))
        prices = [float(field[4:]) for field in fields if field.startswith(b"270=")]
        if sum(field.startswith(b"279=") for field in fields) == len(prices) == 1 and b"269=3" in fields:
            values.setdefault(symbol, []).extend(prices)
    busiest = max(values, key=lambda symbol: len(values[symbol]))
    assert len(values[busiest]) > 20
    ring = _native.RingWriter(str(tmp_path), str(tmp_path), "jse", 1 << 16)
    reader = _native.RingReader(str(tmp_path), "jse")
    reader.attach(0, True)
    loop = _native.FixLoop(ring)
    loop.add_session(fix_profile.load("fix44").compile(), 1, 0, 1 << 20, 16)
    loop.add_symbol(0, busiest, 5)
    for message in data.split(b"8=FIXT.1.1\x01")[1:]:
        if (
            b"\x0155=" + busiest + b"\x01" in message
            and message.count(b"\x01279=") == 1
            and b"\x01269=3\x01" in message
        ):
            loop.decode(0, b"8=FIXT.1.1\x01" + message)
    out = np.zeros(1 << 16, TICK)
    count, _ = reader.read_into(out.view(np.uint8))
    records = out[:count]
    assert set(records["kind"]) == {Kind.INDEX}
    assert list(records["price"]) == values[busiest]
