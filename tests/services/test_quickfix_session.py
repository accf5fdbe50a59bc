"""Our session against the real QuickFIX engine over loopback, as initiator and as acceptor."""

import pytest
from harness import Endpoint, LossyProxy, until

from feedhandler.wire.fix_message import encode
from feedhandler.wire.fix_session import (
    App,
    Gap,
    LoggedOn,
    LoggedOut,
    Role,
    Session,
    SessionConfig,
    SessionState,
)
from feedhandler.wire.fix_store import FileStore, MemoryStore

pytestmark = pytest.mark.service

SYMBOLS = "EURUSD,GBPUSD,USDJPY"


def initiator(store=None, **settings) -> Session:
    config = SessionConfig(role=Role.INITIATOR, sender="FH", target="SIM", **{"heartbeat_s": 1} | settings)
    return Session(config, store or MemoryStore())


def acceptor(store=None) -> Session:
    return Session(SessionConfig(role=Role.ACCEPTOR, sender="SIM", target="FH"), store or MemoryStore())


def subscribe(session: Session, now_ns: int) -> int:
    fields = [(262, b"r1"), (263, b"1"), (264, b"0"), (265, b"1"), (267, b"3"), (269, b"0"), (269, b"1"), (269, b"2")]
    fields += [(146, b"3"), *[(55, symbol.encode()) for symbol in SYMBOLS.split(",")]]
    return session.send(b"V", fields, now_ns)


def logged_on(end: Endpoint):
    until(lambda: end.seen(LoggedOn) or end.failure, "logon")
    assert end.failure is None


def seqs(end: Endpoint) -> list[int]:
    return [event.seq for event in end.seen(App)]


def test_logon_heartbeats_test_request_logout(quickfix_acceptor):
    venue = quickfix_acceptor(symbols=SYMBOLS)
    with Endpoint(initiator(), connect_to=venue.port) as end:
        logged_on(end)
        until(lambda: venue.status()["received"].get("0", 0) >= 3, "three heartbeats of ours")
        assert venue.status()["sent"].get("0", 0) >= 2
        venue.call("test_request", text="are you there")
        before = venue.status()["received"]["0"]
        until(lambda: venue.status()["received"]["0"] > before, "answer to the TestRequest")
        assert end.session.state is SessionState.LOGGED_ON
        end.do(lambda session, now_ns: session.logout("good night", now_ns))
        until(end.disconnects, "the end")
        assert end.disconnects() == ["logged out"]
    status = venue.status()
    assert status["texts"] == ["good night"]
    assert status["received"].get("3", 0) + status["sent"].get("3", 0) == 0
    assert (status["next_in"], status["next_out"]) == (end.session.next_out, end.session.next_in)


def test_a_forced_gap_is_resent(quickfix_acceptor):
    venue = quickfix_acceptor(symbols=SYMBOLS)
    with LossyProxy(venue.port) as proxy, Endpoint(initiator(heartbeat_s=5), connect_to=proxy.port) as end:
        logged_on(end)
        end.do(subscribe)
        until(lambda: len(end.seen(App)) == 3, "three snapshots")
        venue.call("start", rate=300)
        until(lambda: len(end.seen(App)) > 50, "the stream")
        proxy.lose(7)
        until(lambda: len(proxy.lost) == 7 and end.seen(Gap) and not end.session.gap_pending, "gap and its end")
        proxy.lose(1)
        until(lambda: len(proxy.lost) == 8 and len(end.seen(Gap)) == 2, "second gap")
        until(lambda: not end.session.gap_pending, "end of the second gap")
        venue.call("stop")
        status = venue.status()
        until(lambda: len(end.seen(App)) == status["sent"]["W"] + status["sent"]["X"], "every message")
        end.do(lambda session, now_ns: session.logout("", now_ns))
        until(end.disconnects, "the end")
    assert seqs(end) == sorted(set(seqs(end)))
    lost = {int(raw.split(b"\x0134=")[1].split(b"\x01")[0]) for raw in proxy.lost}
    resent = {event.seq: event for event in end.seen(App) if event.poss_dup}
    assert lost <= set(resent)
    for raw in proxy.lost:
        seq = int(raw.split(b"\x0134=")[1].split(b"\x01")[0])
        assert raw.split(b"\x01268=")[1][:-7] in resent[seq].raw, "the resent message is another"
    assert venue.status()["received"]["2"] == 2


def test_sequence_numbers_go_on_after_a_restart_of_ours(quickfix_acceptor, tmp_path):
    """A new process of ours opens the store of the old one; what was sent meanwhile is resent."""
    venue = quickfix_acceptor(symbols=SYMBOLS)
    first = FileStore(tmp_path / "fix", "FH-SIM")
    with Endpoint(initiator(first), connect_to=venue.port) as end:
        logged_on(end)
        end.do(subscribe)
        until(lambda: len(end.seen(App)) == 3, "three snapshots")
        venue.call("start", rate=300)
        until(lambda: len(end.seen(App)) > 20, "the stream")
    first.close()
    venue.call("stop")
    until(lambda: not venue.status()["online"], "QuickFIX sees the connection end")
    second = FileStore(tmp_path / "fix", "FH-SIM")
    with Endpoint(initiator(second), connect_to=venue.port) as again:
        logged_on(again)
        status = venue.status()
        until(lambda: again.session.next_in >= status["next_out"], "all numbers")
        again.do(lambda session, now_ns: session.logout("", now_ns))
        until(again.disconnects, "the end")
    assert sorted(set(seqs(end)) | set(seqs(again))) == sorted(seqs(end) + seqs(again))
    assert len(seqs(end) + seqs(again)) == status["sent"]["W"] + status["sent"]["X"]


