"""The hand-written peer of the decode benchmark finds every entry of W and X."""

import pytest

from perf.peers import fix_parsers

HEADER = "8=FIX.4.4|9=1|35={}|34=2|49=S|52=20261121-10:20:30|56=F|"
X = HEADER.format("X") + "268=2|279=0|269=0|55=A|270=1.5|271=10|279=2|269=1|55=B|270=2.5|271=20|10=000|"
W = HEADER.format("W") + "55=A|268=2|269=0|270=1.5|271=10|269=1|270=2.5|271=20|10=000|"


@pytest.mark.parametrize(
    ("messages", "entries"),
    [
        ([X], [(b"0", b"0", b"A", 1.5, 10.0), (b"2", b"1", b"B", 2.5, 20.0)]),
        ([W], [(b"", b"0", b"A", 1.5, 10.0), (b"", b"1", b"A", 2.5, 20.0)]),
        ([HEADER.format("0") + "10=000|"], []),
    ],
)
def test_splits_into_entries(messages: list[str], entries: list[fix_parsers.Entry]) -> None:
    assert fix_parsers.split([message.replace("|", "\x01").encode() for message in messages * 2]) == entries * 2
