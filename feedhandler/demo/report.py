"""What a run of the rig shows in the end: counts by stage from independent sources, losses, latencies, CPU."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from feedhandler.counters import read_all
from feedhandler.demo import judge, latency
from feedhandler.demo.faults import Faults, Seen
from feedhandler.demo.rig import HANDLER, PROCESSES, Rig
from feedhandler.instruments import Directory
from feedhandler.record.journal import open_journal
from feedhandler.record.parquet_read import read_table
from feedhandler.tick import TICK_KINDS, Flag

BOARD_WAIT_S = 0.3


class Findings:
    """Collects what must be seen while everything runs, then what lies in files after the stop."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.report: dict[str, Any] = {}

    def live(self) -> None:
        """Look at venue, board, bridge and counters. Call when the flow is done and all stages are drained."""
        rig = self._rig
        rig.poll(BOARD_WAIT_S)
        rig.measure()
        self.status = rig.venue("status")
        self.counts = rig.venue("counts")
        rig.venue("flush_log")
        self.truth = judge.venue_books(rig.venue("books"))
        self.counters = read_all(rig.shm_dir)
        self.board, self.depth = judge.board_books(rig.shm_dir, rig.folder / "state")
        self.symbols = listed_symbols(rig.folder / "instruments.csv")
        websocket = judge.websocket_books(int((rig.run_dir / "bridge.port").read_text()))
        venue_of = {symbol: venue for venue, symbol in self.symbols.items()}
        self.websocket = {venue_of.get(symbol, symbol): book for symbol, book in websocket.items()}
        self.miscounted = self._miscounted(rig)
        self.restarts = {name: facts["restarts"] for name, facts in rig.supervisor.status()["processes"].items()}

    def _miscounted(self, rig: Rig) -> list[str]:
        """Return the instruments of which the ring has not as many ticks as the venue wrote, or cut and sent again."""
        ring = rig.tally.by_instrument.tolist()
        wrong = []
        for entry in Directory(rig.folder / "state" / "instruments.dir").all():
            written = sum(self.counts[name].get(entry.venue_symbol, 0) for name in ("sent", "cut", "skipped"))
            if written != (ring[entry.id] if entry.id < len(ring) else 0):
                wrong.append(entry.venue_symbol)
        return wrong

    def counter(self, process: str, name: str) -> int:
        """Sum a counter over its slots; 0 where the process has none."""
        return sum(self.counters.get(process, {}).get(name, {}).values())

    def stored(self) -> None:
        """Count what the files hold. Call after the system has stopped."""
        folder = self._rig.folder
        self.journaled = 0
        hops: list[np.ndarray[Any, np.dtype[Any]]] = []
        for block in open_journal(folder / "journal").blocks(HANDLER):
            records = block.records
            ticks = records[np.isin(records["kind"], TICK_KINDS)]
            self.journaled += len(ticks)
            live = ticks[(ticks["flags"] & (Flag.SNAPSHOT | Flag.RECOVERED)) == 0]
            hops.append(live["ts_recv"] + live["delay"] - live["ts_event"])
        self.source_to_ring = np.concatenate(hops) if hops else np.zeros(0, np.int64)
        table = read_table(folder / "parquet", columns=["kind"])
        self.in_parquet = pc.sum(pc.is_in(table["kind"], value_set=_tick_kinds(table))).as_py() or 0

    def compose(self, websocket: Path, zmq: Path, faults: Faults | None = None) -> dict[str, Any]:
        """Put the report together from what was seen and what the clients wrote."""
        rig = self._rig
        ring = rig.tally.ticks
        sent = int(self.status["ticks_sent"])
        # What the venue numbered but could not write comes all the same, when its gap is resent.
        expected = sent + int(self.status["ticks_cut"]) + int(self.status["ticks_skipped"])
        # A killed handler's counters ended with it: then what it received is known by what its rings got.
        received = self.counter(HANDLER, "fix_ticks") if self.restarts[HANDLER] == 0 else ring
        seen = {name: np.load(path) for name, path in (("ws", websocket), ("zmq", zmq))}
        wrong = self._differing(seen["ws"])
        seconds = float(self.status["seconds"])
        log = latency.read_bbo_log(rig.bbo_log)
        result = {
            "ticks_sent": sent,
            "ticks_expected": expected,
            "ticks_received": received,
            "ticks_in_ring": ring,
            "ticks_journaled": self.journaled,
            "ticks_in_parquet": self.in_parquet,
            "lost": self._lost(expected, received, seen),
            "instruments_miscounted": len(self.miscounted),
            "miscounted": self.miscounted[:10],
            "books_checked": 3 * len(self.truth),
            "books_differing": sum(map(len, wrong.values())),
            "differing": {name: symbols[:10] for name, symbols in wrong.items()},
            "bbo_published": self.counter("conflator", "publish_bbo"),
            "ws_updates": int(seen["ws"]["counts"][0]),
            "conflated": self.counter("conflator", "publish_conflated") + self.counter("bridge", "bridge_conflated"),
            "seconds": round(seconds, 3),
            "rate": round(sent / seconds, 1) if seconds else 0.0,
            "cpu": {name: round(value / max(seconds, 1e-9), 3) for name, value in self._cpu().items()},
            "rss_mb": rig.rss_mb,
            "source_to_ring_us": latency.summary_us(self.source_to_ring),
        }
        if faults is not None and faults.kills:
            client = Seen(self._numbers(seen["ws"]), seen["ws"]["arrival"], seen["ws"]["values"])
            result["kills"] = faults.report(self.status, log, client)
        return result | self._latencies(log, seen) | self._faults()

    def _lost(self, expected: int, received: int, seen: dict[str, Any]) -> dict[str, int]:
        ring = self._rig.tally.ticks
        return {
            "wire": expected - received,
            "ring": received - ring,
            "journal": ring - self.journaled,
            "parquet": self.journaled - self.in_parquet,
            "conflator": self.counter("conflator", "conflate_lapped"),
            "publisher": self.counter("conflator", "publish_dropped") + int(seen["zmq"]["counts"][1]),
            "bridge": self.counter("bridge", "bridge_trades_dropped") + int(seen["ws"]["counts"][1]),
        }

    def _latencies(self, log: latency.Array, seen: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, client in seen.items():
            # What changed before a client was there came with its snapshot: no update ever owed it that.
            since = client["arrival"].min(initial=np.iinfo(np.int64).max)
            delivered = self._delivered(log[log["ts"] >= since], client)
            found[f"source_to_{name}_us"] = latency.summary_us(delivered.latency_ns)
            found[f"{name}_changes_conflated"] = delivered.conflated
        return found

    def _cpu(self) -> dict[str, float]:
        return {name: self._rig.cpu_s[name] for name in sorted(self._rig.cpu_s)}

    def _faults(self) -> dict[str, Any]:
        counts = {name: sum(self.counts.get(name, {}).values()) for name in ("resent", "skipped", "cut", "unsent")}
        return {"venue": counts, "restarts": {name: self.restarts.get(name, 0) for name in PROCESSES}}

    def _differing(self, websocket: Any) -> dict[str, list[str]]:
        named = {self.symbols.get(venue, venue): book for venue, book in self.truth.items()}
        return {
            "board": judge.differing(self.board, self.truth, self.depth),
            "websocket_book": judge.differing(self.websocket, self.truth, self.depth),
            "websocket_bbo": judge.differing_bbos(list(websocket["keys"]), websocket["last"], named),
        }

    def _numbers(self, seen: Any) -> latency.Array:
        """Return the place in the venue's list of each delivery's instrument."""
        index = {symbol: number for number, symbol in enumerate(self.symbols.values())}
        numbers = np.array([index[key.split("|")[0]] for key in seen["keys"]], np.int64)
        return numbers[seen["key"]] if len(numbers) else np.zeros(0, np.int64)

    def _delivered(self, log: latency.Array, seen: Any) -> latency.Delivered:
        return latency.oldest_undelivered(log, self._numbers(seen), seen["ts_event"], seen["arrival"])


def listed_symbols(path: Path) -> dict[str, str]:
    """Return {venue symbol: symbol} of an instruments file, in its order."""
    header, *rows = (line.split(",") for line in path.read_text().splitlines() if line)
    venue, symbol = header.index("venue"), header.index("symbol")
    return {row[venue]: row[symbol] for row in rows}


def _tick_kinds(table: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - only where a report is made

    return pa.array([int(kind) for kind in TICK_KINDS], table.schema.field("kind").type)
