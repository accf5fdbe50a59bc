"""A trading engine that lives on the board's changes: `change_engine.py SHM_DIR STATE_DIR [--count N]`.

It sleeps until a row changes, reads the rows that did, and says which way the sizes at the best prices lean. It looks
at no row that did not change, is never told of one twice in a turn, and never misses the last state of one, however
slow it is. Three things an engine must do stand here as well: trust no flagged row, know how old its news is, and
follow the conflator over a restart.
"""

import argparse
from pathlib import Path

from feedhandler import board, clock
from feedhandler.board import Board, Rows
from feedhandler.instruments import Directory

WAIT_NS = 100_000_000
STALE_NS = 2_000_000_000
LEANS = 0.5  # of the sizes at the best prices, this much more on one side than on the other


class Engine:
    """Remembers which way each instrument leans; one line for each change of its mind."""

    def __init__(self, shm_dir: Path, state_dir: Path) -> None:
        self.board = Board(shm_dir)
        self.directory = Directory(state_dir / "instruments.dir")
        self.clock = clock.Clock(shm_dir)
        self.cursor = 0  # of no file: the first turn gets every row
        self.views: dict[int, str] = {}
        self.alive = True
        self.said = 0

    def turn(self) -> None:
        """Wait for changes and react to them."""
        if not self.board.wait(self.cursor, WAIT_NS) and self.alive and not self.board.alive:
            self.alive = False
            print("the conflator is gone: what the board says is old", flush=True)
        if self.board.follow():  # its successor's board: the old cursor gets every row of it
            self.alive = True
            self.views.clear()
        ids, self.cursor, _ = self.board.changes(self.cursor)
        for row in self.board.read(ids):
            self.react(row)

    def react(self, row: Rows) -> None:
        """Say it where the view of this instrument has changed."""
        instrument, view = int(row["instrument"]), self.view(row)
        if self.views.get(instrument) == view:
            return
        self.views[instrument] = view
        self.directory.refresh()
        print(f"{self.directory.get(instrument).symbol} {view}", flush=True)
        self.said += 1

    def view(self, row: Rows) -> str:
        """Return what to do about an instrument."""
        if not board.trusted(row):
            return f"hands off: {board.state_names(row)}"
        if board.age_ns(row, self.clock.now_ns()) > STALE_NS:
            return "hands off: old news"
        bid, ask = row["bid_size"], row["ask_size"]
        lean = (bid - ask) / (bid + ask)  # NaN with a side missing: leans nowhere
        side = "buy" if lean > LEANS else "sell" if lean < -LEANS else "wait"
        return f"{side} at {row['bid']:.10g} / {row['ask']:.10g}, vwap {row['vwap']:.10g}"


def main() -> None:
    """Turn for ever, or until `--count` lines are out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shm_dir", type=Path)
    parser.add_argument("state_dir", type=Path)
    parser.add_argument("--count", type=int, default=0)
    options = parser.parse_args()
    engine = Engine(options.shm_dir, options.state_dir)
    while not options.count or engine.said < options.count:
        engine.turn()


if __name__ == "__main__":
    main()
