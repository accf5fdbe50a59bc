"""The real bridge process, a real publisher, real WebSockets."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.bridge import Bridge, WebSocket

ALL_BBO = {"op": "subscribe", "channels": ["bbo"], "symbols": ["*"]}


@pytest.fixture
def bridge(tmp_path):
    running = Bridge(tmp_path)
    yield running
    code, log = running.close()
    assert code == 0, log
    assert "failed" not in log, log


def newest(socket):
    return {d["symbol"]: d["bid"] for d in socket.data("snapshot") + socket.data("update") if d["channel"] == "bbo"}


def test_snapshot_updates_and_status(bridge):
    bridge.call(lambda p: (p.bbo("EUR/USD", 1.0, 1.1), p.bbo("USD/JPY", None, 150.0)))
    socket = bridge.connect()
    assert socket.ask(ALL_BBO)["pending"] == ["bbo"]
    socket.wait(lambda _: newest(socket) == {"EUR/USD": 1.0, "USD/JPY": None})
    bridge.call(lambda p: [p.bbo("EUR/USD", 1.0 + i / 100, 2.0) for i in range(50)])
    socket.wait(lambda _: newest(socket)["EUR/USD"] == 1.49)
    seqs = [d["seq"] for d in socket.data() if d["symbol"] == "EUR/USD"]
    assert seqs == sorted(set(seqs))
    status = bridge.status()
    assert status["updates_out"] + status["conflated"] == 50
    assert [c["subscriptions"] for c in status["per_client"]] == [1]
    assert status["upstream"]["synced"]


def test_every_bad_message_is_answered_and_the_connection_lives(bridge):
    socket = bridge.connect()
    for bad in (b"\x00\x01", "{", '{"op":"fly"}', '{"op":"subscribe","channels":["x"],"symbols":["A"]}', " " * 70_000):
        socket.send(bad)
    codes = socket.wait(lambda _: (e := [m["code"] for m in socket.of("error")]) and len(e) == 5 and e)
    assert codes == ["text_only", "bad_json", "unknown_op", "unknown_channel", "message_too_large"]
    socket.send_frames(b'{"op":"pi', b'ng","i', b'd":5}')
    socket.wait(lambda _: socket.of("pong") == [{"type": "pong", "id": 5}])
    assert bridge.status()["errors"] == 5


def test_a_message_far_too_large_closes_the_connection_with_1009(bridge):
    socket = bridge.connect()
    socket.send(" " * (17 * 65536))
    assert socket.closed.wait(10)
    assert socket.close_code == 1009
    assert bridge.connect().ask({"op": "ping"})["type"] == "pong"


def test_a_flush_interval_lets_updates_share_messages_and_sends_the_last(tmp_path):
    bridge = Bridge(tmp_path, "flush_interval_us = 20000")
    socket = bridge.connect()
    socket.ask(ALL_BBO)
    socket.wait(lambda _: socket.of("snapshot"))
    for i in range(20):
        bridge.call(lambda p, i=i: p.bbo("A", float(i), 100.0))
    socket.wait(lambda _: newest(socket) == {"A": 19.0})
    status = bridge.status()
    assert status["updates_out"] + status["conflated"] == 20
    assert status["conflated"] > 0
    bridge.close()


def test_a_restarted_publisher_is_followed(bridge):
    bridge.call(lambda p: [p.bbo("A", 1.0, 2.0) for _ in range(5)])
    socket = bridge.connect()
    socket.ask(ALL_BBO)
    socket.wait(lambda _: newest(socket) == {"A": 1.0})
    bridge.call(lambda p: (p.restart(epoch=2), p.bbo("A", 7.0, 8.0)))
    socket.wait(lambda _: newest(socket) == {"A": 7.0})
    assert socket.of("restart")
    bridge.call(lambda p: p.bbo("A", 9.0, 10.0))
    socket.wait(lambda _: newest(socket) == {"A": 9.0})


def test_odd_frames_upstream_harm_nothing(bridge):
    bridge.call(lambda p: p.bbo("A", 1.0, 2.0))
    socket = bridge.connect()
    socket.ask(ALL_BBO)
    socket.wait(lambda _: newest(socket) == {"A": 1.0})

    def odd(p):
        for frames in (
            [b"bbo|A|sim"],
            [b"bbo|X|y", b"1", b"2"],
            [b"bbo|Z|y", b"1", b"2", b"3"],
            [b"bbo|A|sim", b"\xc1"],
        ):
            p.xpub.send_multipart(frames)
            p.bbo("A", 1.5, 2.0)

    bridge.call(odd)
    bridge.call(lambda p: p.bbo("A", 3.0, 4.0))
    socket.wait(lambda _: newest(socket)["A"] == 3.0)


def test_a_client_that_does_not_read_is_closed_with_4008_and_another_does_not_notice(tmp_path):
    bridge = Bridge(tmp_path, "slow_close_s = 0.5")
    slow, fast = bridge.connect(), bridge.connect()
    for socket in (slow, fast):
        socket.ask(ALL_BBO)
    slow.read(False)
    for _ in range(200):
        bridge.call(lambda p: [p.bbo(f"SYMBOL{i:04d}", float(p.ring_seq), 2.0) for i in range(300)])
        if bridge.status()["slow_closed"]:
            slow.read(True)  # at once: who does not take the close frame in time is cut off without it
            break
    assert bridge.status()["slow_closed"] == 1
    last = bridge.call(lambda p: p.bbo("SYMBOL0000", -1.0, 2.0))
    fast.wait(lambda _: newest(fast)["SYMBOL0000"] == last.bid)
    assert slow.closed.wait(10)
    assert slow.close_code == 4008
    bridge.close()


def test_too_many_clients_are_refused_before_they_connect(tmp_path):
    bridge = Bridge(tmp_path, "max_clients = 1", publisher=False)
    bridge.connect()
    with pytest.raises(Exception, match="503"):
        WebSocket(bridge.port)
    assert bridge.status()["clients_refused"] == 1
    bridge.close()


def test_tokens(tmp_path):
    bridge = Bridge(tmp_path, 'tokens_env = "BRIDGE_TOKENS"', {"BRIDGE_TOKENS": "alpha, beta"})
    assert bridge.connect(headers=[("Authorization", "Bearer beta")]).ask({"op": "ping"})["type"] == "pong"
    with pytest.raises(Exception, match="401"):
        bridge.connect(headers=[("Authorization", "Bearer gamma")])
    socket = bridge.connect()
    assert socket.ask({"op": "ping"})["code"] == "not_authorised"
    assert socket.ask({"op": "auth", "token": "alpha"})["type"] == "ack"
    assert socket.ask({"op": "ping"})["type"] == "pong"
    other = bridge.connect()
    other.send({"op": "auth", "token": "gamma"})
    assert other.closed.wait(10)
    assert other.close_code == 4001
    bridge.close()


def test_clients_are_told_that_the_bridge_goes_away(tmp_path):
    bridge = Bridge(tmp_path)
    socket = bridge.connect()
    socket.ask({"op": "ping"})
    bridge.process.terminate()
    assert socket.closed.wait(10)
    assert socket.close_code == 1001
    code, log = bridge.close()
    assert code == 0, log


def test_a_host_that_others_can_reach_without_tokens_refuses_to_start(tmp_path):
    bridge = Bridge(tmp_path, publisher=False)
    bridge.close()
    bridge.config.write_text(bridge.config.read_text().replace("[bridge]", '[bridge]\nhost = "0.0.0.0"'))
    result = subprocess.run(
        [sys.executable, "-m", "feedhandler.bridge", "--config", bridge.config],
        check=False, capture_output=True, text=True, timeout=30, env=os.environ,
    )  # fmt: skip
    assert result.returncode == 2
    assert "tokens_env" in result.stderr
    assert json.dumps("Traceback").strip('"') not in result.stderr
