"""The benchmark of TLS, small: it finds every entry, over both transports, and says which is which."""

import argparse

import pytest

from perf.micro import tls

OPTIONS = argparse.Namespace(runs=1)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(tls, "MESSAGES", 600)
    monkeypatch.setattr(tls, "PACED", 150)


def test_throughput():
    (found,) = tls.throughput(OPTIONS)
    assert (found.name, found.unit, found.peer) == ("tls/throughput", "ticks/s", "plain TCP")
    assert found.median > 0
    assert found.peer_median > 0
    assert found.ratio == pytest.approx(found.median / found.peer_median, rel=1e-3)


def test_latency_is_of_messages_that_were_sent_before_they_were_published():
    median, tail = tls.latency(OPTIONS)
    assert (median.name, tail.name) == ("tls/latency", "tls/latency_p99")
    assert 0 < median.median <= tail.median
    assert 0 < median.peer_median <= tail.peer_median


def test_a_message_that_is_missing_is_an_error(monkeypatch):
    monkeypatch.setattr(tls, "LIMIT_NS", 300_000_000)
    found = tls.messages(20)
    with pytest.raises(RuntimeError, match="of 20 messages"):
        tls._one(None, [*found[:10], *found[11:]], None, 20)
