"""A real venue's day through framing and decoding."""

import re

import msgspec
import numpy as np

from feedhandler import _native
from feedhandler.tick import TICK, Flag, Kind
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


def decode_jse(data, folder, name, types):
    """Decode every X with these MDEntryTypes as index values; 1181 is the venue's sequence. Returns records, counts."""
    ring = _native.RingWriter(str(folder), str(folder), name, 1 << 16)
    reader = _native.RingReader(str(folder), name)
    reader.attach(0, True)
    loop = _native.FixLoop(ring)
    plain = fix_profile.load("fix44")
    tags = {**plain.tags, "venue_sequence": 1181}
    table = msgspec.structs.replace(plain, tags=tags, entry_types=dict.fromkeys(types, "index")).compile()
    loop.add_session(table, 1, 0, 1 << 20, 16)
    for number, symbol in enumerate(sorted(set(re.findall(rb"\x0155=([^\x01]+)", data))), 1):
        loop.add_symbol(0, symbol, number)
    for message in data.split(b"8=FIXT.1.1\x01")[1:]:
        if b"\x0135=X\x01" in message:
            assert loop.decode(0, b"8=FIXT.1.1\x01" + message)
    out = np.zeros(1 << 16, TICK)
    count, lost = reader.read_into(out.view(np.uint8))
    assert lost == 0
    return out[:count], loop.counts(0)


def test_the_whole_jse_capture_decodes(captures, tmp_path):
    """Entries, types, symbols and sequence gaps as the capture's README states them."""
    data = (captures / "fix" / "jse-index-20111124-part1.fix").read_bytes()
    records, counts = decode_jse(data, tmp_path, "all", "3xy")
    assert (counts["market_data"], counts["events"], len(records)) == (3478, 3478, 4367)
    assert len(set(records["instrument"].tolist())) == 80
    assert counts["unknown_symbol"] == counts["unknown_type"] == counts["bad_group"] == counts["bad_number"] == 0
    per_type = {kind: len(decode_jse(data, tmp_path, kind, kind)[0]) for kind in "3xy"}
    assert per_type == {"3": 3478, "x": 80, "y": 809}
    sequence = records["ref"][(records["flags"] & Flag.LAST) != 0].astype(np.int64)
    assert len(sequence) == 3478
    assert int((np.diff(sequence) != 1).sum()) == 4