def test_reset_on_logon(quickfix_acceptor):
    venue = quickfix_acceptor(symbols=SYMBOLS)
    session = initiator(reset_on_logon=True)
    session.next_in = session.next_out = 500
    with Endpoint(session, connect_to=venue.port) as end:
        logged_on(end)
        assert end.seen(LoggedOn) == [LoggedOn(reset=True)]
        until(lambda: venue.status()["received"].get("0", 0) >= 1, "a heartbeat")
        end.do(lambda it, now_ns: it.logout("", now_ns))
        until(end.disconnects, "the end")
    assert venue.status()["next_in"] == session.next_out < 20


def test_too_low_is_refused_with_quickfix_words(quickfix_acceptor):
    venue = quickfix_acceptor(symbols=SYMBOLS)
    with Endpoint(initiator(), connect_to=venue.port) as end:
        logged_on(end)
        end.do(lambda session, now_ns: session.logout("", now_ns))
        until(end.disconnects, "the end")
    with Endpoint(initiator(), connect_to=venue.port) as again:
        until(again.disconnects, "refusal")
    (gone,) = again.seen(LoggedOut)
    expected = end.session.next_out
    assert gone.text == f"MsgSeqNum too low, expecting {expected} but received 1"


def test_quickfix_logs_us_out(quickfix_acceptor):
    venue = quickfix_acceptor(symbols=SYMBOLS)
    with Endpoint(initiator(), connect_to=venue.port) as end:
        logged_on(end)
        venue.call("logout")
        until(end.disconnects, "the end")
        assert end.disconnects() == ["logged out"]
    assert venue.status()["online"] is False


# ---- our acceptor, a QuickFIX initiator ----


def test_acceptor_heartbeats_test_request_logout(quickfix_initiator):
    with Endpoint(acceptor()) as end:
        client = quickfix_initiator(port=end.port, heartbeat=1)
        logged_on(end)
        until(lambda: client.status()["received"].get("0", 0) >= 3, "three heartbeats of ours")
        client.call("test_request", text="are you there")
        before = client.status()["received"]["0"]
        until(lambda: client.status()["received"]["0"] > before, "answer to the TestRequest")
        client.call("send", text="hello")
        until(lambda: end.seen(App), "an application message")
        assert b"\x0158=hello\x01" in end.seen(App)[0].raw
        client.call("logout")
        until(end.disconnects, "the end")
        assert end.disconnects() == ["logged out"]
    status = client.status()
    assert (status["next_in"], status["next_out"]) == (end.session.next_out, end.session.next_in)
    assert status["received"].get("3", 0) + status["sent"].get("3", 0) == 0


def test_quickfix_asks_for_what_we_skipped(quickfix_initiator):
    """Messages numbered and stored but never put on the wire, administrative numbers among them."""

    def skip(session: Session, now_ns: int):
        for text in (b"lost 1", b"lost 2"):
            seq = session.next_out
            session.store.append(seq, encode(session._header, b"B", seq, session._stamp(now_ns), [(58, text)]))
            session.next_out = seq + 1
        session.next_out += 3
        session.send(b"B", [(58, b"after")], now_ns)

    with Endpoint(acceptor()) as end:
        client = quickfix_initiator(port=end.port, heartbeat=5)
        logged_on(end)
        end.do(lambda session, now_ns: session.send(b"B", [(58, b"before")], now_ns))
        until(lambda: client.call("received")["texts"] == ["before"], "the first message")
        end.do(skip)
        wanted = ["before", "lost 1", "lost 2", "after"]
        until(lambda: client.call("received")["texts"] == wanted, "all messages, in order, once")
        assert client.status()["sent"]["2"] == 1
        end.do(lambda session, now_ns: session.logout("closing", now_ns))
        until(end.disconnects, "the end")
    assert client.call("received")["texts"] == wanted
    assert "closing" in client.status()["texts"]


def test_we_ask_quickfix_for_what_we_missed(quickfix_initiator):
    with Endpoint(acceptor()) as end:
        client = quickfix_initiator(port=end.port, heartbeat=5)
        logged_on(end)
        for text in ("one", "two", "three"):
            client.call("send", text=text)
        until(lambda: len(end.seen(App)) == 3, "three messages")
        end.do(lambda session, _: setattr(session, "next_in", session.next_in - 2))
        client.call("send", text="four")
        until(lambda: len(end.seen(App)) == 6, "the missing two again, then the new one")
        end.do(lambda session, now_ns: session.logout("", now_ns))
        until(end.disconnects, "the end")
    texts = [event.raw.split(b"\x0158=")[1].split(b"\x01")[0] for event in end.seen(App)]
    assert texts == [b"one", b"two", b"three", b"two", b"three", b"four"]
