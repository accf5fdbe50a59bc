"""The venue as a process, seen through a plain socket."""

import csv
import math

import numpy as np
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


LOG_ROW = np.dtype(
    [("intended_ns", "<i8"), ("instrument", "<u4"), ("pad", "<u4")]
    + [(name, "<f8") for name in ("bid", "bid_size", "ask", "ask_size")]
)


class BestFollower(Client):
    """Writes down every change of a best price that an X brought, in the form of the venue's log."""

    def __init__(self, port: int, symbols: list[str]) -> None:
        super().__init__(port)
        self.index = {symbol: index for index, symbol in enumerate(symbols)}
        self.rows: list[tuple] = []

    def _best(self, symbol: str) -> tuple:
        return tuple(
            number for side in "01" for number in (self.books[symbol].levels(side) or [(math.nan, math.nan)])[0]
        )

    def _market_data(self, kind, fields, duplicate):
        symbol = next(value for tag, value in fields if tag == 55)
        before = self._best(symbol)
        super()._market_data(kind, fields, duplicate)
        if kind == "X" and self._best(symbol) != before:
            time = next(value for tag, value in fields if tag == 273)
            self.rows.append((time, self.index[symbol], *map(float, self._best(symbol))))


@pytest.mark.parametrize("keying", ["price", "id"])
def test_the_bbo_log_is_what_a_client_sees(tmp_path, keying):
    log = tmp_path / "bbo.bin"
    with model(tmp_path, "--rate", "4000", "--seconds", "1", "--bbo-log", str(log), "--keying", keying) as venue:
        symbols = symbols_of(tmp_path / "instruments.csv")
        client = BestFollower(venue.port, symbols)
        client.logon()
        client.subscribe(symbols)
        receive_flow(venue, client)
        venue.call("flush_log")
        client.close()
    rows = np.fromfile(log, LOG_ROW)
    assert len(rows) == len(client.rows) > 200
    for row, (time, *rest) in zip(rows, client.rows, strict=True):
        seconds, fraction = divmod(int(row["intended_ns"]), 10**9)
        clock = seconds % 86_400
        assert f"{clock // 3600:02}:{clock // 60 % 60:02}:{clock % 60:02}.{fraction:09}" == time
        assert [int(row["instrument"]), *(float(row[name]) for name in LOG_ROW.names[3:])] == rest
