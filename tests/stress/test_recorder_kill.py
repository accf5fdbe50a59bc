"""kill -9 of the recorder, and of the ring's writer, at random moments under 50,000 records/s.

The judge is what the writers wrote: each record is a function of its seq, so the journal of an epoch must be
byte for byte what the test computes itself, up to the last seq that the writer (or its successor) reports.
"""

import contextlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np

from feedhandler import control
from feedhandler.record.journal import open_journal
from feedhandler.record.parquet_read import read_table
from feedhandler.record.verify import verify
from feedhandler.tick import TICK

KILLS = 8
CONFIG = """
[feedhandler]
name = "t"
shm_dir = "shm"
state_dir = "state"
run_dir = "run"
[[handler]]
name = "h1"
[[handler.source]]
name = "venue"
profile = "fix44"
host = "127.0.0.1"
port = 9880
sender = "FH"
target = "SIM"
instruments = [ { venue = "A", symbol = "A/B", tick = 0.1, lot = 1, price_decimals = 1, size_decimals = 0 } ]
[recorder]
journal_dir = "journal"
segment_bytes = 4194304
poll_interval_ms = 2
[recorder.parquet]
dir = "parquet"
batch_rows = 40000
batch_age_s = 0.5
"""

MAKE_RECORDS = """
import numpy as np
from feedhandler.tick import TICK

def make(first, count):
    records = np.zeros(count, TICK)
    seq = np.arange(first, first + count, dtype=np.uint64)
    records["seq"] = seq
    records["kind"] = np.where(seq % 4 == 0, 3, 2)
    records["flags"] = np.where(seq % 4 == 0, 0x80, 0)
    records["ts_recv"] = 1_795_000_000_000_000_000 + seq.astype(np.int64) * 20_000
    records["price"] = seq * 0.001
    records["size"] = seq % 1000
    records["ref"] = seq * 0x9E3779B97F4A7C15
    records["instrument"] = seq % 50 + 1
    records["source"] = 1
    return records
"""

WRITER = (
    MAKE_RECORDS
    + """
import sys, time
from feedhandler._native import RingWriter
folder, batches = sys.argv[1], int(sys.argv[2])
writer = RingWriter(folder + "/shm", folder + "/state", "h1", 1 << 20)
print(writer.epoch, writer.previous_epoch, writer.previous_last, flush=True)
start = time.monotonic()
for batch in range(batches):
    writer.append(make(writer.published + 1, 500).view(np.uint8))
    writer.publish(0)
    time.sleep(max(0, start + batch * 0.01 - time.monotonic()))
print("done", flush=True)
sys.stdin.read()
"""
)
_space: dict = {}
exec(MAKE_RECORDS, _space)
make = _space["make"]


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen]:
    running = subprocess.Popen([sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def recorder(folder: Path) -> contextlib.AbstractContextManager:
    return started("-m", "feedhandler.recorder", "--config", str(folder / "c.toml"))


def test_the_journal_and_parquet_hold_exactly_what_was_written(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(CONFIG)
    rng = random.Random(20261121)
    lasts: dict[int, int] = {}
    epochs: list[int] = []
    for turn, batches in enumerate((10_000, 10_000, 300)):
        with started("-c", WRITER, str(tmp_path), str(batches)) as writer:
            epoch, previous, previous_last = map(int, writer.stdout.readline().split())
            epochs.append(epoch)
            if previous:
                lasts[previous] = previous_last
            if turn < 2:
                for _ in range(KILLS // 2):
                    with recorder(tmp_path) as running:
                        time.sleep(rng.uniform(0.3, 1.6))
                        running.send_signal(signal.SIGKILL)
            else:
                with recorder(tmp_path) as running:
                    assert writer.stdout.readline() == "done\n"
                    lasts[epoch] = batches * 500
                    await_journaled(tmp_path, epoch, lasts[epoch])
                    running.send_signal(signal.SIGTERM)
                    assert running.wait(60) == 0
    judge(tmp_path, {epoch: lasts[epoch] for epoch in epochs})


def await_journaled(folder: Path, epoch: int, last: int) -> None:
    while True:
        with contextlib.suppress(Exception):
            ring = control.call(str(folder / "run" / "recorder.ctl"), "status")["rings"]["h1"]
            if (ring["epoch"], ring["journaled"]) == (epoch, last):
                return
        time.sleep(0.02)


def judge(folder: Path, lasts: dict[int, int]) -> None:
    journal = open_journal(folder / "journal")
    report = verify(journal)
    assert (report.problems, report.gaps, report.notes) == ([], [], [])
    assert journal.epochs("h1") == list(lasts)
    for epoch, last in lasts.items():
        held = np.concatenate([block.records for block in journal.blocks("h1", epoch)])
        assert len(held) == last
        assert held.tobytes() == make(1, last).tobytes()
    table = read_table(folder / "parquet").combine_chunks()
    total = sum(lasts.values())
    assert total > 100_000
    assert table.num_rows == total
    for epoch, last in lasts.items():
        rows = table.filter(np.asarray(table["epoch"]) == epoch).sort_by("seq")
        expected = make(1, last)
        for name in TICK.names:
            column = np.asarray(rows["source_id" if name == "source" else name])
            np.testing.assert_array_equal(column, expected[name], name)
    # Nobody needs the manifest once the recorder has stopped: a plain glob gives the same rows, once.
    glob = f"read_parquet('{folder}/parquet/**/*.parquet')"
    counted = duckdb.sql(f"SELECT count(*), count(DISTINCT (epoch, seq)) FROM {glob} WHERE kind IN (2, 3)")
    assert counted.fetchall() == [(total, total)]
