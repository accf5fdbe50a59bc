"""What goes wrong on purpose, and what a client may and may not do."""

import contextlib
import socket
import time

import pytest
from sim_client import TIMEOUT_S, Client, assert_agree
from test_sim_process import model, receive_flow, symbols_of

from feedhandler import sim
from feedhandler.errors import ControlError


def ready(folder, *arguments: str, instruments: int = 10):
    """A running venue and a subscribed client."""
    venue = model(folder, *arguments, instruments=instruments)
    client = Client(venue.port)
    client.logon()
    client.subscribe(symbols_of(folder / "instruments.csv"))
    return venue, client


def wait_for(condition) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("keying", ["price", "id"])
def test_a_forced_gap_is_closed_by_a_resend(tmp_path, keying):
    venue, client = ready(tmp_path, "--rate", "4000", "--seconds", "1", "--keying", keying)
    with venue:
        client.pump(lambda: client.types["X"] > 100)
        assert venue.call("skip_seq", n=7) == {"sessions": 1}
        receive_flow(venue, client)
        counts = assert_agree(venue, client)
        status = venue.call("status")
        assert client.gap_asked > 0
        assert sum(client.resent.values()) >= sum(counts["skipped"].values()) > 0
        assert (
            status["messages_sent"] + 7 + client.types["A"] + client.types["0"] == status["sessions"][0]["next_out"] - 1
        )
        assert venue.call("messages")["by_type"]["2"] >= 1


def test_an_old_message_is_resent_byte_for_byte_in_its_fields(tmp_path):
    venue, client = ready(tmp_path, "--rate", "2000", "--seconds", "1")
    with venue:
        receive_flow(venue, client)
        before = venue.call("counts")["sent"]
        raw: list[bytes] = []
        client._message = raw.append
        client.send(b"2", (7, 1), (16, 0))
        client.drain()
        fields = [dict(f.split(b"=", 1) for f in message.split(b"\x01")[:-1]) for message in raw]
        assert fields[0][b"35"] == b"4"  # the Logon is administrative
        assert fields[0][b"123"] == b"Y"
        assert fields[0][b"36"] == b"2"
        assert [int(one[b"34"]) for one in fields[1:]] == list(range(2, client.next_in))
        assert all(one[b"43"] == b"Y" and one[b"122"] <= one[b"52"] for one in fields)
        assert venue.call("counts")["sent"] == before
        assert sum(venue.call("counts")["resent"].values()) == sum(client.first.values())


def test_a_dropped_connection_goes_on_where_it_was(tmp_path):
    venue, client = ready(tmp_path, "--rate", "4000", "--seconds", "2.5")
    symbols = symbols_of(tmp_path / "instruments.csv")
    with venue:
        client.pump(lambda: client.types["X"] > 100)
        assert venue.call("drop_connection") == {"dropped": 1}
        client.drain()
        assert client.closed
        client.close()
        wait_for(lambda: venue.call("status")["ticks_unsent"] > 500)
        client.connect()
        client.types.clear()
        client.logon()
        client.subscribe(symbols, "again")
        receive_flow(venue, client)
        for symbol, book in venue.call("books")["books"].items():
            assert len(client.books[symbol].levels("0")) == len(book["bids"])
        status = venue.call("status")
        received = sum(client.first.values()) + sum(client.resent.values())
        assert status["ticks_sent"] + status["ticks_cut"] == received  # what was on its way was resent, once
        assert status["sessions"][0]["next_out"] == client.next_in
        requests = venue.call("messages")
        assert requests["by_type"]["V"] == 2
        assert requests["instruments"] == {"1": 20}
        assert [one["instruments"] for one in requests["requests"]] == [10, 10]


def test_a_reset_logon_begins_at_one(tmp_path):
    venue, client = ready(tmp_path, "--rate", "1000", "--seconds", "1")
    with venue:
        receive_flow(venue, client)
        client.close()
        wait_for(lambda: venue.call("status")["connections"] == 0)
        again = Client(venue.port)
        again.logon((141, "Y"))
        assert again.next_in == 2
        again.subscribe(symbols_of(tmp_path / "instruments.csv"))
        again.pump(lambda: again.types["W"] == 10)
        assert venue.call("status")["sessions"][0]["next_out"] == again.next_in == 12


