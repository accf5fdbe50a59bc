"""One writer and nine readers for minutes, all but one of them killed at random: nothing torn, nothing misordered, every record
read or counted as lapped, epoch by epoch."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.stress.rig import Rig
from tests.stress.writers import Writer

NOBODY = 65534
CAPACITY = 1 << 14
READERS: dict[str, dict[str, int]] = {
    "spins": {"policy": 0},
    "yields": {"policy": 1},
    "parks": {"policy": 2},
    "adapts": {"policy": 3},
    "borrows": {"policy": 2, "view": 1},
    "small buffer": {"policy": 2, "max": 3},
    "sleeps": {"policy": 2, "sleep_us": 60_000, "max": CAPACITY},  # longer than the ring lasts: lapped again and again
    "read-only": {"policy": 2, "uid": NOBODY},
    "follows": {"policy": 3, "follower": 1},  # never killed: it cannot resume
}


class Every(NamedTuple):
    """Seconds between two kills, at random within."""

    least: float
    most: float


class Soaked(NamedTuple):
    """What a soak showed. `rate`: records a second from the first start to the last end, restarts included."""

    table: str
    outcomes: str
    rate: float
    lapped: int
    writer_kills: int
    reader_kills: int


def soak(
    programs: Path, seconds: float, rate: int, writer_every: Every, reader_every: Every, seed: int,
    tell: Callable[[str], None] = lambda _: None,
) -> Soaked:  # fmt: skip
    """Run for so long at so many records a second; assert that every account is right; return what was seen."""
    with Rig(programs, CAPACITY) as rig:
        writer = rig.writer(records=10).greeted()
        writer.ended()
        for name, options in READERS.items():
            rig.reader(name, **options)
        rig.await_attached()
        begin = time.monotonic()
        kills = _run(rig, seconds, rate, (writer_every, reader_every), random.Random(seed), tell)
        lasted = time.monotonic() - begin
        rig.drain()
        faults = rig.faults()
        race, endings = rig.race("readers"), rig.endings
        table = _table(rig, kills, lasted)
        assert faults == [], f"{faults}\n{table}\n{rig.stderr.read_text()}"
        told = "\n".join((race.judge("lapped", "followed", "resumed"), endings.judge("ended")))
        published = sum(epoch.last for epoch in rig.epochs.values())
        lapped = sum(account.lost for reader in rig.readers for account in reader.accounts().values())
        return Soaked(table, told, published / lasted, lapped, *kills)


def _run(
    rig: Rig, seconds: float, rate: int, every: tuple[Every, Every], rng: random.Random, tell: Callable[[str], None]
) -> tuple[int, int]:
    """Kill writer and readers until the time is over; return how many of each."""

    def start() -> Writer:
        return rig.writer(
            rate=rate, batch=32, oversize=100_000, drop=50, open=20, renote=50, idle=20, silent=9
        ).greeted()

    now = begin = told = time.monotonic()
    writer = start()
    kills = [0, 0]
    due = [now + rng.uniform(*one) for one in every]
    while now < begin + seconds:
        time.sleep(max(0.0, min(*due, begin + seconds) - now))
        now = time.monotonic()
        if now >= due[0]:
            writer.kill()
            writer = start()
            kills[0] += 1
            due[0] = now + rng.uniform(*every[0])
        if now >= due[1]:
            victim = rng.choice([reader for reader in rig.readers if "follower" not in reader.options])
            victim.kill()
            victim.start()
            kills[1] += 1
            due[1] = now + rng.uniform(*every[1])
        if now >= told + 60:
            told = now
            tell(
                f"{now - begin:4.0f} s: {kills[0]} writers and {kills[1]} readers killed, {len(rig.epochs)} epochs ended"
            )
    writer.kill()
    rig.writer(records=1000).ended()
    return kills[0] + 1, kills[1]


def _table(rig: Rig, kills: tuple[int, int], lasted: float) -> str:
    """Return a line a reader: published = read + lapped + forced out."""
    published = sum(epoch.last for epoch in rig.epochs.values())
    total = f"{lasted:,.1f} s, {published:,} records published, {published / lasted:,.0f} a second"
    what = f"{len(rig.epochs)} epochs, {kills[0]} writers and {kills[1]} readers killed"
    columns = f"{'lives':>6} {'epochs':>7} {'published':>15} {'read':>15} {'lapped':>15} {'forced out':>11} {'laps':>8}"
    lines = [f"{total}; {what}", f"{'reader':12} {columns}"]
    for reader in rig.readers:
        accounts = reader.accounts()
        lines.append(
            f"{reader.name:12} {reader.lives:>6} {len(accounts):>7} "
            f"{sum(truth.last for epoch, truth in rig.epochs.items() if epoch >= min(accounts)):>15,} "
            f"{sum(account.read for account in accounts.values()):>15,} "
            f"{sum(account.lost + account.skipped for account in accounts.values()):>15,} "
            f"{sum(rig.forced_out(reader).values()):>11,} "
            f"{sum(account.laps for account in accounts.values()):>8,}"
        )
    return "\n".join(lines)
