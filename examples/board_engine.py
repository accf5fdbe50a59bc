"""A trading engine that lives on the board: `board_engine.py SHM_DIR STATE_DIR [--count N]`.

It looks at the latest state of every instrument and says where the spread is wide. It needs no socket and no
subscription, and nobody needs to know that it runs. It never sees every tick: the board is the latest only.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from feedhandler.board import Board, Rows
from feedhandler.instruments import Directory
from feedhandler.tick import State


def tradable(rows: Rows) -> Rows:
    """Return the rows that may be acted on: a good book with both sides."""
    good = (rows["state"] == State.NONE) | (rows["state"] == State.SYNCED)
    chosen: Rows = rows[good & (rows["flags"] == 0) & (rows["bid"] > 0) & (rows["ask"] > rows["bid"])]
    return chosen


def look(board: Board, directory: Directory) -> int:
    """Print spread and bid depth of each tradable instrument; return how many there were."""
    rows = tradable(board.rows())
    directory.refresh()
    spread_bp = (rows["ask"] - rows["bid"]) / rows["bid"] * 1e4
    bid_depth = np.nansum(rows["bids"][:, :, 1], axis=1)  # NaN: no such level
    for row, spread, depth in zip(rows, spread_bp, bid_depth, strict=True):
        symbol = directory.get(int(row["instrument"])).symbol
        print(f"{symbol} {row['bid']:.10g} {row['ask']:.10g} spread {spread:.2f} bp, {depth:.10g} bid", flush=True)
    return len(rows)


def run(shm_dir: Path, state_dir: Path, count: int) -> None:
    """Look until `count` lines are out (0: for ever), and follow the conflator over its restarts."""
    board = Board(shm_dir)
    directory = Directory(state_dir / "instruments.dir")
    seen = 0
    while not count or seen < count:
        if not board.alive:
            print("the conflator is gone: what the board says is old", flush=True)
            board.attach()  # its successor's board, once there is one
        else:
            seen += look(board, directory)
        time.sleep(0.1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shm_dir", type=Path)
    parser.add_argument("state_dir", type=Path)
    parser.add_argument("--count", type=int, default=0)
    options = parser.parse_args()
    run(options.shm_dir, options.state_dir, options.count)
