"""`python -m perf.micro.directory`: the instrument directory at 100,000 instruments, natively and from Python.

The peer in Python is a plain dict of one process, which nobody shares and which ends with it; natively it is
std::unordered_map. Appends have none that is both shared and on disk: a dict's own insertions stand beside them.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from feedhandler.instruments import Directory, Instrument
from perf import result
from perf.micro import native
from perf.result import Result

COUNT = 100_000
SINGLE = 2_000
CHUNKS = 5

Contenders = dict[str, tuple[Callable[[], Any], int]]


def from_cpp(options: argparse.Namespace) -> Iterator[Result]:
    """Native: bulk append and opening per instrument; lookups beside a hash map."""
    found, _ = native.run("directory_bench", str(options.runs))
    yield result.result("directory/add_many", "ns/instrument", found["add_many"])
    yield result.result("directory/open", "ns/instrument", found["open"])
    for name in ("find", "of_symbol"):
        yield result.result(f"directory/{name}", "ns/lookup", found[name], "std::unordered_map", found["map"])
    yield result.result("directory/get", "ns/lookup", found["get"])


def instruments(count: int) -> list[Instrument]:
    """So many, of source 1."""
    return [Instrument(source=1, venue_symbol=f"V{i:06}", symbol=f"S{i:06}/USD") for i in range(count)]


def appends(options: argparse.Namespace) -> Iterator[Result]:
    """Python: one by one, and all at once, each into a fresh directory, beside a dict."""
    wanted, few = instruments(COUNT), instruments(SINGLE)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        path = Path(folder) / "instruments.dir"
        directory = Directory(path, writable=True)

        def fresh() -> None:
            nonlocal directory
            path.unlink()
            directory = Directory(path, writable=True)

        def one_by_one() -> None:
            for instrument in few:
                directory.add(instrument)

        def own() -> None:
            table: dict[tuple[int, str], int] = {}
            for number, instrument in enumerate(wanted, 1):
                table.setdefault((instrument.source, instrument.venue_symbol), number)

        contenders: Contenders = {
            "add": (one_by_one, SINGLE),
            "add_many": (lambda: directory.add_many(wanted), COUNT),
            "dict": (own, COUNT),
        }
        found = result.in_turns(options.runs, CHUNKS, contenders, after=fresh)
        for name in ("add", "add_many"):
            peer = "dict.setdefault"
            yield result.result(f"directory/python_{name}", "ns/instrument", found[name], peer, found["dict"])


def lookups(options: argparse.Namespace) -> Iterator[Result]:
    """Python: by (source, venue symbol), by symbol and by id, beside a dict."""
    wanted = instruments(COUNT)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        directory = Directory(Path(folder) / "instruments.dir", writable=True)
        directory.add_many(wanted)
        scattered = [wanted[i * 40_503 % COUNT] for i in range(COUNT)]
        venues = [instrument.venue_symbol for instrument in scattered]
        symbols = [instrument.symbol for instrument in scattered]
        ids = [1 + i * 40_503 % COUNT for i in range(COUNT)]
        by_venue = {(1, instrument.venue_symbol): number for number, instrument in enumerate(wanted, 1)}
        by_id = dict(enumerate(wanted, 1))
        contenders: Contenders = {
            "find": (lambda: [directory.find(1, venue) for venue in venues], COUNT),
            "dict": (lambda: [by_venue[1, venue] for venue in venues], COUNT),
            "of_symbol": (lambda: [directory.of_symbol(symbol) for symbol in symbols], COUNT),
            "get": (lambda: [directory.get(number) for number in ids], COUNT),
            "dict_of_ids": (lambda: [by_id[number] for number in ids], COUNT),
        }
        found = result.in_turns(options.runs, CHUNKS, contenders)
        for name, peer in (("find", "dict"), ("of_symbol", "dict"), ("get", "dict_of_ids")):
            yield result.result(f"directory/python_{name}", "ns/lookup", found[name], "plain dict", found[peer])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = result.parser("perf.micro.directory", Path(__file__).stem).parse_args(argv)
    return result.run(options, (from_cpp, appends, lookups))


if __name__ == "__main__":
    sys.exit(main())
