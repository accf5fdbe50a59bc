"""What the README says: its Python runs on real files and sockets, its commands and files exist."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from feedhandler import _native, config
from feedhandler.bridge.protocol import CHANNELS as BRIDGE_CHANNELS
from feedhandler.counters import Counters
from feedhandler.instruments import Directory, Instrument
from feedhandler.publish import CHANNELS, Publisher
from feedhandler.tick import TICK, Action, Flag, Kind, Side

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
SHELL = "\n".join(re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL))


def serve(folder: Path, engine: _native.Conflator, counters: Counters, stop: threading.Event) -> None:
    """Be the conflator process, without its configuration."""

    def snapshot(prefix: str) -> list[bytes | None]:
        engine.snapshot(prefix)
        frames: list[bytes | None] = engine.take()
        return frames

    publisher = Publisher(folder, counters, snapshot, engine.publisher_epoch, send_hwm=1000)
    while not stop.wait(0.001):
        wanted = publisher.poll_subscriptions()
        for index, channel in enumerate(CHANNELS):
            if wanted is not None:
                engine.enable(index, channel in wanted)
        engine.run(_native.WaitPolicy.PARK, 1_000_000, 0, 1 << 62)
        publisher.send(engine.take())
        publisher.poll_snapshots()
    publisher.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "instruments.dir"
    directory = Directory(path, writable=True)
    source = directory.add_source("simvenue")
    directory.add(Instrument(source=source, venue_symbol="EURUSD", symbol="EUR/USD"))
    ring = _native.RingWriter(str(tmp_path), str(tmp_path), "handler1", 1024)
    counters = Counters(str(tmp_path), "conflator")
    engine = _native.Conflator(
        str(tmp_path), str(tmp_path), str(path), ["handler1"], [["simvenue"]], 5, 1024, 16, counters.native
    )
    batch = np.zeros(3, TICK)
    batch["kind"], batch["source"], batch["instrument"] = [Kind.BOOK_CLEAR, Kind.LEVEL, Kind.LEVEL], 1, 1
    batch["side"], batch["action"] = [Side.NONE, Side.BID, Side.ASK], Action.NEW
    batch["price"], batch["size"], batch["flags"] = [np.nan, 1.25, 1.375], 2.0, [0, 0, Flag.LAST]
    ring.append(batch.view(np.uint8))
    ring.publish(0)
    engine.run(_native.WaitPolicy.PARK, 0, 0, 1 << 62)
    stop = threading.Event()
    server = threading.Thread(target=serve, args=(tmp_path, engine, counters, stop))
    server.start()
    yield tmp_path
    stop.set()
    server.join()


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, r"EUR/USD 1\.25 1\.375 \[\["), (1, r"3 records; "), (2, r"EUR/USD 1\.25 1\.375\n")],
)
def test_the_python_in_the_readme_runs(folder: Path, number: int, expected: str) -> None:
    program = PYTHON[number]
    for place in ("/dev/shm/feedhandler-example", "var/example/state", "var/example/run"):
        program = program.replace(place, str(folder))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30, cwd=folder
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(expected, done.stdout), done.stdout


def test_every_python_block_is_run() -> None:
    assert len(PYTHON) == 3


def test_the_folders_named_are_those_of_the_example() -> None:
    general = config.load(ROOT / "examples" / "feedhandler.toml").feedhandler
    places = [general.shm_dir, *(str(Path(p).relative_to(ROOT)) for p in (general.state_dir, general.run_dir))]
    assert [place for place in places if place not in README] == []


def test_the_websocket_request_is_one_the_bridge_takes() -> None:
    block = re.search(r"^```json\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert block is not None
    request = json.loads(block[1])
    assert set(request["channels"]) <= set(BRIDGE_CHANNELS)


def test_the_commands_exist() -> None:
    targets = re.findall(r"^make (\w+)", SHELL, re.MULTILINE)
    rules = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert targets
    assert set(targets) <= set(rules)
    commands = re.findall(r"^\.venv/bin/feedhandler (\w+)", SHELL, re.MULTILINE)
    helped = subprocess.run(
        [Path(sys.executable).with_name("feedhandler"), "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert [command for command in commands if not re.search(rf"\b{command}\b", helped)] == []
