"""The demo's terminal: a live view while it runs, and the report as a table."""

import contextlib
from typing import Any, Self

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from feedhandler import clock
from feedhandler.board import Board
from feedhandler.counters import read_all
from feedhandler.demo.rig import HANDLER, Rig
from feedhandler.errors import SegmentError
from feedhandler.instruments import Directory

SHOWN_BOOKS = 8


class LiveView:
    """Rates, best prices, delays, lags and drops, drawn from counters and board: it asks no process for anything."""

    def __init__(self, rig: Rig, *, enabled: bool) -> None:
        self._rig = rig
        self._live = Live(refresh_per_second=2) if enabled else None
        self._console = Console()
        self._before: tuple[float, dict[str, int]] | None = None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, venue: dict[str, Any]) -> None:
        """Draw the present. Without a terminal: one line a call."""
        counters = read_all(self._rig.shm_dir)
        totals = {
            "sent": int(venue["ticks_sent"]),
            "received": _sum(counters, HANDLER, "fix_ticks"),
            "in ring": self._rig.tally.ticks,
            "conflated in": _sum(counters, "conflator", "conflate_ticks"),
            "bbo out": _sum(counters, "conflator", "publish_bbo"),
            "ws out": _sum(counters, "bridge", "bridge_updates_out"),
            "journaled": _sum(counters, "recorder", "record_ticks"),
            "in parquet": _sum(counters, "recorder", "parquet_rows"),
        }
        rates = self._rates(totals)
        if self._live is None:
            self._console.print(
                f"{venue['flow']:8} {venue['seconds']:6.1f} s  sent {totals['sent']:>10,}  {rates['sent']:>9,.0f}/s  "
                f"in ring {totals['in ring']:>10,}  bbo {rates['bbo out']:>8,.0f}/s  ws {rates['ws out']:>8,.0f}/s  "
                f"journaled {totals['journaled']:>10,}",
                highlight=False,
            )
            return
        self._live.update(Group(self._flow(venue, totals, rates, counters), self._books()))

    def _rates(self, totals: dict[str, int]) -> dict[str, float]:
        now = clock.monotonic_ns() / 1e9
        before, self._before = self._before, (now, totals)
        if before is None:
            return dict.fromkeys(totals, 0.0)
        return {name: (value - before[1][name]) / (now - before[0]) for name, value in totals.items()}

    def _flow(self, venue: dict[str, Any], totals: dict[str, int], rates: dict[str, float], counters: Any) -> Table:
        table = Table(title=f"venue {venue['flow']}, {venue['seconds']:.1f} s", expand=False)
        for name in ("stage", "total", "per second", "behind", "dropped"):
            table.add_column(name, justify="left" if name == "stage" else "right")
        dropped = {
            "in ring": self._rig.tally.lost,
            "conflated in": _sum(counters, "conflator", "conflate_lapped"),
            "ws out": _sum(counters, "bridge", "bridge_trades_dropped"),
            "journaled": _sum(counters, "recorder", "record_lost"),
        }
        ticks = ("received", "in ring", "conflated in", "journaled")
        for name, total in totals.items():
            behind = f"{max(0, totals['sent'] - total):,}" if name in ticks else ""
            table.add_row(name, f"{total:,}", f"{rates[name]:,.0f}", behind, f"{dropped.get(name, 0):,}")
        return table

    def _books(self) -> Table:
        table = Table(title="most active", expand=False)
        for name in ("symbol", "bid size", "bid", "ask", "ask size", "last", "trades", "ring to board, us"):
            table.add_column(name, justify="left" if name == "symbol" else "right")
        with contextlib.suppress(SegmentError, RuntimeError):
            rows = Board(self._rig.shm_dir).rows()
            directory = Directory(self._rig.folder / "state" / "instruments.dir")
            for row in rows[np.argsort(rows["updates"])[::-1][:SHOWN_BOOKS]]:
                entry = directory.get(int(row["instrument"]))
                values = [row[name] for name in ("bid_size", "bid", "ask", "ask_size", "last_price")]
                hop = (row["ts_update"] - row["ts_recv"]) / 1000
                cells = [f"{value:.8g}" for value in values]
                table.add_row(entry.symbol if entry else "?", *cells, f"{row['trades']:,}", f"{hop:,.0f}")
        return table


def _sum(counters: dict[str, dict[str, dict[int, int]]], process: str, name: str) -> int:
    return sum(counters.get(process, {}).get(name, {}).values())


def report_table(report: dict[str, Any]) -> None:
    """Print the report."""
    console = Console()
    table = Table(title="report", show_header=False)
    for name in (
        "ticks_sent", "ticks_received", "ticks_in_ring", "ticks_journaled", "ticks_in_parquet", "books_checked",
        "books_differing", "bbo_published", "ws_updates", "conflated", "seconds", "rate",
    ):  # fmt: skip
        table.add_row(name, f"{report[name]:,}")
    table.add_row("lost", ", ".join(f"{stage} {count}" for stage, count in report["lost"].items()))
    table.add_row("CPU", ", ".join(f"{name} {share:.2f}" for name, share in report["cpu"].items()))
    table.add_row("memory, MB", ", ".join(f"{name} {size:.0f}" for name, size in report["rss_mb"].items()))
    console.print(table)
    latencies = Table(title="latency from the intended send time, us")
    for name in ("hop", "p50", "p90", "p99", "p99_9", "max", "count"):
        latencies.add_column(name, justify="left" if name == "hop" else "right")
    for hop in ("source_to_ring_us", "source_to_zmq_us", "source_to_ws_us"):
        values = [f"{report[hop][name]:,}" for name in ("p50", "p90", "p99", "p99_9", "max", "count")]
        latencies.add_row(hop.removesuffix("_us").replace("_", " "), *values)
    console.print(latencies)
