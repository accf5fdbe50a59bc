"""Full books as LMAX sends them, 200 W a second on 100 instruments: no published best price is ever empty or half."""

import random

import pytest

from feedhandler.board import Board
from tests.support.conflating import BBO
from tests.support.dialects import NOW, Dialect, wire

INSTRUMENTS = 100
PER_SECOND = 200
SECONDS = 1
LEVELS = 5


class Market:
    """Instruments whose whole books are sent again and again; it keeps what it showed of each."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.mids = [self.rng.randint(100_000, 130_000) for _ in range(INSTRUMENTS)]
        self.shown: list[list[list[float]]] = [[] for _ in range(INSTRUMENTS)]
        self.seq = 0

    def book(self, index: int) -> bytes:
        """The next W of an instrument, in sequence."""
        self.mids[index] += self.rng.randint(-3, 3)
        group, best = [], []
        for side, sign in ((0, -1), (1, 1)):
            ticks = self.mids[index] + sign * self.rng.randint(1, 3)
            for level in range(self.rng.randint(1, LEVELS)):
                size = self.rng.randint(1, 5000) / 10
                group.append(f"269={side}|270={ticks / 100_000:.5f}|271={size}|")
                if level == 0:
                    best += [round(ticks / 100_000, 5), size]
                ticks += sign * self.rng.randint(1, 3)
        self.shown[index].append(best)
        self.seq += 1
        group[0] += f"272=20261121|273=11:00:{self.seq // 1000 % 60:02}.{self.seq % 1000:03}|"
        head = f"35=W|34={self.seq}|49=SIM|52=20261121-11:00:00.123|56=FH|262=p|48={4001 + index}|22=8|"
        return wire(f"{head}268={len(group)}|{''.join(group)}")


@pytest.mark.parametrize("cut", ["whole reads", "reads cut anywhere"])
def test_every_published_bbo_is_the_top_of_one_whole_book(tmp_path, cut):
    market = Market(4001)
    symbols = {str(4001 + i): (5, 1) for i in range(INSTRUMENTS)}
    line = Dialect(tmp_path, "lmax", symbols, capacity=1 << 20)
    line.engine.enable(BBO, True)
    numbers = {symbol: i for i, symbol in enumerate(symbols)}
    position = [0] * INSTRUMENTS  # behind the W that was published last
    published = 0
    rest = b""
    for _ in range(PER_SECOND * SECONDS):
        order = list(range(INSTRUMENTS))
        market.rng.shuffle(order)
        rest += b"".join(market.book(index) for index in order)
        while rest:
            size = len(rest) if cut == "whole reads" else market.rng.randint(1, 60_000)
            if size > len(rest):
                break
            line.loop.feed(0, rest[:size], NOW)
            rest = rest[size:]
            for topic, payload in line.published():
                channel, symbol, _ = topic.split("|")
                if channel != "bbo":
                    continue
                published += 1
                index = numbers[symbol]
                *best, flags, _ = payload[8:]
                assert flags == 0
                position[index] = market.shown[index].index(best, position[index]) + 1
    line.loop.feed(0, rest, NOW)
    for topic, payload in line.published():
        if topic.startswith("bbo|"):
            assert payload[8:12] == market.shown[numbers[topic.split("|")[1]]][-1]
    rows = {int(row["instrument"]): row for row in Board(tmp_path).rows()}
    for index in range(INSTRUMENTS):
        row = rows[index + 1]
        last = market.shown[index][-1]
        assert [float(row[name]) for name in ("bid", "bid_size", "ask", "ask_size")] == last
    assert line.loop.counts(0)["snapshots"] == INSTRUMENTS * PER_SECOND * SECONDS
    assert line.counts == {}
    assert published > INSTRUMENTS * PER_SECOND * SECONDS // 50
