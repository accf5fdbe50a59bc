"""The venue as a process, seen through a plain socket."""

import csv

import pytest
from sim_client import Client, Venue, assert_agree


def symbols_of(path) -> list[str]:
    with path.open() as file:
        return [row["venue"] for row in csv.DictReader(file)]


def model(folder, *arguments: str, instruments: int = 40) -> Venue:
    path = folder / "instruments.csv"
    return Venue(folder, "--instruments", str(instruments), "--instruments-csv", str(path), *arguments)


def flow_done(venue: Venue) -> bool:
    return venue.call("status")["flow"] == "done"


def receive_flow(venue: Venue, client: Client) -> None:
    """Everything until the flow is over and the socket is quiet."""
    done = False
    while not done:
        done = flow_done(venue)
        client.drain(0.1)


@pytest.mark.parametrize("keying", ["price", "id"])
def test_what_a_client_sees_is_what_the_venue_says(tmp_path, keying):
    log = tmp_path / "bbo.bin"
    with model(tmp_path, "--rate", "20000", "--seconds", "2", "--keying", keying, "--bbo-log", str(log)) as venue:
        client = Client(venue.port)
        client.logon()
        assert venue.call("status")["flow"] == "waiting"
        client.subscribe(symbols_of(tmp_path / "instruments.csv"))
        receive_flow(venue, client)
        counts = assert_agree(venue, client)
        status = venue.call("status")
        assert sum(counts["sent"].values()) == status["ticks_sent"] > 10_000
        assert status["ticks_unsent"] == status["ticks_cut"] == status["crossed"] == status["misfits"] == 0
        assert status["sessions"][0]["last_seq_sent"] == client.next_in - 1 == status["sessions"][0]["next_out"] - 1
        assert client.types["W"] == 40
        assert sum(client.trades.values()) > 100
        assert venue.call("flush_log")["rows"] * 48 == log.stat().st_size > 0
        client.close()