def test_two_clients_each_get_all_and_a_third_of_the_same_name_is_refused(tmp_path):
    venue, one = ready(tmp_path, "--rate", "4000", "--seconds", "1")
    with venue:
        two = Client(venue.port, "OTHER")
        two.logon()
        symbols = symbols_of(tmp_path / "instruments.csv")
        two.subscribe(symbols[:3])
        twin = Client(venue.port)
        twin.send(b"A", (98, 0), (108, 30))
        twin.drain(1.0)
        assert twin.closed
        assert not twin.types
        while venue.call("status")["flow"] != "done":
            one.drain(0.1)
            two.drain(0.1)
        one.drain()
        two.drain()
        sent = venue.call("counts")["sent"]
        assert sent == {symbol: one.first[symbol] + two.first[symbol] for symbol in symbols}
        assert set(two.first) == set(symbols[:3])
        for symbol in symbols[:3]:
            assert one.books[symbol].levels("0") == two.books[symbol].levels("0")
        sessions = {session["client"]: session for session in venue.call("status")["sessions"]}
        assert sessions["OTHER"]["ticks_sent"] == sum(two.first.values())
        assert venue.call("status")["refused_connections"] == 1


def test_unsubscribed_means_silence_and_snapshots_come_alone(tmp_path):
    venue, client = ready(tmp_path, "--rate", "2000", "--seconds", "30")
    symbols = symbols_of(tmp_path / "instruments.csv")
    with venue:
        client.pump(lambda: client.types["X"] > 50)
        client.subscribe(symbols, kind=2)
        wait_for(lambda: venue.call("status")["sessions"][0]["subscriptions"] == 0)
        client.drain()
        before = client.types["X"], client.types["W"]
        client.drain()
        client.subscribe(symbols[:4], "once", kind=0)
        client.drain()
        assert (client.types["X"], client.types["W"]) == (before[0], before[1] + 4)
        assert venue.call("status")["ticks_unsent"] > 0


TYPES = [(267, 3), (269, 0), (269, 1), (269, 2)]
BAD_REQUESTS = [
    ([(262, "a"), (263, 1), *TYPES, (146, 1), (55, "NOPE")], "0"),
    ([(262, "a"), (263, 1), *TYPES, (146, 0)], "0"),
    ([(262, "a"), (263, 1), *TYPES, (146, 2), (55, "EURUSD")], "0"),
    ([(262, "a"), (263, 7), (146, 1), (55, "EURUSD")], "4"),
    ([(262, "a"), (263, 1), (264, 5), *TYPES, (55, "EURUSD")], "5"),
    ([(262, "a"), (263, 1), (265, 0), *TYPES, (55, "EURUSD")], "6"),
    ([(262, "a"), (263, 1), (267, 1), (269, 0), (146, 1), (55, "EURUSD")], "8"),
    ([(262, "a"), (263, 1), (267, 2), *TYPES[1:], (146, 1), (55, "EURUSD")], "8"),
    ([(263, 1), *TYPES, (146, 1), (55, "EURUSD")], None),
    ([(262, "x" * 65), (263, 1), *TYPES, (146, 1), (55, "EURUSD")], None),
]


def test_a_request_it_cannot_serve_is_refused_with_its_code(tmp_path):
    with model(tmp_path, "--rate", "100") as venue:
        client = Client(venue.port)
        client.logon()
        for count, (fields, code) in enumerate(BAD_REQUESTS, 1):
            client.send(b"V", *fields)
            client.pump(lambda count=count: client.types["Y"] == count)
            assert client.other[-1].get(281) == code, fields
            assert client.other[-1][262] == dict(fields).get(262, "NONE")[:64]
        assert client.types["W"] == 0
        assert venue.call("status")["refused_requests"] == len(BAD_REQUESTS)


