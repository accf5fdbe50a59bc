"""The client examples, run as a user runs them, against a real bridge and a publisher."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bridge import Bridge

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def bridge(tmp_path):
    running = Bridge(tmp_path)
    running.call(lambda p: (p.bbo("EUR/USD", 1.25, 1.5), p.trade("EUR/USD", 1.375)))
    yield running
    running.close()


def run(name, *args):
    result = subprocess.run(
        [sys.executable, EXAMPLES / name, *map(str, args)], check=False, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_zmq_subscriber_prints_the_snapshot(bridge):
    out = run("zmq_subscriber.py", bridge.run_dir, "--topic", "bbo|", "--topic", "trade|EUR/USD|", "--count", 2)
    assert "snapshot bbo|EUR/USD|sim Bbo(" in out
    assert "bid=1.25" in out
    assert "price=1.375" in out


def test_websocket_client_prints_quotes(bridge):
    out = run("websocket_client.py", f"ws://127.0.0.1:{bridge.port}", "EUR/USD", "--count", 1)
    assert "EUR/USD sim 1.25 1.0 1.5 2.0 1" in out
