"""`python -m perf.micro.book`: one level update, then the best level read; native beside books that Python has.

All contenders get the same updates and must end with the same book, or nothing is reported.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from feedhandler.tick import TICK, Action, Kind, Side
from perf import result
from perf.micro import native
from perf.peers import books
from perf.result import Result

UPDATES = 20_000


def flow(seed: int = 1, count: int = UPDATES) -> list[tuple[int, float, float]]:
    """Return (side 1 bid or 2 ask, price, size or 0) updates: most near the top, prices in quarters, sizes whole."""
    chance = random.Random(seed)
    held: dict[int, set[float]] = {1: set(), 2: set()}
    updates = []
    for _ in range(count):
        side = chance.choice((1, 2))
        distance = min(200, int(chance.expovariate(1 / 6)))
        price = 1000 + (-(1 + distance) if side == 1 else 1 + distance) * 0.25
        gone = price in held[side] and chance.random() < 0.4
        updates.append((side, price, 0.0 if gone else float(chance.randint(1, 999))))
        (held[side].discard if gone else held[side].add)(price)
    return updates


def records(updates: Sequence[tuple[int, float, float]]) -> "np.ndarray[Any, np.dtype[Any]]":
    """Return the updates as LEVEL records."""
    found = np.zeros(len(updates), TICK)
    found["side"], found["price"], found["size"] = np.array(updates).T
    found["kind"], found["instrument"], found["source"] = Kind.LEVEL, 1, 1
    found["action"] = np.where(found["size"] == 0, Action.DELETE, Action.CHANGE)
    return found


def _state(book: dict[float, float]) -> tuple[int, float]:
    return len(book), sum(book.values())


def updates(options: argparse.Namespace) -> Iterator[Result]:
    """Native by itself (its peers cannot be called without Python), the peers from Python."""
    given = flow()
    plain: dict[int, dict[float, float]] = {Side.BID: {}, Side.ASK: {}}
    for side, price, size in given:
        if size:
            plain[side][price] = size
        else:
            del plain[side][price]
    expected = [_state(plain[side]) for side in (Side.BID, Side.ASK)]
    with tempfile.NamedTemporaryFile() as file:
        file.write(records(given).tobytes())
        file.flush()
        found, states = native.run("book_bench", file.name, str(options.runs))
    if [(int(cells[1]), float(cells[2])) for cells in states] != expected:
        raise RuntimeError(f"the native book differs: {states} instead of {expected}")
    for name, peer in books.available().items():
        if peer.run(given) != expected:
            raise RuntimeError(f"the book of {name} differs")
        timed = result.in_turns(options.runs, 5, {name: (lambda peer=peer: peer.run(given), len(given))})
        yield result.result(f"book/update_vs_{name}", "ns/update", found["book_update"], name, timed[name])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = result.parser("perf.micro.book", Path(__file__).stem).parse_args(argv)
    return result.run(options, (updates,))


if __name__ == "__main__":
    sys.exit(main())