def test_the_session_answers_as_a_venue_does(tmp_path):
    with model(tmp_path, "--rate", "100") as venue:
        client = Client(venue.port)
        client.logon()
        client.send(b"1", (112, "are you there"))
        client.pump(lambda: client.types["0"] == 1)
        assert client.other[-1][112] == "are you there"
        client.send(b"D", (11, "order"))
        client.pump(lambda: client.types["j"] == 1)
        assert client.other[-1][372] == "D"
        client.socket.sendall(b"8=FIX.4.4\x019=5\x0135=0\x0110=000\x01")  # a wrong checksum is ignored
        client.send(b"5")
        client.pump(lambda: client.types["5"] == 1)
        client.drain(1.0)
        assert client.closed
        wait_for(lambda: venue.call("status")["connections"] == 0)
        assert venue.call("messages")["by_type"] == {"A": 1, "1": 1, "D": 1, "0": 1, "5": 1}


def test_strangers_are_shown_out(tmp_path):
    with model(tmp_path, "--rate", "100") as venue:
        for greeting in (b"GET / HTTP/1.1\r\n" * 1000, b"8=FIX.4.4\x019=5\x0135=0\x0110=161\x01"):
            with socket.create_connection(("127.0.0.1", venue.port)) as stranger:
                stranger.sendall(greeting)
                stranger.settimeout(TIMEOUT_S)
                with contextlib.suppress(ConnectionResetError):
                    assert stranger.recv(100) == b""
        wait_for(lambda: venue.call("status")["refused_connections"] == 2)


def test_a_pause_holds_the_flow_and_moves_the_schedule(tmp_path):
    venue, client = ready(tmp_path, "--rate", "2000", "--seconds", "1.5")
    with venue:
        client.pump(lambda: client.types["X"] > 50)
        assert venue.call("pause") == {"flow": "paused"}
        client.drain()
        before = client.types["X"]
        client.drain()
        assert client.types["X"] == before
        assert venue.call("resume") == {"flow": "running"}
        receive_flow(venue, client)
        assert_agree(venue, client)
        assert venue.call("status")["seconds"] < 10


def test_bad_faults_are_refused(tmp_path):
    with model(tmp_path, "--rate", "100") as venue:
        for count in (0, "1", True, 10**7):
            with pytest.raises(ControlError, match="n must be"):
                venue.call("skip_seq", n=count)


def test_stop_says_goodbye(tmp_path):
    venue, client = ready(tmp_path, "--rate", "1000")
    with venue:
        client.pump(lambda: client.types["X"] > 10)
        venue.call("stop")
        client.pump(lambda: client.types["5"] == 1)
        client.send(b"5")
        assert venue.process.wait(TIMEOUT_S) == 0
        assert not venue.control_path.exists()


def test_a_heartbeat_is_asked_for_and_silence_ends_the_session(tmp_path):
    with model(tmp_path, "--rate", "100") as venue:
        client = Client(venue.port)
        client.send(b"A", (98, 0), (108, 1))
        client.pump(lambda: client.types["1"] >= 1 and client.types["0"] >= 1)
        client.send = lambda *_: None  # from here on it is silent
        deadline = time.monotonic() + TIMEOUT_S
        while not client.closed:
            assert time.monotonic() < deadline
            client.drain(0.5)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--rate", "0"], ["--rate", "x"], ["--instruments", "0"], ["--levels", "2"], ["--speed", "0"],
        ["--speed", "fast"], ["--keying", "position"], ["--burst-every", "0.5"], ["--port", "65536"],
        ["--seconds", "nan"], ["--unknown"], ["--describe", "--capture", "x"],
    ],
)  # fmt: skip
def test_a_bad_command_line_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        sim.main(arguments)
    assert error.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_a_port_in_use_is_one_line_and_no_traceback(tmp_path, capsys):
    with model(tmp_path, "--rate", "100") as venue:
        assert sim.main(["--port", str(venue.port)]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("feedhandler simulate: ")
